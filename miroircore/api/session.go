package api

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

const (
	// sessionHeader carries what a client has written: a write's answer gives it,
	// a read that brings it sees those writes.
	sessionHeader  = "X-Miroir-Session"
	sessionVersion = "1"
	// sessionMost bounds the writes that a session holds, one for each index.
	sessionMost = 64
)

// Defaults of how long a read waits for the writes of its session, and of the
// longest that X-Miroir-Wait may ask for.
const (
	DefaultSessionWait = 5 * time.Second
	DefaultMaxWait     = time.Minute
)

const waitHeader = "X-Miroir-Wait"

// wait reads how long a client wants to wait, at most as long as it may.
func (c *call) wait() (limit time.Duration, given bool, err *meili.Error) {
	text := c.r.Header.Get(waitHeader)
	if text == "" {
		return 0, false, nil
	}
	wish, parseErr := time.ParseDuration(text)
	if parseErr != nil || wish < 0 {
		return 0, false, meili.NewError("bad_request", "Invalid value in header `%s`: could not parse `%s` as a duration such as `5s`", waitHeader, text)
	}
	return min(wish, cmp.Or(c.settings.MaxWait, DefaultMaxWait)), true, nil
}

// session is the tasks of what a client has written last. A task has ended when
// every copy that may be read has applied it, so that a read after that sees it
// whichever copies answer.
type session []uint32

func parseSession(text string) (session, *meili.Error) {
	if text == "" {
		return nil, nil
	}
	invalid := meili.NewError("bad_request", "Invalid value in header `%s`: it is not what a write answered.", sessionHeader)
	parts := strings.Split(text, ".")
	if parts[0] != sessionVersion || len(parts) > sessionMost+1 {
		return nil, invalid
	}
	var tasks session
	for _, part := range parts[1:] {
		uid, err := strconv.ParseUint(part, 36, 32)
		if err != nil {
			return nil, invalid
		}
		tasks = append(tasks, uint32(uid))
	}
	return tasks, nil
}

func (t session) String() string {
	text := sessionVersion
	for _, uid := range t {
		text += "." + strconv.FormatUint(uint64(uid), 36)
	}
	return text
}

// with adds a write and leaves out what has ended, and what an index has from
// before: its tasks end in their order.
func (s *Server) with(before session, written uint32) session {
	all := append(slices.Clone(before), written)
	slices.SortFunc(all, func(a, b uint32) int { return cmp.Compare(b, a) })
	all = slices.Compact(all)
	var kept session
	seen := make(map[string]bool)
	for _, uid := range all {
		t, ok := s.Tasks.Get(uid)
		if !ok || uid != written && t.Status.Finished() {
			continue
		}
		if t.IndexUID != nil {
			if seen[*t.IndexUID] {
				continue
			}
			seen[*t.IndexUID] = true
		}
		kept = append(kept, uid)
	}
	return kept[:min(len(kept), sessionMost)]
}

// readYourWrites waits until what the client's session has written can be read.
func (s *Server) readYourWrites(c *call) *meili.Error {
	tasks, err := parseSession(c.r.Header.Get(sessionHeader))
	if err != nil || len(tasks) == 0 {
		return err
	}
	limit, given, err := c.wait()
	if err != nil {
		return err
	}
	if !given {
		limit = cmp.Or(c.settings.SessionWait, DefaultSessionWait)
	}
	ctx, cancel := context.WithTimeout(c.ctx, limit)
	defer cancel()
	for _, uid := range tasks {
		if t, ok := s.Tasks.Get(uid); !ok || t.Status.Finished() {
			continue // it was pruned, or has ended
		}
		if _, waitErr := s.Tasks.Wait(ctx, uid); waitErr != nil {
			return meili.NewError("miroir_session_behind", "What the session has written cannot be read yet: task %d has not ended.", uid)
		}
	}
	return nil
}
