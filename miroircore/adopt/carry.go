package adopt

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// mostPasses is how often the documents of an index are gone through while the
// source goes on changing.
const mostPasses = 4

// Result is what came of one index.
type Result struct {
	UID string `json:"uid"`
	// Source sums up what the source has, without what was refused; Target what
	// the gateway has, without what the source does not have.
	Source Sum `json:"source"`
	Target Sum `json:"target"`
	// Sent were written, Deleted removed; Extra are those that only the gateway
	// has and that were left.
	Sent    uint64 `json:"sent"`
	Deleted uint64 `json:"deleted"`
	Extra   uint64 `json:"extra"`
	// Refused counts the documents that the gateway does not take, the first of
	// which Refusals names.
	Refused  int           `json:"refused"`
	Refusals []Refusal     `json:"refusals,omitempty"`
	Passes   int           `json:"passes"`
	Took     time.Duration `json:"nanoseconds"`
	// Equal says that the gateway has what the source has and nothing else; Said
	// why it has not.
	Equal bool   `json:"equal"`
	Said  string `json:"said,omitempty"`
}

// create makes an index that is not there, and gives one without a primary key
// the source's.
func (a *adoption) create(ctx context.Context, ix *IndexPlan) error {
	var key *string
	if ix.PrimaryKey != "" {
		key = &ix.PrimaryKey
	}
	var err error
	switch {
	case ix.New:
		err = a.target.enqueue(ctx, http.MethodPost, "/indexes", map[string]any{"uid": ix.UID, "primaryKey": key})
		if answer := node.AnswerOf(err); answer != nil && answer.Code == "index_already_exists" {
			err = nil // the answer to a first request was lost
		}
	case !ix.named && key != nil:
		err = a.target.enqueue(ctx, http.MethodPatch, "/indexes/"+ix.UID, map[string]any{"primaryKey": key})
	}
	return err
}

// carry makes one index equal to the source's.
func (a *adoption) carry(ctx context.Context, ix *IndexPlan, out *Result) error {
	begun := time.Now()
	defer func() { out.Took = time.Since(begun) }()
	a.Progress(Event{Index: ix.UID, Stage: Settings, Total: ix.Documents})
	waited, err := a.settled(ctx, ix.UID)
	if err != nil {
		return err
	}
	if err := a.applySettings(ctx, ix); err != nil {
		return err
	}
	s := a.sender(ix)
	compare := ix.Here > 0 || waited
	for out.Passes = 1; ; out.Passes++ {
		err := a.pass(ctx, ix, s, compare, out)
		out.tell(s)
		if err != nil {
			return err
		}
		if out.Target, err = a.sum(ctx, ix.UID, out.Source.Count); err != nil {
			return err
		}
		if out.Target.Count > out.Source.Count {
			if err := a.extra(ctx, ix, s, out); err != nil {
				return err
			}
		}
		if out.Source == out.Target || out.Passes == mostPasses {
			break
		}
		compare = true
	}
	out.judge()
	return nil
}

func (r *Result) tell(s *sender) {
	r.Sent = s.written
	r.Refused, r.Refusals = len(s.refused), nil
	for id, refused := range s.refused {
		r.Refusals = append(r.Refusals, Refusal{id, refused.reason})
	}
	slices.SortFunc(r.Refusals, func(a, b Refusal) int { return strings.Compare(a.ID, b.ID) })
	r.Refusals = r.Refusals[:min(len(r.Refusals), keptRefused)]
}

// judge says in words whether the index is what the source has.
func (r *Result) judge() {
	switch {
	case r.Source != r.Target:
		r.Said = "differs: documents changed at the source while they were read; run the import again, for the last time when nobody writes there any more"
	case r.Refused > 0:
		r.Said = fmt.Sprintf("%d documents are refused", r.Refused)
	case r.Extra > 0:
		r.Said = fmt.Sprintf("has %d documents that the source does not have; --delete removes them", r.Extra)
	default:
		r.Equal = true
	}
}

// settled waits for what the gateway was given for an index before, which an
// import that was broken off leaves behind.
func (a *adoption) settled(ctx context.Context, uid string) (waited bool, err error) {
	var page meili.TaskPage
	q := node.TaskQuery{IndexUIDs: []string{uid}, Statuses: []meili.TaskStatus{meili.StatusEnqueued, meili.StatusProcessing}, Limit: 1}
	if err := a.target.get(ctx, "/tasks?"+q.String(), &page); err != nil {
		return false, err
	}
	if len(page.Results) == 0 {
		return false, nil
	}
	_, err = a.target.await(ctx, page.Results[0].UID) // the newest ends last
	return true, err
}

// pass goes through all documents of an index and sends those that differ.
func (a *adoption) pass(ctx context.Context, ix *IndexPlan, s *sender, compare bool, out *Result) error {
	var sum Sum
	s.passes++
	s.meter = newMeter(ix.UID, Documents, ix.Documents, a.Progress)
	err := a.pages(ctx, ix, func(p page) error {
		s.meter.event.Total = uint64(p.total)
		for i := range p.items {
			sum.add(p.items[i].id, p.items[i].content)
		}
		differing := p.items
		if compare {
			var err error
			if differing, err = a.differing(ctx, ix, p.items); err != nil {
				return err
			}
			s.meter.done(len(p.items) - len(differing))
		}
		return s.send(ctx, differing)
	})
	if err == nil {
		err = s.drain(ctx)
	}
	for id, refused := range s.refused {
		if refused.seen == s.passes {
			sum.remove(id, refused.content)
		}
	}
	out.Source = sum
	return err
}

// askedAt is how many ids one request asks for.
const askedAt = 1000

// extra finds the documents that only the gateway has, and deletes them where
// that is wanted. They do not count in the gateway's sum then.
func (a *adoption) extra(ctx context.Context, ix *IndexPlan, s *sender, out *Result) error {
	out.Extra = 0
	m := newMeter(ix.UID, Deleting, out.Target.Count, a.Progress)
	sum := out.Target
	var asked []item
	settle := func() error {
		missing, err := a.missing(ctx, ix, asked)
		if err != nil {
			return err
		}
		m.done(len(asked))
		asked = asked[:0]
		for _, it := range missing {
			sum.remove(it.id, it.content)
		}
		if !a.Delete || len(missing) == 0 {
			out.Extra += uint64(len(missing))
			return nil
		}
		out.Deleted += uint64(len(missing))
		return a.remove(ctx, ix, missing)
	}
	err := a.contents(ctx, ix.UID, func() { asked, sum, out.Extra = nil, out.Target, 0 }, func(id string, content uint64) error {
		asked = append(asked, item{id: id, content: content})
		if len(asked) < askedAt {
			return nil
		}
		return settle()
	})
	if err == nil && len(asked) > 0 {
		err = settle()
	}
	out.Target = sum
	return err
}

// missing gives those of the documents that the source does not have.
func (a *adoption) missing(ctx context.Context, ix *IndexPlan, of []item) ([]item, error) {
	ids := make([]string, len(of))
	for i := range of {
		ids[i] = of[i].id
	}
	there, _, _, err := a.source.fetch(ctx, ix, fetch{IDs: ids, Limit: len(ids), Fields: []string{ix.PrimaryKey}})
	if err != nil {
		return nil, err
	}
	has := make(map[string]bool, len(there))
	for i := range there {
		has[there[i].id] = true
	}
	return slices.DeleteFunc(slices.Clone(of), func(it item) bool { return has[it.id] }), nil
}

// remove deletes documents from the gateway.
func (a *adoption) remove(ctx context.Context, ix *IndexPlan, gone []item) error {
	ids := make([]string, len(gone))
	for i := range gone {
		ids[i] = gone[i].id
	}
	query := url.Values{"customMetadata": {a.metadata()}}
	err := a.target.enqueue(ctx, http.MethodPost, "/indexes/"+ix.UID+"/documents/delete-batch?"+query.Encode(), ids)
	if !tooLarge(err) || len(gone) == 1 {
		return err
	}
	if err := a.remove(ctx, ix, gone[:len(gone)/2]); err != nil {
		return err
	}
	return a.remove(ctx, ix, gone[len(gone)/2:])
}
