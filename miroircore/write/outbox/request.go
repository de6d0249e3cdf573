package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

var errBody = errors.New("no body")

// request sends the items. It gives the task, what the node refuses them with,
// or the error for lack of an answer.
func (q *queue) request(group []*item) (Mark, *meili.Error, error) {
	n := q.node
	client, ok := n.opts.Client()
	if !ok {
		return Mark{}, nil, &node.Error{Node: n.opts.Node, Kind: node.KindRefused, Err: errors.New("the node is not part of the fleet")}
	}
	body, err := joined(group)
	if err != nil {
		return Mark{}, nil, fmt.Errorf("%w: %w", errBody, err)
	}
	if err := failpoint.Hit("outbox.send"); err != nil {
		return Mark{}, nil, &node.Error{Node: n.opts.Node, Kind: node.KindRefused, Err: err}
	}
	s := group[0].step
	query := s.Query
	if s.Metadata {
		if query != "" {
			query += "&"
		}
		query += "customMetadata=" + url.QueryEscape(metadata(group))
	}
	path := s.Path
	if query != "" {
		path += "?" + query
	}
	ctx, cancel := context.WithTimeout(n.ctx, sendTime(body))
	defer cancel()
	summary, err := client.Enqueue(ctx, s.Method, path, body)
	if err == nil {
		err = lostAnswer()
	}
	if n.opts.Report != nil {
		n.opts.Report(n.opts.Node, err)
	}
	if err == nil {
		return Mark{UID: summary.TaskUID, EnqueuedAt: summary.EnqueuedAt}, nil, nil
	}
	var failure *node.Error
	if errors.As(err, &failure) && failure.Kind == node.KindStatus && refusedHere(failure.Answer, failure.Status) {
		answer := failure.Answer
		if answer == nil {
			answer = meili.NewError("bad_request", "The server answered with the status %d.", failure.Status)
		}
		return Mark{}, answer, nil
	}
	return Mark{}, nil, err
}

// lostAnswer lets a test lose the answer to a request that the node has taken.
func lostAnswer() error {
	if err := failpoint.Hit("outbox.answer"); err != nil {
		return &node.Error{Kind: node.KindCut, Err: err}
	}
	return nil
}

// joined puts the bodies of the items behind one another.
func joined(group []*item) (*node.Body, error) {
	if group[0].step.Body == nil {
		return nil, nil
	}
	first, err := group[0].step.Body()
	if err != nil || len(group) == 1 {
		return first, err
	}
	var all bytes.Buffer
	for i, it := range group {
		body := first
		if i > 0 {
			if body, err = it.step.Body(); err != nil {
				return nil, err
			}
		}
		reader := body.Open()
		_, err := io.Copy(&all, reader)
		if err = errors.Join(err, reader.Close()); err != nil {
			return nil, err
		}
	}
	return &node.Body{ContentType: first.ContentType, Length: int64(all.Len()),
		Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(all.Bytes())) }}, nil
}

// sendTime is how long a request may take: long enough for its body on a slow
// line.
func sendTime(body *node.Body) time.Duration {
	d := 30 * time.Second
	if body != nil && body.Length > 0 {
		d += time.Duration(body.Length>>20) * time.Second
	}
	return d
}

// metadata names a request so that its task can be found again.
func metadata(group []*item) string {
	first, last := group[0], group[len(group)-1]
	return fmt.Sprintf("miroir/%d.%d-%d.%d/%d", first.step.Op, first.step.Number, last.step.Op, last.step.Number, first.attempt)
}

// span is what a task's metadata says.
type span struct {
	firstOp, lastOp         uint64
	firstNumber, lastNumber int
	attempt                 int
}

func parseMetadata(text *string) (span, bool) {
	var s span
	if text == nil || !strings.HasPrefix(*text, "miroir/") {
		return s, false
	}
	_, err := fmt.Sscanf(*text, "miroir/%d.%d-%d.%d/%d", &s.firstOp, &s.firstNumber, &s.lastOp, &s.lastNumber, &s.attempt)
	return s, err == nil
}

func (s span) covers(step *Step) bool {
	after := step.Op > s.firstOp || step.Op == s.firstOp && step.Number >= s.firstNumber
	before := step.Op < s.lastOp || step.Op == s.lastOp && step.Number <= s.lastNumber
	return after && before
}
