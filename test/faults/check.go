package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
)

// verdict is what the replicas look like in the end.
type verdict struct {
	documents, replicas, right  int
	lost, resurrected, diverged int
	tasks, unended              int
	steps, disordered           int
}

// settle waits until nothing is under way any more. What is late is no longer
// waited for only after several minutes, so as to tell it from what is lost.
func (w *workload) settle(ctx context.Context) {
	const patience = 3 * time.Minute
	started, late := time.Now(), false
	for {
		open := w.open(ctx)
		if len(open) == 0 {
			break
		}
		if took := time.Since(started); took > w.opts.quiet && !late || took > patience {
			late = true
			open = append(open, w.undelivered(ctx)...)
			w.record.violate("not in order %s after everything was healed: %s", round(took), strings.Join(open, "; "))
			if took > patience {
				break
			}
		}
		if !sleep(ctx, 100*time.Millisecond) {
			break
		}
	}
	w.quietAfter = time.Since(started)
	w.cancel()
	w.watched.Wait()
}

// open lists what is not in order.
func (w *workload) open(ctx context.Context) (list []string) {
	var page taskPage
	if err := w.ask.ask(ctx, "GET", "/tasks?statuses=enqueued,processing&limit=1", nil).into(&page); err != nil {
		return []string{"tasks: " + err.Error()}
	} else if page.Total > 0 {
		list = append(list, fmt.Sprintf("%d tasks have not ended, the newest is %d", page.Total, page.Results[0].UID))
	}
	var fleet struct {
		Results []struct {
			ID, Status string
			Outbox     int
		}
	}
	if err := w.ask.ask(ctx, "GET", "/_miroir/nodes", nil).into(&fleet); err != nil {
		return append(list, "nodes: "+err.Error())
	}
	for _, n := range fleet.Results {
		if n.Status != "up" || n.Outbox > 0 {
			list = append(list, fmt.Sprintf("%s is %s, %d operations wait for it", n.ID, n.Status, n.Outbox))
		}
	}
	for _, n := range w.fleet.nodes {
		if err := n.direct.ask(ctx, "GET", "/tasks?statuses=enqueued,processing&limit=1", nil).into(&page); err != nil {
			list = append(list, n.id+": "+err.Error())
		} else if page.Total > 0 {
			list = append(list, fmt.Sprintf("%s still has %d tasks", n.id, page.Total))
		}
	}
	unread, err := w.unread(ctx)
	if err != nil {
		return append(list, err.Error())
	}
	unmoved, err := w.unmoved(ctx)
	if err != nil {
		return append(list, err.Error())
	}
	return append(append(list, unread...), unmoved...)
}

// unread lists the places of the placement that may not be read, but those on
// some nodes.
func (w *workload) unread(ctx context.Context, but ...*node) (list []string, err error) {
	shards, err := w.shards(ctx)
	if err != nil {
		return nil, err
	}
	places := make(map[string]int)
	for _, s := range shards {
		for _, replicas := range s.Replicas {
			for _, id := range replicas {
				out := slices.ContainsFunc(but, func(n *node) bool { return n.id == id })
				if !out && !slices.Contains(s.Readable, id) {
					places[s.Index+" on "+id]++
				}
			}
		}
	}
	for _, place := range slices.Sorted(maps.Keys(places)) {
		list = append(list, fmt.Sprintf("%d shards of %s are not read", places[place], place))
	}
	return list, nil
}

// unmoved lists what is still to be moved between nodes.
func (w *workload) unmoved(ctx context.Context) (list []string, err error) {
	var report struct {
		Rebalance struct {
			State    string
			Leftover int
			Problems []string
		}
	}
	if err := w.ask.ask(ctx, "GET", "/_miroir/topology", nil).into(&report); err != nil {
		return nil, err
	}
	if r := report.Rebalance; r.State != "idle" || r.Leftover > 0 {
		list = append(list, fmt.Sprintf("rebalancing is %s, %d shards are left over: %s", r.State, r.Leftover, strings.Join(r.Problems, "; ")))
	}
	shards, err := w.shards(ctx)
	for _, s := range shards {
		for group, replicas := range s.Replicas {
			if len(replicas) != w.fleet.shape.copies {
				list = append(list, fmt.Sprintf("shard %d of %s has %d copies in %s", s.Shard, s.Index, len(replicas), group))
			}
		}
	}
	return list[:min(len(list), 5)], err
}

// knows says whether the gateway still has to do with a node.
func (w *workload) knows(ctx context.Context, id string) (bool, error) {
	var fleet struct{ Results []struct{ ID string } }
	err := w.ask.ask(ctx, "GET", "/_miroir/nodes", nil).into(&fleet)
	for _, n := range fleet.Results {
		if n.ID == id {
			return true, err
		}
	}
	return false, err
}

// undelivered describes the first operation that some node has not ended.
func (w *workload) undelivered(ctx context.Context) []string {
	for _, a := range w.record.acked {
		answer := w.ask.ask(ctx, "GET", fmt.Sprintf("/_miroir/tasks/%d", a.uid), nil)
		var task struct {
			Nodes []struct {
				Steps, Done int
				Gone        bool
			}
		}
		if answer.into(&task) != nil {
			continue
		}
		for _, n := range task.Nodes {
			if n.Done < n.Steps && !n.Gone {
				return []string{fmt.Sprintf("the first that waits is %s: %s", a.what, answer.body)}
			}
		}
	}
	return nil
}

type shardReport struct {
	Index    string
	Shard    int
	Replicas map[string][]string
	Readable []string
}

func (w *workload) shards(ctx context.Context) ([]shardReport, error) {
	var all struct{ Results []shardReport }
	err := w.ask.ask(ctx, "GET", "/_miroir/shards", nil).into(&all)
	return all.Results, err
}

// check compares everything with the model.
func (w *workload) check(ctx context.Context) {
	want := make(map[string]document)
	ever := make(map[string]bool)
	for _, c := range w.writers {
		maps.Copy(want, c.docs)
		maps.Copy(ever, c.ever)
	}
	for _, k := range w.keepers {
		maps.Copy(want, k.docs)
	}
	w.checkIndex(ctx, index, index, want, ever)
	if w.cycler.exists {
		w.checkIndex(ctx, cycle, cycle, w.cycler.docs, w.cycler.ever)
	}
	for uid, side := range w.swapper.sides {
		w.checkIndex(ctx, uid, w.swapper.made(uid), side.docs, side.ever)
	}
	want, ever = w.history.documents()
	w.checkIndex(ctx, registers, registers, want, ever)
	w.checkIndexes(ctx)
	w.checkSettings(ctx)
	w.checkTasks(ctx)
	w.checkHistories()
}

// copyOf is what one node holds of an index.
type copyOf struct {
	docs   map[string]document
	shards map[int][]string // the ids in each shard
}

// checkIndex reads an index on every node and holds each replica of each shard
// to the model. Made is the name that the index was made under.
func (w *workload) checkIndex(ctx context.Context, uid, made string, want map[string]document, ever map[string]bool) {
	copies := make(map[string]*copyOf)
	for _, n := range w.fleet.nodes {
		physical, err := n.physical(ctx, made)
		if err == nil {
			copies[n.id], err = n.read(ctx, physical)
		}
		if err != nil {
			w.record.violate("index %s on %s cannot be read: %s", uid, n.id, err)
			return
		}
	}
	shards, err := w.shards(ctx)
	if err != nil {
		w.record.violate("%s", err)
		return
	}
	holders := make(map[int][]string)
	for _, s := range shards {
		if s.Index != uid {
			continue
		}
		for _, group := range slices.Sorted(maps.Keys(s.Replicas)) {
			holders[s.Shard] = append(holders[s.Shard], s.Replicas[group]...)
		}
	}
	all := maps.Clone(want)
	for _, c := range copies {
		maps.Copy(all, c.docs)
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		w.checkDocument(uid, id, want[id], ever[id], copies, holders)
	}
	w.verdict.documents += len(want)
	w.checkDigests(copies, holders, want)
	w.checkThrough(ctx, uid, want)
}

// checkDocument looks at one document on all nodes.
func (w *workload) checkDocument(uid, id string, want document, ever bool, copies map[string]*copyOf, holders map[int][]string) {
	shard := -1
	for _, c := range copies {
		if d := c.docs[id]; d != nil {
			shard = shardOf(d)
		}
	}
	states := make(map[string]bool)
	var words []string
	missing, differs := false, false
	for _, n := range w.fleet.nodes {
		d := copies[n.id].docs[id]
		holds := shard < 0 || slices.Contains(holders[shard], n.id)
		if !holds {
			if d != nil {
				w.record.violate("%s: %s lies on %s, which does not hold shard %d", uid, id, n.id, shard)
			}
			continue
		}
		states[full(d)] = true
		words = append(words, n.id+" has "+full(d))
		missing = missing || d == nil
		differs = differs || canonical(d) != canonical(want)
	}
	if len(states) > 1 {
		w.verdict.diverged++
	}
	switch {
	case want == nil && ever:
		w.verdict.resurrected++
		w.record.violate("%s: %s was deleted and is back: %s", uid, id, strings.Join(words, ", "))
	case want == nil:
		w.record.violate("%s: %s was never written: %s", uid, id, strings.Join(words, ", "))
	case missing || differs:
		w.verdict.lost++
		w.record.violate("%s: %s should be %s, but %s", uid, id, canonical(want), strings.Join(words, ", "))
	case len(states) > 1:
		w.record.violate("%s: the replicas of %s differ: %s", uid, id, strings.Join(words, ", "))
	}
}

// checkDigests counts the replicas of shards whose digest is the model's.
func (w *workload) checkDigests(copies map[string]*copyOf, holders map[int][]string, want map[string]document) {
	for shard, nodes := range holders {
		belong := make(map[string]bool)
		for _, id := range nodes {
			for _, doc := range copies[id].shards[shard] {
				belong[doc] = true
			}
		}
		model := digest(want, maps.Keys(belong))
		for _, id := range nodes {
			w.verdict.replicas++
			if digest(copies[id].docs, slices.Values(copies[id].shards[shard])) == model {
				w.verdict.right++
			}
		}
	}
}

func digest(docs map[string]document, ids func(func(string) bool)) [32]byte {
	var b strings.Builder
	for _, id := range slices.Sorted(ids) {
		fmt.Fprintf(&b, "%s\x00%s\n", id, canonical(docs[id]))
	}
	return sha256.Sum256([]byte(b.String()))
}

// visible is a document without its hidden fields.
func visible(d document) document {
	d = maps.Clone(d)
	maps.DeleteFunc(d, func(name string, _ any) bool { return strings.HasPrefix(name, hidden.Prefix) })
	return d
}

// full is the text of a document with its version, by which replicas have to
// agree as well.
func full(d document) string {
	if d == nil {
		return "nothing"
	}
	text, _ := d[hidden.VersionField].(string)
	version, err := hidden.Value(text)
	if err != nil {
		return canonical(d) + " without a version"
	}
	return fmt.Sprintf("%s of operation %d/%d", canonical(d), version>>hidden.PositionBits, version&(1<<hidden.PositionBits-1))
}

func shardOf(d document) int {
	text, _ := d[hidden.ShardField].(string)
	shard, err := hidden.Value(text)
	if err != nil {
		return -1
	}
	return int(shard)
}
