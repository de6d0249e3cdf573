package rebalance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
	"github.com/miroir-gateway/miroir/miroircore/write"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeFleet is nodes as sets of the shards that they have all documents of.
type fakeFleet struct {
	t         *testing.T
	catalog   *index.Catalog
	has       map[string]map[int]bool
	wanted    *cluster.Topology
	down      map[string]bool
	drifted   map[string]bool
	forgotten []string
	quiesced  int
	fills     int
	purges    int
	prepares  map[string]uint64 // the version of the settings that each node has
	queued    map[string]int
}

func (f *fakeFleet) Exclusive(ctx context.Context, uid string, fn func(context.Context, *index.Index) error) error {
	ix, _ := f.catalog.Get(uid)
	return fn(ctx, ix)
}
func (f *fakeFleet) Queued(id, _ string) int {
	if f.queued[id] == 0 {
		return 0
	}
	f.queued[id]--
	return f.queued[id] + 1
}
func (f *fakeFleet) Void(id, _ string) { delete(f.drifted, id) }
func (f *fakeFleet) Prepare(_ context.Context, id, uid string) error {
	ix, _ := f.catalog.Get(uid)
	f.prepares[id] = ix.SettingsVersion
	return nil
}
func (f *fakeFleet) Rebuilt(string)                {}
func (f *fakeFleet) NodeState(string) outbox.State { return outbox.State{} }

func (f *fakeFleet) Drifts() (list []write.Drift) {
	for id := range f.drifted {
		list = append(list, write.Drift{Node: id, Physical: "ix", Documents: true})
	}
	return list
}

func (f *fakeFleet) Purge(_ context.Context, id, uid string, shards []int) error {
	ix, _ := f.catalog.Get(uid)
	if f.quiesced == 0 {
		f.t.Error("leftovers are deleted though older reads were not waited for")
	}
	f.purges++
	for _, shard := range shards {
		if ix.Placement.Holds(id, shard) {
			f.t.Errorf("shard %d is deleted on its replica %s", shard, id)
		}
		delete(f.has[id], shard)
	}
	return nil
}

func (f *fakeFleet) Round(_ context.Context, ix *index.Index, source, target string, shards []int, _ uint64) (Progress, error) {
	f.fills++
	for _, shard := range shards {
		if !slices.Contains(ix.Placement.Surplus[target], shard) {
			f.t.Errorf("shard %d is copied to %s, and searches there have no filter", shard, target)
		}
		if !f.has[source][shard] {
			return Progress{}, fmt.Errorf("%s does not have shard %d", source, shard)
		}
	}
	return Progress{Copied: 1, Newest: 1}, nil
}

func (f *fakeFleet) Finish(_ context.Context, _ *index.Index, _, target string, shards []int, _ uint64) (Progress, error) {
	if f.has[target] == nil {
		f.has[target] = map[int]bool{}
	}
	for _, shard := range shards {
		f.has[target][shard] = true
	}
	return Progress{}, nil
}

// newFleet is a fleet with one index, placed and filled as a topology wants it.
func newFleet(t *testing.T, at *cluster.Topology) (*fakeFleet, *Reconciler) {
	t.Helper()
	store := memory.New()
	t.Cleanup(func() { _ = store.Close() })
	catalog, err := index.Open(store)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := catalog.Create(index.Spec{UID: "ix", PrimaryKey: "id", Shards: shards, At: time.Unix(0, 0),
		Place: func(physical string, n int) *cluster.Placement { return cluster.Place(at, physical, n) }})
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeFleet{t: t, catalog: catalog, wanted: at, has: map[string]map[int]bool{}, down: map[string]bool{}, drifted: map[string]bool{},
		prepares: map[string]uint64{}, queued: map[string]int{}}
	for _, g := range ix.Placement.Groups {
		for shard, nodes := range g.Shards {
			for _, id := range nodes {
				if f.has[id] == nil {
					f.has[id] = map[int]bool{}
				}
				f.has[id][shard] = true
			}
		}
	}
	now := time.Unix(0, 0)
	r, err := New(Options{Catalog: catalog, Store: store, Line: f, Nodes: f, Standing: f, Filler: f, Holder: "test",
		Wanted: func() *cluster.Topology { return f.wanted }, Client: func(string) (*node.Client, bool) { return nil, false },
		Up:       func(id string) bool { return !f.down[id] },
		Readable: func(id, _ string) bool { return !f.down[id] && !f.drifted[id] },
		Quiesce:  func(context.Context) error { f.quiesced++; return nil },
		Known:    func() []string { return slices.Sorted(maps.Keys(f.has)) },
		Forget: func(id string) error {
			f.forgotten = append(f.forgotten, id)
			delete(f.has, id)
			return nil
		},
		// Each look at the clock is a minute later, so that no step waits for its retry.
		Now: func() time.Time { now = now.Add(time.Minute); return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, r
}

// settle takes steps until nothing is left to do, with every shard readable
// from the nodes that the placement names after each.
func (f *fakeFleet) settle(t *testing.T, r *Reconciler) {
	t.Helper()
	for idle := 0; idle < 3; {
		if r.pass(t.Context()) {
			idle = 0
		} else {
			idle++
		}
		ix, _ := f.catalog.Get("ix")
		for _, g := range ix.Placement.Groups {
			for shard, nodes := range g.Shards {
				for _, id := range nodes {
					if !f.has[id][shard] && !f.drifted[id] {
						t.Fatalf("%s is a replica of shard %d, which it does not have", id, shard)
					}
				}
			}
		}
		for id, has := range f.has {
			if f.down[id] { // should it come back, it is taken for one of which nothing is known
				continue
			}
			for shard := range has {
				if !ix.Placement.Holds(id, shard) && !slices.Contains(ix.Placement.Surplus[id], shard) {
					t.Fatalf("%s has shard %d, and searches there have no filter", id, shard)
				}
			}
		}
	}
}

func (f *fakeFleet) check(t *testing.T, r *Reconciler) {
	t.Helper()
	ix, _ := f.catalog.Get("ix")
	for _, g := range cluster.Place(f.wanted, "ix", shards).Groups {
		for shard, nodes := range g.Shards {
			if a := groupOf(ix.Placement, g.ID); a == nil || len(without(nodes, a.Shards[shard])) > 0 || len(a.Shards[shard]) != len(nodes) {
				t.Fatalf("shard %d of %s is not on %v: %+v", shard, g.ID, nodes, ix.Placement)
			}
		}
	}
	if len(ix.Placement.Surplus) > 0 {
		t.Errorf("left over: %v", ix.Placement.Surplus)
	}
	if got := r.Report(); got.State != "idle" || len(got.Moves) > 0 || len(got.Problems) > 0 {
		t.Errorf("report: %+v", got)
	}
}

func TestRule25AMoveThatDiesAtAnyStepGoesOn(t *testing.T) {
	for _, point := range []string{"", "marked", "quiet", "prepared", "round", "caught_up", "held", "switch", "switched", "purge", "purged", "shape", "forget"} {
		t.Run("at "+point, func(t *testing.T) {
			f, r := newFleet(t, topology(2, []string{"a", "b", "c"}))
			f.wanted = topology(2, []string{"b", "c", "d", "e"})
			hits := 0
			defer failpoint.Set("rebalance."+point, func() error {
				if hits++; hits%2 == 1 {
					return errors.New("died here")
				}
				return nil
			})()
			f.settle(t, r)
			f.check(t, r)
			if point != "" && point != "shape" && hits < 2 {
				t.Errorf("the step was taken %d times", hits)
			}
			if !slices.Equal(f.forgotten, []string{"a"}) {
				t.Errorf("forgotten: %v", f.forgotten)
			}
		})
	}
}

func TestSettingsThatChangeDuringAMoveAreBroughtToTheNode(t *testing.T) {
	f, r := newFleet(t, topology(1, []string{"a", "b"}))
	f.wanted = topology(1, []string{"a", "b", "c"})
	changes := 0
	defer failpoint.Set("rebalance.caught_up", func() error {
		if changes++; changes > 2 {
			return nil
		}
		_, err := f.catalog.SetSettings("ix", settings.Default(), time.Unix(0, 0))
		return err
	})()
	defer failpoint.Set("rebalance.switched", func() error {
		if ix, _ := f.catalog.Get("ix"); f.prepares["c"] != ix.SettingsVersion {
			t.Errorf("c became a replica with settings %d, %d are in force", f.prepares["c"], ix.SettingsVersion)
		}
		return nil
	})()
	f.settle(t, r)
	f.check(t, r)
	if ix, _ := f.catalog.Get("ix"); changes < 3 || ix.SettingsVersion < 3 {
		t.Errorf("%d looks, settings %d", changes, ix.SettingsVersion)
	}
}

// A copy that is given up may have been ahead of those that stay.
func TestACopyIsGivenUpWhenThoseThatStayHaveItsWrites(t *testing.T) {
	f, r := newFleet(t, topology(3, []string{"a", "b", "c"}))
	f.wanted = topology(1, []string{"a", "b", "c"})
	for _, id := range []string{"a", "b", "c"} {
		f.queued[id] = 20 // more than a hold begins with
	}
	f.settle(t, r)
	f.check(t, r)
	for id, left := range f.queued {
		if left > 0 {
			t.Errorf("copies were given up while %s had %d writes to do", id, left)
		}
	}
}

func TestRule26LeftoversGoWhenOlderReadsHaveEnded(t *testing.T) {
	f, r := newFleet(t, topology(1, []string{"a", "b"}))
	f.wanted = topology(1, []string{"a", "b", "c"})
	f.settle(t, r)
	f.check(t, r)
	if f.purges == 0 || f.quiesced < f.purges {
		t.Errorf("%d purges, %d times reads were waited for", f.purges, f.quiesced)
	}
}

func TestADriftedCopyIsFilledAnew(t *testing.T) {
	f, r := newFleet(t, topology(2, []string{"a", "b", "c"}))
	f.drifted["b"] = true
	f.settle(t, r)
	f.check(t, r)
	if f.fills == 0 || f.drifted["b"] {
		t.Errorf("%d fills, drifted %v", f.fills, f.drifted)
	}
}

func TestADeadNodeThatWasRemovedIsReplacedAndForgotten(t *testing.T) {
	f, r := newFleet(t, topology(2, []string{"a", "b", "c"}))
	f.down["a"] = true
	f.wanted = topology(2, []string{"b", "c", "d"})
	f.settle(t, r)
	f.check(t, r)
	if !slices.Equal(f.forgotten, []string{"a"}) {
		t.Errorf("forgotten: %v", f.forgotten)
	}
}

func TestAnOnlyCopyOnADeadNodeIsReported(t *testing.T) {
	f, r := newFleet(t, topology(1, []string{"a", "b"}))
	f.down["a"] = true
	f.wanted = topology(1, []string{"b", "c"})
	f.settle(t, r)
	if got := r.Report(); got.State != "waiting" || len(got.Problems) == 0 || len(f.forgotten) > 0 {
		t.Errorf("report: %+v, forgotten %v", got, f.forgotten)
	}
}

func TestPausedNothingMoves(t *testing.T) {
	f, r := newFleet(t, topology(1, []string{"a", "b"}))
	f.wanted = topology(1, []string{"a", "b", "c"})
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	f.settle(t, r)
	if got := r.Report(); f.fills != 0 || got.State != "paused" {
		t.Errorf("%d fills, %s", f.fills, got.State)
	}
	if err := r.Resume(); err != nil {
		t.Fatal(err)
	}
	f.settle(t, r)
	f.check(t, r)
}
