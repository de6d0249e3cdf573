package search

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// question is what is asked of the nodes of an index.
type question struct {
	ix     *index.Index
	shards plan.Set // nil means all
	method string
	path   string
	// body makes the request's body for a leg. whole says that the leg answers
	// for the whole index by itself.
	body func(leg plan.Leg, whole bool) []byte
	// read makes sense of an answer; an error means that the answer is no
	// answer and another copy has to be asked.
	read func(body []byte, whole bool) (*hit.Answer, error)
	// sticky asks the same copies each time, where the order of what they
	// answer may differ from copy to copy.
	sticky bool
}

// part is what one node answered.
type part struct {
	leg    plan.Leg
	whole  bool
	resp   *node.Response
	answer *hit.Answer // refers to the response's body
	behind bool        // the node was, with writes
}

// gathered is what all nodes answered.
type gathered struct {
	parts   []part
	missing plan.Set
	asked   int
	layout  *plan.Layout
}

func (g *gathered) release() {
	for _, p := range g.parts {
		if p.answer != nil {
			p.answer.Release()
			p.resp.Release()
		}
	}
}

func (g *gathered) answers() []*hit.Answer {
	list := make([]*hit.Answer, len(g.parts))
	for i := range g.parts {
		list[i] = g.parts[i].answer
	}
	return list
}

// refusal is a node's error that the client is to see: asking another copy
// would give the same.
type refusal struct{ err *meili.Error }

func (r *refusal) Error() string { return r.err.Error() }

// errAbsent is a node that does not know the index. The gateway does, so
// another copy is asked; only where all say so is it the answer.
var errAbsent = errors.New("the node does not have the index")

// scatter is one read under way.
type scatter struct {
	r      *Reader
	q      *question
	layout *plan.Layout
	tuning Tuning
	// preferred is the node that this read tries, "" for none.
	preferred string
	asked     atomic.Int32
	hedges    atomic.Int32
	absent    atomic.Bool
}

// gather asks the question of a covering set and gives the parts in the order
// of the plan.
func (r *Reader) gather(ctx context.Context, call Call, q *question) (*gathered, *meili.Error) {
	defer r.Begin()() // before the placement is looked at
	s := &scatter{r: r, q: q, layout: r.layout(q.ix), tuning: *r.tuning.Load()}
	own, cancel := detached(ctx, call)
	defer cancel()
	p := s.explore(s.cover(q.shards, nil))
	parts, missing, err := s.legs(own, p, nil)
	if err != nil {
		return nil, s.refused(ctx, err)
	}
	g := &gathered{parts: parts, missing: missing, asked: int(s.asked.Load()), layout: s.layout}
	if missing.Len() == 0 {
		return g, nil
	}
	if ctx.Err() != nil {
		g.release()
		return nil, s.refused(ctx, ctx.Err())
	}
	if len(parts) == 0 && s.absent.Load() {
		return nil, meili.IndexNotFound(q.ix.UID)
	}
	if len(parts) == 0 || call.Unavailable == "error" {
		g.release()
		return nil, meili.NewError("miroir_unavailable_shards", "No copy of %s of index `%s` can be read.", shardList(missing), q.ix.UID)
	}
	r.o.Metrics.Partial()
	return g, nil
}

func (s *scatter) refused(ctx context.Context, err error) *meili.Error {
	if r, ok := errors.AsType[*refusal](err); ok {
		return index.Scrub(s.q.ix, r.err)
	}
	if ctx.Err() != nil { // the client is gone: nobody reads this
		return meili.NewError("internal", "The request was canceled.")
	}
	return meili.NewError("internal", "%v", err)
}

func union(a, b plan.Set) plan.Set {
	if a == nil {
		return b
	}
	for i := range b {
		a[i] |= b[i]
	}
	return a
}
