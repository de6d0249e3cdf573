package rebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// finding is one index that is being put together.
type finding struct {
	plan     *Plan
	o        *Options
	physical string
	entry    *index.Index // what nodes were told of it; nil: nothing
	nodes    []*seen

	ix *index.Index
}

func (f *finding) note(format string, args ...any) {
	f.plan.Notes = append(f.plan.Notes, fmt.Sprintf(format, args...))
}

// holders are the nodes that have the index.
func (f *finding) holders() []*seen {
	return slices.DeleteFunc(slices.Clone(f.nodes), func(s *seen) bool { return s.indexes[f.physical] == nil })
}

// best is the node that has done most.
func (f *finding) best() *seen {
	holders := f.holders()
	if len(holders) == 0 {
		return nil
	}
	return slices.MaxFunc(holders, func(a, b *seen) int {
		return compare(a.indexes[f.physical], b.indexes[f.physical])
	})
}

// compare orders copies by what they have done.
func compare(a, b *held) int {
	switch {
	case a.applied != b.applied && a.applied < b.applied:
		return -1
	case a.applied != b.applied:
		return 1
	}
	return a.documents - b.documents
}

// index puts the index together; nil where nothing is left of it.
func (f *finding) index(ctx context.Context, taken map[string]bool) (*index.Index, error) {
	best := f.best()
	if best == nil && (f.entry == nil || len(f.absentNodes()) == 0) {
		f.note("index %s was on nodes, and none has it: it was deleted just before the state was lost, and is not brought back", f.physical)
		return nil, nil
	}
	f.ix = &index.Index{UID: f.physical, Physical: f.physical, Settings: settings.Default(), SettingsVersion: 1, Deletes: true}
	if f.entry != nil {
		f.ix.UID, f.ix.PrimaryKey, f.ix.Provisional = f.entry.UID, f.entry.PrimaryKey, f.entry.Provisional
		f.ix.CreatedAt, f.ix.UpdatedAt = f.entry.CreatedAt, f.entry.UpdatedAt
		f.ix.Settings, f.ix.SettingsVersion = f.entry.Settings, f.entry.SettingsVersion
	} else {
		for n := 2; taken[f.ix.UID]; n++ {
			f.ix.UID = fmt.Sprintf("%s-found%d", f.physical, n)
		}
		f.note("index %s is not in the catalog that nodes were told: it was made just before the state was lost, or is left over; it is called %s", f.physical, f.ix.UID)
	}
	if best != nil {
		h := best.indexes[f.physical]
		f.dates()
		if h.PrimaryKey != nil {
			f.ix.PrimaryKey, f.ix.Provisional = *h.PrimaryKey, f.ix.Provisional && h.documents == 0
		}
		if err := f.settings(); err != nil {
			return nil, err
		}
	}
	f.ix.SettingsDigest = index.Digest(f.ix.Settings)
	var err error
	if f.ix.Shards, err = f.shards(ctx, best); err != nil {
		return nil, err
	}
	return f.ix, f.place(ctx)
}

// dates sets when the index was made and changed as far as nodes can tell.
func (f *finding) dates() {
	for _, s := range f.holders() {
		h := s.indexes[f.physical]
		if at, err := time.Parse(time.RFC3339Nano, h.CreatedAt); err == nil && (f.ix.CreatedAt.IsZero() || f.entry == nil && at.Before(f.ix.CreatedAt)) {
			f.ix.CreatedAt = at.UTC()
		}
		if at, err := time.Parse(time.RFC3339Nano, h.UpdatedAt); err == nil && at.After(f.ix.UpdatedAt) {
			f.ix.UpdatedAt = at.UTC()
		}
	}
}

// settings decides on the logical settings: those that nodes were told of, if a
// node has what follows from them, and else those that most nodes have.
func (f *finding) settings() error {
	votes, shown := make(map[string]int), make(map[string]json.RawMessage)
	for _, s := range f.holders() {
		h := s.indexes[f.physical]
		votes[h.digest]++
		shown[h.digest] = h.settings
	}
	if f.entry != nil {
		told, err := index.PhysicalDigest(f.entry.Settings)
		if err != nil {
			return err
		}
		if votes[told] > 0 {
			return nil
		}
	}
	most := ""
	for digest, n := range votes {
		if n > votes[most] || n == votes[most] && (most == "" || digest < most) {
			most = digest
		}
	}
	var earlier *settings.Settings
	if f.entry != nil {
		earlier = f.entry.Settings
	}
	found, err := index.Logical(shown[most], earlier)
	if err != nil {
		return err
	}
	f.ix.Settings = found
	f.ix.SettingsVersion++
	if f.entry != nil {
		f.note("the settings of index %s were changed just before the state was lost: what nodes do not hold of them (displayedAttributes, distinctAttribute) is as it was before that", f.ix.UID)
	} else {
		f.note("of the settings of index %s, displayedAttributes and distinctAttribute are not known and are the usual ones: nodes do not hold them", f.ix.UID)
	}
	return nil
}

// sampled is how many documents are looked at to find the number of shards.
const sampled = 1000

// shards finds the number of shards: the one by which documents are in the shards
// that they say they are in.
func (f *finding) shards(ctx context.Context, best *seen) (int, error) {
	if f.entry != nil {
		return f.entry.Shards, nil
	}
	h := best.indexes[f.physical]
	if h.documents == 0 || f.ix.PrimaryKey == "" {
		return f.o.Shards, nil
	}
	key, err := json.Marshal(f.ix.PrimaryKey)
	if err != nil {
		return 0, err
	}
	docs, err := fetch(ctx, best.Client, f.physical, fmt.Sprintf(`{"limit":%d,"fields":[%s,%q]}`, sampled, key, hidden.ShardField))
	if err != nil {
		return 0, fmt.Errorf("read documents on node %s: %w", best.ID, err)
	}
	fits := func(shards int) bool {
		return !slices.ContainsFunc(docs, func(doc map[string]json.RawMessage) bool {
			said := text(doc[hidden.ShardField])
			shard := document.ShardString(text(doc[f.ix.PrimaryKey]), shards)
			return said != string(hidden.AppendShard(nil, shard, shards))
		})
	}
	if fits(f.o.Shards) {
		return f.o.Shards, nil
	}
	for shards := 1; shards <= hidden.MaxShards; shards++ {
		if fits(shards) {
			return shards, nil
		}
	}
	return 0, fmt.Errorf("the shards of its documents on node %s follow from no number of shards", best.ID)
}

// names joins the ids of nodes.
func names(list []*seen) string {
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = s.ID
	}
	return strings.Join(ids, ", ")
}
