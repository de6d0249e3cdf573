package antientropy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

// The states of a checker: nothing is due, copies are being compared, another
// gateway does it, it is done only when asked for.
const (
	Idle      = "idle"
	Comparing = "comparing"
	Elsewhere = "elsewhere"
	Off       = "off"
)

// Report is how comparing stands, for operators.
type Report struct {
	State string `json:"state"`
	// Asked says that a pass was asked for and has not begun.
	Asked bool `json:"asked,omitempty"`
	// Now is the pass under way.
	Now *Progress `json:"now,omitempty"`
	// Fast and Content tell of the passes over all indexes. One over the contents
	// counts as a fast one, too.
	Fast    Times         `json:"fast"`
	Content Times         `json:"content"`
	Indexes []IndexResult `json:"indexes"`
	// Problems say in words what could not be put right.
	Problems []string `json:"problems"`
}

// Times are when a pass was last complete and is next due.
type Times struct {
	Last *time.Time `json:"lastEndedAt,omitempty"`
	Next *time.Time `json:"nextAt,omitempty"`
}

// Progress is a pass under way.
type Progress struct {
	Pass  string    `json:"pass"`
	Began time.Time `json:"beganAt"`
	Index string    `json:"index"`
	// Done of Shards of the index are compared, at Rate documents a second, all
	// copies together.
	Done   int     `json:"done"`
	Shards int     `json:"shards"`
	Rate   float64 `json:"rate"`
}

// IndexResult is what the last passes over one index came to.
type IndexResult struct {
	Index   string  `json:"index"`
	Fast    *Result `json:"fast,omitempty"`
	Content *Result `json:"content,omitempty"`
}

// Rate is how many documents a second were read.
func (r *Result) Rate() float64 {
	if r.Seconds <= 0 {
		return 0
	}
	return float64(r.Documents) / r.Seconds
}

// Latest is the newer of both results, or nil.
func (i *IndexResult) Latest() *Result {
	if i.Content != nil && (i.Fast == nil || i.Content.Ended.After(i.Fast.Ended)) {
		return i.Content
	}
	return i.Fast
}

// Report tells how comparing stands.
func (c *Checker) Report() Report {
	s := c.schedule()
	out := Report{State: Idle, Indexes: []IndexResult{}, Problems: []string{}}
	err := c.o.Store.View(func(tx state.Tx) error {
		out.Asked = tx.Get(table, askedKey) != nil
		for pass, times := range map[string]*Times{Fast: &out.Fast, Content: &out.Content} {
			var last span
			if _, err := get(tx, passKey(pass), &last); err != nil {
				return err
			}
			if !last.Ended.IsZero() {
				times.Last = &last.Ended
			}
			every := map[string]time.Duration{Fast: s.Fast, Content: s.Content}[pass]
			if next := last.Began.Add(every); !s.Off {
				times.Next = &next
			}
		}
		return c.results(tx, &out)
	})
	if err != nil {
		out.Problems = append(out.Problems, err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem != nil && !errors.Is(c.problem, errElsewhere) {
		out.Problems = append(out.Problems, fmt.Sprintf("comparing copies broke off and goes on later: %v", c.problem))
	}
	switch {
	case c.at != nil && c.holding:
		out.State, out.Now = Comparing, c.progress()
	case c.at != nil:
		out.State = Elsewhere
	case s.Off:
		out.State = Off
	}
	return out
}

// results adds what the last passes over each index came to.
func (c *Checker) results(tx state.Tx, out *Report) error {
	for _, ix := range c.o.Catalog.List() {
		r := IndexResult{Index: ix.UID}
		for pass, into := range map[string]**Result{Fast: &r.Fast, Content: &r.Content} {
			var last Result
			known, err := get(tx, resultKey(ix.Physical, pass), &last)
			if err != nil {
				return err
			}
			if known {
				*into = &last
			}
		}
		if last := r.Latest(); last != nil {
			out.Problems = append(out.Problems, last.Problems...)
		}
		out.Indexes = append(out.Indexes, r)
	}
	slices.SortFunc(out.Indexes, func(a, b IndexResult) int { return cmp.Compare(a.Index, b.Index) })
	return nil
}

// progress is the pass under way. c.mu is held.
func (c *Checker) progress() *Progress {
	now := &Progress{Pass: c.at.Pass, Began: c.at.Began, Done: len(c.at.Done), Rate: c.at.Result.Rate()}
	if ix, ok := c.o.Catalog.ByPhysical(c.at.Index); ok {
		now.Index, now.Shards = ix.UID, ix.Shards
	}
	return now
}
