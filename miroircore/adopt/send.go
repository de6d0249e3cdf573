package adopt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

const (
	// batchBytes is about how large one request with documents is; mostTasks and
	// mostBytes bound what the gateway was given and has not ended.
	batchBytes = 4 << 20
	mostTasks  = 16
	mostBytes  = 48 << 20
	// mostRefused is how many documents may be refused before the index is given
	// up; keptRefused are named.
	mostRefused = 1000
	keptRefused = 20
)

// Refusal is a document that the gateway does not take.
type Refusal struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// batch is some documents as they are sent.
type batch struct {
	items []item
	body  []byte
	task  uint32
}

// sender writes documents of one index to the gateway, in order, and finds those
// that are refused.
type sender struct {
	a       *adoption
	ix      *IndexPlan
	path    string
	waiting []*batch
	bytes   int
	passes  int
	written uint64
	meter   *meter
	refused map[string]*refused
}

// refused is a document that was refused, as it was last read; seen is the pass
// that read it.
type refused struct {
	reason  string
	content uint64
	seen    int
}

func (a *adoption) sender(ix *IndexPlan) *sender {
	query := url.Values{"customMetadata": {a.metadata()}, "primaryKey": {ix.PrimaryKey}}
	return &sender{a: a, ix: ix, path: "/indexes/" + ix.UID + "/documents?" + query.Encode(), refused: map[string]*refused{}}
}

// send sends documents in batches; they have been taken when drain has returned.
func (s *sender) send(ctx context.Context, items []item) error {
	b := new(batch)
	for _, it := range items {
		if known := s.refused[it.id]; known != nil {
			known.content, known.seen = it.content, s.passes
			s.meter.done(1)
			continue
		}
		b.items = append(b.items, it)
		b.body = append(document.AppendCopy(b.body, it.text, s.ix.change.remade), '\n')
		if len(b.body) >= batchBytes {
			if err := s.put(ctx, b); err != nil {
				return err
			}
			b = new(batch)
		}
	}
	if len(b.items) == 0 {
		return nil
	}
	return s.put(ctx, b)
}

// put sends one batch when there is room for it.
func (s *sender) put(ctx context.Context, b *batch) error {
	for len(s.waiting) > 0 && (len(s.waiting) >= mostTasks || s.bytes+len(b.body) > mostBytes) {
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	uid, err := s.post(ctx, b.body)
	if ofDocuments(node.AnswerOf(err)) {
		return s.split(ctx, b, node.AnswerOf(err), s.put)
	}
	if err != nil {
		return err
	}
	b.task = uid
	s.meter.sent(len(b.items))
	s.waiting, s.bytes = append(s.waiting, b), s.bytes+len(b.body)
	return nil
}

func (s *sender) post(ctx context.Context, lines []byte) (uint32, error) {
	var queued *meili.TaskSummary
	err := s.a.target.try(ctx, func(ctx context.Context) (err error) {
		queued, err = s.a.target.Enqueue(ctx, http.MethodPost, s.path, &node.Body{
			ContentType: "application/x-ndjson", Length: int64(len(lines)),
			Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(lines)) },
		})
		return err
	})
	if err != nil {
		return 0, err
	}
	return queued.TaskUID, nil
}

// ofDocuments says whether a refusal speaks of the documents that were sent, so
// that others may be taken.
func ofDocuments(e *meili.Error) bool {
	if e == nil {
		return false
	}
	for _, part := range []string{"document", "vector", "embedding", "max_fields", "payload_too_large"} {
		if strings.Contains(e.Code, part) {
			return true
		}
	}
	return e.Code == "miroir_reserved_field"
}

// split sends the halves of a batch that was refused, until what is refused is
// one document.
func (s *sender) split(ctx context.Context, b *batch, why *meili.Error, send func(context.Context, *batch) error) error {
	if len(b.items) == 1 {
		s.refused[b.items[0].id] = &refused{why.Message, b.items[0].content, s.passes}
		s.meter.done(1)
		if len(s.refused) > mostRefused {
			return fmt.Errorf("more than %d documents are refused, the last one, %s, with: %w", mostRefused, b.items[0].id, why)
		}
		return nil
	}
	for _, half := range [][]item{b.items[:len(b.items)/2], b.items[len(b.items)/2:]} {
		part := &batch{items: half}
		for _, it := range half {
			part.body = append(document.AppendCopy(part.body, it.text, s.ix.change.remade), '\n')
		}
		if err := send(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// one sends one batch and waits for it: where tasks fail together, the refusal
// has to be laid to the right one.
func (s *sender) one(ctx context.Context, b *batch) error {
	uid, err := s.post(ctx, b.body)
	if err == nil {
		var t *meili.Task
		if t, err = s.a.target.await(ctx, uid); err == nil {
			err = s.a.target.failure("POST "+s.path, t)
		}
	}
	if ofDocuments(node.AnswerOf(err)) {
		return s.split(ctx, b, node.AnswerOf(err), s.one)
	}
	if err == nil {
		s.wrote(b)
	}
	return err
}

// settle waits until at least one batch has ended.
func (s *sender) settle(ctx context.Context) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		ended, err := s.ended(ctx)
		if err != nil {
			return err
		}
		var still, over []*batch
		for _, b := range s.waiting {
			if ended[b.task] == nil {
				still = append(still, b)
			} else {
				over = append(over, b)
				s.bytes -= len(b.body)
			}
		}
		s.waiting = still
		for _, b := range over {
			if err := s.outcome(ctx, b, ended[b.task]); err != nil {
				return err
			}
		}
		if len(over) > 0 || len(still) == 0 {
			return nil
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// ended gives those of the tasks waited for that have ended.
func (s *sender) ended(ctx context.Context) (map[uint32]*meili.Task, error) {
	uids := make([]string, len(s.waiting))
	for i, b := range s.waiting {
		uids[i] = strconv.FormatUint(uint64(b.task), 10)
	}
	var list meili.TaskPage
	err := s.a.target.get(ctx, fmt.Sprintf("/tasks?uids=%s&limit=%d", strings.Join(uids, ","), len(uids)), &list)
	if err != nil {
		return nil, err
	}
	if len(list.Results) < len(uids) {
		return nil, errors.New("tasks of the import have vanished from the gateway: somebody deleted them; run it again")
	}
	out := make(map[uint32]*meili.Task, len(list.Results))
	for i := range list.Results {
		if t := &list.Results[i]; t.Status.Finished() {
			out[t.UID] = t
		}
	}
	return out, nil
}

func (s *sender) outcome(ctx context.Context, b *batch, t *meili.Task) error {
	err := s.a.target.failure("POST "+s.path, t)
	if ofDocuments(node.AnswerOf(err)) {
		return s.split(ctx, b, node.AnswerOf(err), s.one)
	}
	if err == nil {
		s.wrote(b)
	}
	return err
}

// wrote counts a batch that the gateway has taken.
func (s *sender) wrote(b *batch) {
	s.written += uint64(len(b.items))
	s.meter.done(len(b.items))
}

// drain waits until everything sent has ended.
func (s *sender) drain(ctx context.Context) error {
	for len(s.waiting) > 0 {
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}
