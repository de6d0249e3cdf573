package antientropy

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/replica"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

// evidence is what copies have of some documents, all at one operation.
type evidence struct {
	ix      *index.Index
	nodes   []string // in order, in the order of the placement
	views   map[string]map[string]replica.Seen
	touched map[string]touch
}

// settle looks at documents while the writes of the index are held up, and puts
// right what differs.
func (c *Checker) settle(ctx context.Context, ix *index.Index, s suspicion, rest time.Duration, p *position) (rebuilt bool, err error) {
	ids, astray := s.ids, s.astray
	e, lost, err := c.witness(ctx, ix, ids, astray, rest)
	if err != nil {
		return false, err
	}
	for _, id := range lost {
		rebuilt = c.rebuild(ix, id, &p.Result) || rebuilt
	}
	if len(lost) > 0 {
		if !rebuilt {
			p.Result.report("nodes %s do not have index %s, and hold the only copy of some shards", strings.Join(lost, ", "), ix.UID)
		}
		return rebuilt, nil
	}
	v := c.verdict(ctx, e, ids, astray, &p.Result)
	if v.different == 0 {
		return false, nil
	}
	p.Result.Different += v.different
	c.o.Metrics.Differed(v.different)
	if err := failpoint.Hit("antientropy.differ"); err != nil {
		return false, err
	}
	if s.bulk {
		for _, id := range v.worst() {
			if c.rebuild(ix, id, &p.Result) {
				return true, nil
			}
		}
	}
	return false, c.write(ctx, ix, v, &p.Result)
}

// witness reads the documents on every node that may have them, once these have
// done all they were given. lost are those that do not have the index.
func (c *Checker) witness(ctx context.Context, ix *index.Index, ids, astray []string, rest time.Duration) (e *evidence, lost []string, err error) {
	e = &evidence{ix: ix, views: make(map[string]map[string]replica.Seen)}
	e.nodes = c.concerned(ix, ids)
	all := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(e.nodes), astray...))))
	if !c.queuedAtMost(ctx, ix.Physical, all, 0, rest) {
		return nil, nil, errBusy
	}
	e.nodes = slices.DeleteFunc(e.nodes, func(id string) bool { return !c.o.Standing.InOrder(id, ix.Physical) })
	readers, err := c.readers(ix, all, false)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range readers { // writes wait
		r.Throttle, r.Rest = nil, nil
	}
	views, err := named(ctx, readers, ids)
	for i, id := range all {
		e.views[id] = views[i]
		if views[i] == nil && err == nil && slices.Contains(e.nodes, id) {
			lost = append(lost, id)
		}
	}
	return e, lost, err
}

// repair is what is written to one node, from another or, where that is empty,
// to delete it.
type repair struct{ source, target string }

type verdict struct {
	different int
	repairs   map[repair][]string
}

// worst are the nodes with the most wrong documents.
func (v *verdict) worst() []string {
	wrong := make(map[string]int)
	for r, ids := range v.repairs {
		wrong[r.target] += len(ids)
	}
	return slices.SortedFunc(maps.Keys(wrong), func(a, b string) int {
		if d := wrong[b] - wrong[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

// verdict says what is wrong where.
func (c *Checker) verdict(ctx context.Context, e *evidence, ids, astray []string, r *Result) *verdict {
	v := &verdict{repairs: make(map[repair][]string)}
	for _, id := range ids {
		shard := document.Shard([]byte(id), e.ix.Shards)
		mine := holders(e.ix, shard)
		var all []opinion
		for _, n := range e.nodes {
			if slices.Contains(mine, n) {
				seen, there := e.views[n][id]
				all = append(all, opinion{node: n, there: there, seen: seen})
			}
		}
		differs := false
		switch {
		case len(all) > 0 && !slices.ContainsFunc(all, func(o opinion) bool { return !o.there || !o.seen.Foreign }):
			r.report("index %s: document %s on node %s was not written by the gateway, and no copy says otherwise: write it again, or delete it", e.ix.UID, id, all[0].node)
		case len(all) > 1:
			source, wrong := c.rule(ctx, e, all)
			for _, target := range wrong {
				key := repair{source, target}
				v.repairs[key] = append(v.repairs[key], id)
				differs = true
			}
		}
		for _, n := range astray {
			seen, there := e.views[n][id]
			if there && len(all) > 0 && !slices.Contains(mine, n) && (seen.Foreign || !slices.Contains(e.ix.Placement.Surplus[n], shard)) {
				v.repairs[repair{"", n}] = append(v.repairs[repair{"", n}], id)
				differs = true
			}
		}
		if differs {
			v.different++
		}
	}
	return v
}

// rule judges one document; who else wrote to the nodes is asked only where
// there is something to judge.
func (c *Checker) rule(ctx context.Context, e *evidence, all []opinion) (source string, wrong []string) {
	if !slices.ContainsFunc(all, func(o opinion) bool { return !o.like(&all[0]) }) {
		return all[0].node, nil
	}
	if e.touched == nil {
		e.touched = c.touched(ctx, e.ix.Physical, e.nodes)
	}
	for i := range all {
		at := e.touched[all[i].node]
		all[i].touched = all[i].there && at.wrote || !all[i].there && at.deleted
	}
	return judge(all)
}

// rebuild has a copy made anew, unless it is the only one of some shard.
func (c *Checker) rebuild(ix *index.Index, id string, r *Result) bool {
	for shard := range ix.Shards {
		if !slices.Contains(holders(ix, shard), id) {
			continue
		}
		if !slices.ContainsFunc(c.copies(ix, shard), func(other string) bool { return other != id && c.o.Standing.InOrder(other, ix.Physical) }) {
			return false
		}
	}
	r.Rebuilt++
	c.o.Logger.Warn("a copy differs in many documents and is made anew", "index", ix.UID, "node", id)
	c.o.Standing.Drifted(id, ix.Physical)
	return true
}

// write writes what is right to the nodes that have it otherwise.
func (c *Checker) write(ctx context.Context, ix *index.Index, v *verdict, r *Result) error {
	for key, ids := range v.repairs {
		var done replica.Progress
		var err error
		if key.source == "" {
			done, err = c.o.Mender.Discard(ctx, ix, key.target, ids)
		} else {
			done, err = c.o.Mender.Mend(ctx, ix, key.source, key.target, ids)
		}
		if err != nil {
			return err
		}
		r.Copied += done.Copied
		r.Deleted += done.Deleted
		c.o.Metrics.Mended(key.target, done.Copied, done.Deleted)
		c.o.Logger.Warn("documents differed and were put right", "index", ix.UID, "node", key.target, "from", key.source,
			"copied", done.Copied, "deleted", done.Deleted, "first", ids[0])
		if err := failpoint.Hit("antientropy.mended"); err != nil {
			return err
		}
	}
	return nil
}
