package antientropy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/replica"
)

const (
	// looks is how often suspected documents are looked at while writes go on,
	// each time when the copies have done all they were given, or after a moment.
	looks = 3
	// few is how many suspected documents are looked at again one by one.
	few = 5000
	// inMemory is how many documents of differing buckets are compared at once.
	inMemory = 100_000
)

// compare brings the copies of some shards in line.
func (c *Checker) compare(ctx context.Context, ix *index.Index, u unit, p *position) error {
	nodes := c.inOrder(ctx, ix.Physical, u.nodes)
	if len(nodes) < 2 {
		p.Result.Skipped += len(u.shards)
		return ctx.Err()
	}
	p.Result.Shards += len(u.shards)
	readers, err := c.readers(ix, nodes, p.Pass == Fast)
	if err != nil {
		return err
	}
	began := time.Now()
	prints, err := prints(ctx, readers, u.shards)
	if err != nil {
		return err
	}
	read := count(prints)
	p.Result.Seconds += time.Since(began).Seconds()
	p.Result.Documents += read
	c.o.Metrics.Compared(p.Pass, read)
	c.mu.Lock()
	c.perUnit[ix.Physical] = read / len(nodes) / len(u.shards)
	c.mu.Unlock()
	for buckets := differing(prints, u.shards); len(buckets) > 0; {
		ids, err := c.suspects(ctx, readers, take(buckets, prints))
		if err != nil {
			return err
		}
		if ids, err = c.lookAgain(ctx, readers, ids); err != nil {
			return err
		}
		if rebuilt, err := c.mend(ctx, ix.Physical, ids, nil, p); err != nil || rebuilt {
			return err
		}
	}
	return nil
}

// readers make the readers of some nodes.
func (c *Checker) readers(ix *index.Index, nodes []string, fast bool) ([]*replica.Reader, error) {
	list := make([]*replica.Reader, 0, len(nodes))
	for _, id := range nodes {
		client, ok := c.o.Client(id)
		if !ok {
			return nil, fmt.Errorf("compare index %s: there is no node %s", ix.UID, id)
		}
		list = append(list, &replica.Reader{Client: client, Index: ix, Fast: fast, Throttle: c.o.Throttle, Rest: c.o.Rest})
	}
	return list, nil
}

// each calls fn with all readers at once and joins what goes wrong.
func each(readers []*replica.Reader, fn func(i int, r *replica.Reader) error) error {
	errs := make([]error, len(readers))
	var working sync.WaitGroup
	for i, r := range readers {
		working.Go(func() { errs[i] = fn(i, r) })
	}
	working.Wait()
	return errors.Join(errs...)
}

// absent says that a node does not have the index: nothing of it counts as there.
func absent(err error) bool {
	answer := node.AnswerOf(err)
	return answer != nil && answer.Code == "index_not_found"
}

// unready says that a node has the index without its settings: they are on their
// way, or looked after by whoever compares settings.
func unready(err error) bool {
	answer := node.AnswerOf(err)
	return answer != nil && answer.Code == "invalid_document_filter"
}

func prints(ctx context.Context, readers []*replica.Reader, shards []int) ([]replica.Prints, error) {
	all := make([]replica.Prints, len(readers))
	err := each(readers, func(i int, r *replica.Reader) (err error) {
		if all[i], err = r.Prints(ctx, shards); !absent(err) {
			return err
		}
		all[i] = make(replica.Prints, len(shards))
		for _, shard := range shards {
			all[i][shard] = new(replica.Print)
		}
		return nil
	})
	return all, err
}

func count(all []replica.Prints) (documents int) {
	for _, prints := range all {
		for _, p := range prints {
			documents += int(p.Count()) //nolint:gosec // documents of an index fit
		}
	}
	return documents
}

// differing gives the buckets of each shard in which copies differ.
func differing(all []replica.Prints, shards []int) map[int][]int {
	buckets := make(map[int][]int)
	for _, shard := range shards {
		for _, other := range all[1:] {
			buckets[shard] = append(buckets[shard], all[0][shard].Differing(other[shard])...)
		}
		slices.Sort(buckets[shard])
		if buckets[shard] = slices.Compact(buckets[shard]); len(buckets[shard]) == 0 {
			delete(buckets, shard)
		}
	}
	return buckets
}

// take takes as many buckets as may be compared at once, one at least.
func take(buckets map[int][]int, all []replica.Prints) map[int][]int {
	some, left := make(map[int][]int), inMemory
	for _, shard := range slices.Sorted(maps.Keys(buckets)) {
		for len(buckets[shard]) > 0 {
			b := buckets[shard][0]
			for _, prints := range all {
				left -= int(prints[shard][b].Count) //nolint:gosec // as above
			}
			if left < 0 && len(some) > 0 {
				return some
			}
			some[shard] = append(some[shard], b)
			buckets[shard] = buckets[shard][1:]
		}
		delete(buckets, shard)
	}
	return some
}

// suspects lists the documents of buckets that are not the same on all nodes.
func (c *Checker) suspects(ctx context.Context, readers []*replica.Reader, buckets map[int][]int) ([]string, error) {
	views := make([]map[string]replica.Seen, len(readers))
	err := each(readers, func(i int, r *replica.Reader) error {
		views[i] = make(map[string]replica.Seen)
		err := r.In(ctx, buckets, func(id string, _ int, seen replica.Seen) { views[i][id] = seen })
		if absent(err) {
			return nil
		}
		return err
	})
	return unlike(views), err
}

// unlike lists what is not the same in all views, sorted.
func unlike(views []map[string]replica.Seen) []string {
	ids := make(map[string]bool)
	for i, view := range views {
		for id, seen := range view {
			for j, other := range views {
				if has, there := other[id]; i != j && (!there || has != seen) {
					ids[id] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// lookAgain leaves those of the suspected documents that still are not the same
// on all nodes after a few more looks: others were being written.
func (c *Checker) lookAgain(ctx context.Context, readers []*replica.Reader, ids []string) ([]string, error) {
	for n := 0; n < looks && len(ids) > 0 && len(ids) <= few; n++ {
		nodes := make([]string, 0, len(readers))
		for _, r := range readers {
			nodes = append(nodes, r.Client.ID())
		}
		c.queuedAtMost(ctx, readers[0].Index.Physical, nodes, 0, c.patience/20)
		views, err := named(ctx, readers, ids)
		if err != nil {
			return nil, err
		}
		ids = unlike(views)
	}
	return ids, nil
}

func named(ctx context.Context, readers []*replica.Reader, ids []string) ([]map[string]replica.Seen, error) {
	views := make([]map[string]replica.Seen, len(readers))
	err := each(readers, func(i int, r *replica.Reader) (err error) {
		if views[i], err = r.Named(ctx, ids); absent(err) {
			views[i], err = nil, nil
		}
		return err
	})
	return views, err
}
