package index

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
)

var epoch = time.Date(2026, 7, 23, 14, 39, 41, 0, time.UTC)

func open(t testing.TB, store state.Store) *Catalog {
	t.Helper()
	c, err := Open(store)
	must(t, err)
	return c
}

func spec(uid string) Spec {
	return Spec{UID: uid, PrimaryKey: "id", Shards: 4, At: epoch, Place: func(physical string, shards int) *cluster.Placement {
		return &cluster.Placement{Epoch: 1, Groups: []cluster.GroupPlacement{{ID: physical, Shards: make([][]string, shards)}}}
	}}
}

func codeOf(err error) string {
	var refusal *meili.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Code
	}
	return err.Error()
}

func TestRefusals(t *testing.T) {
	c := open(t, memory.New())
	for _, uid := range []string{"a", "b"} {
		_, err := c.Create(spec(uid))
		must(t, err)
	}
	_, again := c.Create(spec("a"))
	_, drop := c.Drop("x")
	_, noSource := c.Rename("x", "y", epoch)
	_, taken := c.Rename("a", "b", epoch)
	_, key := c.SetPrimaryKey("x", "id", false, epoch)
	for want, errs := range map[string][]error{
		"index_already_exists": {again, taken}, "index_not_found": {drop, noSource, key, c.Touch("x", epoch), c.MarkDeletes("x")},
	} {
		for i, err := range errs {
			if codeOf(err) != want {
				t.Errorf("%s %d: %v", want, i, err)
			}
		}
	}
	if _, err := c.Rename("a", "a", epoch.Add(time.Hour)); err != nil {
		t.Error("an index cannot keep its uid:", err)
	}
	if _, err := c.SetPlacement("a", &cluster.Placement{Epoch: 1}); err == nil {
		t.Error("a placement of the same epoch was taken")
	}
	for _, s := range []struct {
		swaps []request.Swap
		want  string
	}{
		{[]request.Swap{{Indexes: [2]string{"a", "b"}}}, ""},
		{nil, ""},
		{[]request.Swap{{Indexes: [2]string{"a", "x"}}}, "Index `x` not found."},
		{[]request.Swap{{Indexes: [2]string{"z", "a"}}, {Indexes: [2]string{"b", "x"}}}, "Indexes `x`, `z` not found."},
		{[]request.Swap{{Indexes: [2]string{"a", "b"}, Rename: true}}, "Cannot rename `a` to `b` as the index already exists. Hint: You can remove `b` first and then do your remove."},
		{[]request.Swap{{Indexes: [2]string{"a", "b"}, Rename: true}, {Indexes: [2]string{"b", "a"}, Rename: true}}, "The following indexes are being renamed but cannot " +
			"because their new name conflicts with an already existing index: `b`, `a`. Renaming doesn't overwrite the other index name."},
		{[]request.Swap{{Indexes: [2]string{"a", "c"}, Rename: true}}, ""},
	} {
		got := ""
		if refusal := c.CheckSwap(s.swaps); refusal != nil {
			got = refusal.Message
		}
		if got != s.want {
			t.Errorf("%v: %q, want %q", s.swaps, got, s.want)
		}
	}
}

// A name that was promised stays the same until it is used, though a shorter one
// becomes free, and is not promised twice.
func TestPromisedNames(t *testing.T) {
	c := open(t, memory.New())
	_, err := c.Create(spec("a"))
	must(t, err)
	_, err = c.Drop("a")
	must(t, err)
	if got := c.FreePhysical("a"); got != "a-2" {
		t.Fatalf("got %s", got)
	}
	if got := c.FreePhysical("a-2"); got != "a-2-2" {
		t.Errorf("promised to two: %s", got)
	}
	must(t, c.Forget("a"))
	made, err := c.Create(spec("a"))
	must(t, err)
	if made.Physical != "a-2" {
		t.Errorf("created as %s", made.Physical)
	}
	chosen := spec("b")
	chosen.Physical = "b-7"
	if made, err = c.Create(chosen); err != nil || made.Physical != "b-7" {
		t.Errorf("a chosen name: %v %v", made, err)
	}
	chosen.UID = "c"
	if _, err := c.Create(chosen); err == nil {
		t.Error("a name was given to two")
	}
	long := strings.Repeat("x", 400)
	_, err = c.Create(spec(long))
	must(t, err)
	_, err = c.Drop(long)
	must(t, err)
	if got := c.FreePhysical(long); len(got) != 400 || !strings.HasSuffix(got, "x-2") {
		t.Errorf("got %d bytes: …%s", len(got), got[390:])
	}
}

func TestTouchIsCheap(t *testing.T) {
	store := &crashing{Store: memory.New(), left: 1 << 30}
	c := open(t, store)
	_, err := c.Create(spec("a"))
	must(t, err)
	store.left = 1
	for i := range 1500 {
		must(t, c.Touch("a", epoch.Add(time.Duration(i)*time.Millisecond)))
	}
	must(t, c.Touch("a", epoch)) // a late one does not turn time back
	if ix, _ := c.Get("a"); !ix.UpdatedAt.Equal(epoch.Add(1499 * time.Millisecond)) {
		t.Errorf("touched at %s", ix.UpdatedAt)
	}
	if ix, _ := open(t, store).Get("a"); epoch.Add(1499*time.Millisecond).Sub(ix.UpdatedAt) > touchEvery {
		t.Errorf("after a crash touched at %s", ix.UpdatedAt)
	}
}

func TestReadersSeeWholeChanges(t *testing.T) {
	c := open(t, memory.New())
	for _, uid := range []string{"a", "b"} {
		_, err := c.Create(spec(uid))
		must(t, err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 200 {
			must(t, c.Swap([]request.Swap{{Indexes: [2]string{"a", "b"}}}, epoch))
		}
	})
	for range 2000 {
		list := c.List()
		if len(list) != 2 || list[0].UID != "a" || list[1].UID != "b" || list[0].Physical == list[1].Physical {
			t.Fatalf("half a swap: %+v", list)
		}
	}
	wg.Wait()
}

var errCrash = errors.New("the machine is gone")

// crashing is a store whose machine goes away after some updates.
type crashing struct {
	state.Store
	left int
}

func (c *crashing) Update(fn func(state.Tx) error) error {
	if c.left == 0 {
		return errCrash
	}
	c.left--
	return c.Store.Update(fn)
}

// machine runs random changes on a catalog and on a plain map.
type machine struct {
	store   *crashing
	catalog *Catalog
	model   map[string]Index // by uid
	dropped map[string]bool
	epoch   uint64
}

// done takes a change over into the model, if it was made; a store that failed is
// opened again.
func (m *machine) done(rt *rapid.T, err error, expected string, change func()) {
	if errors.Is(err, errCrash) {
		m.store.left = 1 << 30
		c, err := Open(m.store)
		if err != nil {
			rt.Fatal(err)
		}
		m.catalog = c
		return
	}
	if codeOf(err) != expected {
		rt.Fatalf("got %v, want %q", err, expected)
	}
	if err == nil {
		change()
	}
}

func (m *machine) edit(rt *rapid.T, uid string, do func() error, change func(ix *Index)) {
	ix, there := m.model[uid]
	expected := ""
	if !there {
		expected = "index_not_found"
	}
	m.done(rt, do(), expected, func() {
		change(&ix)
		m.model[uid] = ix
	})
}

func (m *machine) actions() map[string]func(*rapid.T) {
	name := func(rt *rapid.T) string { return rapid.SampledFrom([]string{"a", "b", "c", "a-2"}).Draw(rt, "uid") }
	return map[string]func(*rapid.T){
		"create": func(rt *rapid.T) {
			uid := name(rt)
			expected := ""
			if _, there := m.model[uid]; there {
				expected = "index_already_exists"
			}
			made, err := m.catalog.Create(spec(uid))
			m.done(rt, err, expected, func() {
				for other, ix := range m.model {
					if ix.Physical == made.Physical {
						rt.Fatalf("%s and %s are both %s on nodes", other, uid, made.Physical)
					}
				}
				if m.dropped[made.Physical] {
					rt.Fatalf("nodes may still hold %s", made.Physical)
				}
				m.model[uid] = *made
			})
		},
		"drop": func(rt *rapid.T) {
			uid := name(rt)
			gone, err := m.catalog.Drop(uid)
			m.edit(rt, uid, func() error { return err }, func(*Index) {})
			if err == nil {
				delete(m.model, uid)
				m.dropped[gone.Physical] = true
			}
		},
		"forget": func(rt *rapid.T) {
			physical := name(rt)
			m.done(rt, m.catalog.Forget(physical), "", func() { delete(m.dropped, physical) })
		},
		"rename": func(rt *rapid.T) {
			from, to := name(rt), name(rt)
			ix, there := m.model[from]
			_, taken := m.model[to]
			expected := ""
			switch {
			case !there:
				expected = "index_not_found"
			case taken && from != to:
				expected = "index_already_exists"
			}
			_, err := m.catalog.Rename(from, to, epoch)
			m.done(rt, err, expected, func() {
				delete(m.model, from)
				m.model[to] = ix
			})
		},
		"swap": func(rt *rapid.T) {
			a, b := name(rt), name(rt)
			if a == b {
				return
			}
			x, there := m.model[a]
			y, both := m.model[b]
			swap := request.Swap{Indexes: [2]string{a, b}, Rename: rapid.Bool().Draw(rt, "rename")}
			expected := ""
			switch {
			case !there || !both && !swap.Rename:
				expected = "index_not_found"
			case both && swap.Rename:
				expected = "index_already_exists"
			}
			m.done(rt, m.catalog.Swap([]request.Swap{swap}, epoch), expected, func() {
				m.model[b] = x
				if delete(m.model, a); both {
					m.model[a] = y
				}
			})
		},
		"settings": func(rt *rapid.T) {
			uid := name(rt)
			s := settingsOf(rt, `{"stopWords":["`+rapid.StringMatching(`[a-z]{1,3}`).Draw(rt, "word")+`"]}`)
			_, err := m.catalog.SetSettings(uid, s, epoch)
			m.edit(rt, uid, func() error { return err }, func(ix *Index) {
				ix.Settings, ix.SettingsDigest = s, Digest(s)
				ix.SettingsVersion++
			})
		},
		"primary key": func(rt *rapid.T) {
			uid, key := name(rt), rapid.SampledFrom([]string{"", "id", "sku"}).Draw(rt, "key")
			_, err := m.catalog.SetPrimaryKey(uid, key, true, epoch)
			m.edit(rt, uid, func() error { return err }, func(ix *Index) { ix.PrimaryKey, ix.Provisional = key, key != "" })
		},
		"placement": func(rt *rapid.T) {
			uid := name(rt)
			m.epoch++
			p := &cluster.Placement{Epoch: m.epoch + 1, Groups: []cluster.GroupPlacement{}}
			_, err := m.catalog.SetPlacement(uid, p)
			m.edit(rt, uid, func() error { return err }, func(ix *Index) { ix.Placement = p })
		},
		"mark deletes": func(rt *rapid.T) {
			uid := name(rt)
			m.edit(rt, uid, func() error { return m.catalog.MarkDeletes(uid) }, func(ix *Index) { ix.Deletes = true })
		},
		"crash soon": func(rt *rapid.T) { m.store.left = rapid.IntRange(0, 1).Draw(rt, "updates before") },
		"restart": func(rt *rapid.T) {
			c, err := Open(m.store)
			if err != nil {
				rt.Fatal(err)
			}
			m.catalog = c
		},
		"": m.check,
	}
}

func (m *machine) check(rt *rapid.T) {
	var got, want []string
	for _, ix := range m.catalog.List() {
		got = append(got, show(*ix))
		if found, ok := m.catalog.ByPhysical(ix.Physical); !ok || found != ix {
			rt.Fatalf("%s is not found by %s", ix.UID, ix.Physical)
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(m.model)) {
		ix := m.model[uid]
		ix.UID = uid
		want = append(want, show(ix))
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("\n got %s\nwant %s", got, want)
	}
	if dropped := slices.Sorted(maps.Keys(m.dropped)); !slices.Equal(dropped, m.catalog.Dropped()) {
		rt.Fatalf("dropped %v, want %v", m.catalog.Dropped(), dropped)
	}
}

func show(ix Index) string {
	return fmt.Sprintf("%s=%s %s %v %d %d %s %v %s", ix.UID, ix.Physical, ix.PrimaryKey, ix.Provisional, ix.Placement.Epoch,
		ix.SettingsVersion, ix.SettingsDigest[:8], ix.Deletes, ix.CreatedAt)
}

func TestEqualsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{store: &crashing{Store: memory.New(), left: 1 << 30}, model: map[string]Index{}, dropped: map[string]bool{}}
		c, err := Open(m.store)
		if err != nil {
			rt.Fatal(err)
		}
		m.catalog = c
		rt.Repeat(m.actions())
	})
}
