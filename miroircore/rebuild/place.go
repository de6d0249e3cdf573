package rebuild

import (
	"context"
	"fmt"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/replica"
)

// place decides which copies are believed and makes the placement of them. What
// lies on a node besides is surplus, and what is missing the reconciler makes.
func (f *finding) place(ctx context.Context) error {
	f.ix.Placement = cluster.Place(f.o.Topology, f.physical, f.ix.Shards)
	p := f.ix.Placement
	fresh := p.Clone()
	if f.entry != nil && f.entry.Placement != nil {
		p.Epoch = f.entry.Placement.Epoch + 1
	}
	prints, err := f.prints(ctx)
	if err != nil {
		return err
	}
	summary := Summary{UID: f.ix.UID, Physical: f.physical, Shards: f.ix.Shards}
	var lost []int
	undecided := make(map[string][]int)
	for shard := range f.ix.Shards {
		believed, doubt := f.believe(shard, prints)
		if doubt != "" {
			undecided[doubt] = append(undecided[doubt], shard)
		}
		if len(believed) > 0 {
			summary.Documents += believed[0].indexes[f.physical].counts[shard]
		}
		if f.assign(p, fresh, shard, believed) {
			lost = append(lost, shard)
		}
		for _, s := range f.holders() {
			if slices.Contains(believed, s) {
				add(&summary.Nodes, s.ID)
				continue
			}
			if s.indexes[f.physical].counts[shard] > 0 {
				spare(p, s.ID, shard)
				if f.told(s, shard) {
					add(&summary.Stale, s.ID)
				}
			}
		}
	}
	for doubt, shards := range undecided {
		f.note("index %s, %d shards: %s", f.ix.UID, len(shards), doubt)
	}
	if len(lost) > 0 && f.entry != nil {
		f.plan.Lost = append(f.plan.Lost, fmt.Sprintf("%d of %d shards of index %s: no node that answers has a copy; they begin anew, empty", len(lost), f.ix.Shards, f.ix.UID))
	}
	f.plan.Indexes = append(f.plan.Indexes, summary)
	return nil
}

func add(list *[]string, id string) {
	if !slices.Contains(*list, id) {
		*list = append(*list, id)
	}
}

// spare notes that a node has documents of a shard that is not its own.
func spare(p *cluster.Placement, id string, shard int) {
	if p.Surplus == nil {
		p.Surplus = make(map[string][]int)
	}
	p.Surplus[id] = append(p.Surplus[id], shard)
}

// told says whether a node was to be a replica of a shard by what nodes were told.
func (f *finding) told(s *seen, shard int) bool {
	if f.entry == nil {
		return s.indexes[f.physical] != nil && s.indexes[f.physical].counts[shard] > 0
	}
	return f.entry.Placement != nil && f.entry.Placement.Holds(s.name(), shard)
}

// assign puts the believed copies of a shard into the placement. It says whether
// there is none at all, and the shard begins anew.
func (f *finding) assign(p, fresh *cluster.Placement, shard int, believed []*seen) (lost bool) {
	for i := range p.Groups {
		p.Groups[i].Shards[shard] = []string{}
		for _, s := range believed {
			if s.Group == p.Groups[i].ID {
				p.Groups[i].Shards[shard] = append(p.Groups[i].Shards[shard], s.ID)
			}
		}
	}
	away := f.absent(shard)
	if len(believed) > 0 {
		for _, n := range away {
			spare(p, n.id, shard) // what it has is older than what is here
		}
		return false
	}
	for i := range p.Groups {
		for _, n := range away {
			if n.group == p.Groups[i].ID {
				p.Groups[i].Shards[shard] = append(p.Groups[i].Shards[shard], n.id)
			}
		}
		if len(away) == 0 {
			p.Groups[i].Shards[shard] = slices.Clone(fresh.Groups[i].Shards[shard])
		}
	}
	return len(away) == 0
}

// member is a node of the topology.
type member struct{ id, group string }

// absent lists the nodes that do not answer and were to be replicas of a shard.
func (f *finding) absent(shard int) (list []member) {
	if f.entry == nil || f.entry.Placement == nil {
		return nil
	}
	for _, n := range f.absentNodes() {
		if f.entry.Placement.Holds(n.id, shard) {
			list = append(list, n)
		}
	}
	return list
}

// absentNodes lists the nodes that do not answer.
func (f *finding) absentNodes() (list []member) {
	for _, n := range f.o.Topology.Nodes() {
		if !slices.ContainsFunc(f.nodes, func(s *seen) bool { return s.ID == n.ID }) {
			list = append(list, member{n.ID, n.Group})
		}
	}
	return list
}

// candidates are the nodes whose copy of a shard may be believed: those that were
// to have it, or, where they have nothing of it and others do, those others.
func (f *finding) candidates(shard int) (list []*seen, moved bool) {
	var others []*seen
	some := false
	for _, s := range f.holders() {
		n := s.indexes[f.physical].counts[shard]
		switch {
		case f.told(s, shard):
			list = append(list, s)
			some = some || n > 0
		case n > 0:
			others = append(others, s)
		}
	}
	if !some && len(others) > 0 {
		return others, f.entry != nil
	}
	return list, false
}

// prints reads all copies of which there is more than one.
func (f *finding) prints(ctx context.Context) (map[*seen]replica.Prints, error) {
	mine := make(map[*seen][]int)
	for shard := range f.ix.Shards {
		if list, _ := f.candidates(shard); len(list) > 1 {
			for _, s := range list {
				mine[s] = append(mine[s], shard)
			}
		}
	}
	prints := make(map[*seen]replica.Prints, len(mine))
	read := make(map[*seen]*replica.Prints, len(mine))
	for _, s := range f.nodes {
		if len(mine[s]) > 0 {
			read[s] = new(replica.Prints)
		}
	}
	err := each(f.nodes, func(s *seen) (err error) {
		if into := read[s]; into != nil && f.ix.PrimaryKey != "" {
			*into, err = replica.Fingerprint(ctx, s.Client, f.ix, mine[s], false, nil)
		}
		return err
	})
	for s, found := range read {
		prints[s] = *found
	}
	return prints, err
}

// believe gives the copies of a shard that are believed. Where copies differ it is
// those of the node that has done the latest operation: it has everything before
// that, and another has not. Doubt says what could not be told.
func (f *finding) believe(shard int, prints map[*seen]replica.Prints) (believed []*seen, doubt string) {
	list, moved := f.candidates(shard)
	if moved {
		doubt = "they are not where nodes were told, and are taken from " + names(list)
	}
	if len(list) < 2 {
		return list, doubt
	}
	like := func(a, b *seen) bool {
		x, y := prints[a][shard], prints[b][shard]
		return x == nil && y == nil || x != nil && y != nil && *x == *y
	}
	count := func(a *seen) (n int) {
		for _, b := range list {
			if like(a, b) {
				n++
			}
		}
		return n
	}
	best := slices.MaxFunc(list, func(a, b *seen) int {
		x, y := a.indexes[f.physical].applied, b.indexes[f.physical].applied
		if x != y {
			if x < y {
				return -1
			}
			return 1
		}
		return count(a) - count(b)
	})
	for _, s := range list {
		switch {
		case like(s, best):
			believed = append(believed, s)
		case s.indexes[f.physical].applied == best.indexes[f.physical].applied:
			doubt = fmt.Sprintf("the copies on %s differ, and it cannot be told which missed something: %s is believed", names(list), best.ID)
		}
	}
	return believed, doubt
}
