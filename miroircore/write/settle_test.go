package write

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

// hasty looks for drift and repairs it without waiting.
func hasty(f *fleet) {
	f.adjust = func(o *Options) {
		o.Tuning = func() Tuning { return Tuning{RepairPause: 2 * time.Millisecond, SettingsCheck: time.Millisecond} }
	}
}

func (f *fleet) settled(uid, id string) bool {
	ix, _ := f.catalog.Get(uid)
	same, err := f.w.asWanted(f.t.Context(), id, ix)
	return err == nil && same && len(f.w.Drifts()) == 0
}

func TestRule27DriftIsFoundAndRepaired(t *testing.T) {
	f, nodes := doubles(t, 3, 3, hasty)
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"],"filterableAttributes":["v"]}`)))
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	f.spoil(nodes[1], http.MethodPatch, "/indexes/a/settings", `{"stopWords":["of"]}`)
	f.eventually("it is repaired", func() bool {
		return f.settled("a", "g0-n1") && strings.Contains(string(nodes[1].Settings("a")), `"the"`)
	})
	f.eventually("it is read again", func() bool { return f.w.Readable("g0-n1", "a") })
}

// The proposed settings are what counts, not what most nodes show.
func TestRule27NodesThatAgreeOnOtherSettings(t *testing.T) {
	f, nodes := doubles(t, 3, 3, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`)))
	for _, n := range nodes[:2] {
		f.spoil(n, http.MethodPatch, "/indexes/a/settings", `{"synonyms":{"a":["b"]}}`)
	}
	f.w.lookForDrift()
	if d := f.w.Drifts(); len(d) != 2 || d[0].Node != "g0-n0" || d[1].Node != "g0-n1" {
		t.Errorf("drifts: %v", d)
	}
	if !f.w.Readable("g0-n2", "a") || f.w.Readable("g0-n0", "a") {
		t.Error("the wrong nodes are out")
	}
	f.w.repairSettings()
	if d := f.w.Drifts(); len(d) != 0 {
		t.Errorf("drifts after the repair: %v", d)
	}
}

// liar shows other settings than a node has, while it lies.
type liar struct {
	http.RoundTripper
	lies atomic.Bool
}

func (l *liar) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil || !l.lies.Load() || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/settings") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	body = bytes.Replace(body, []byte(`"the"`), []byte(`"nil"`), 1)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

func TestRule27WritesStopWhereANodeDoesNotTakeItsSettings(t *testing.T) {
	l := &liar{}
	f, _ := doubles(t, 3, 3, func(f *fleet) {
		l.RoundTripper = f.rt
		f.adjust = func(o *Options) {
			o.Tuning = func() Tuning { return Tuning{RepairPause: time.Millisecond, SettingsCheck: time.Millisecond} }
			o.Nodes = func(id string) (*node.Client, bool) {
				if id != "g0-n1" {
					return f.client(id)
				}
				n, _ := f.topology.Node(id)
				return node.New(id, n.URL, func() []string { return []string{serverKey} }, l), true
			}
		}
	})
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`)))
	f.ok(f.add("a", `[{"id":1}]`))
	l.lies.Store(true)
	f.eventually("writes are stopped", func() bool { return len(f.w.Frozen()) == 1 })
	if f.w.Readable("g0-n1", "a") || !f.w.Readable("g0-n0", "a") {
		t.Error("the wrong node is out")
	}
	if _, err := f.add("a", `[{"id":2}]`); err == nil || err.Code != "miroir_settings_diverged" {
		t.Errorf("refused with %v", err)
	}
	f.ok(f.add("b", `[{"id":1}]`)) // others are not concerned
	m, err := f.w.Mend(t.Context(), "a", false)
	if err != nil || !slices.Equal(m.Left, []string{"g0-n1"}) || m.Reason == nil || len(f.w.Frozen()) != 1 {
		t.Errorf("mended %+v, %v", m, err)
	}
	if _, err := f.w.Mend(t.Context(), "none", false); err == nil || err.Code != "index_not_found" {
		t.Errorf("an index that is not there: %v", err)
	}
	// An operator lets writes go on; repairs that fail do not stop them again.
	if m, err = f.w.Mend(t.Context(), "a", true); err != nil || len(m.Left) != 1 || len(f.w.Frozen()) != 0 {
		t.Errorf("mended %+v, %v", m, err)
	}
	f.ok(f.add("a", `[{"id":2}]`))
	f.w.repairSettings()
	f.ok(f.add("a", `[{"id":2}]`))
	if f.w.Readable("g0-n1", "a") {
		t.Error("a node that does not take its settings is read")
	}
	l.lies.Store(false)
	if _, err := f.w.Mend(t.Context(), "a", false); err != nil {
		t.Error(err)
	}
	f.eventually("nothing differs", func() bool { return len(f.w.Drifts()) == 0 })
	l.lies.Store(true)
	f.w.SettingsDrifted("g0-n1", "a", true)
	f.eventually("writes are stopped again", func() bool { return len(f.w.Frozen()) == 1 })
	l.lies.Store(false)
	f.eventually("writes go on by themselves", func() bool { return len(f.w.Frozen()) == 0 })
	f.ok(f.add("a", `[{"id":3}]`))
	f.eventually("it is read again", func() bool { return f.w.Readable("g0-n1", "a") })
}

func TestRule27RemovedEmbeddersGoFromNodes(t *testing.T) {
	f, nodes := doubles(t, 2, 2, nil)
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t,
		`{"embedders":{"x":{"source":"userProvided","dimensions":2},"y":{"source":"userProvided","dimensions":3}}}`)))
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"embedders":{"x":null}}`)))
	for i, n := range nodes {
		if s := string(n.Settings("a")); strings.Contains(s, `"x":`) || !strings.Contains(s, `"y":`) {
			t.Errorf("node %d has %s", i, s)
		}
	}
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"embedders":null}`)))
	for i, n := range nodes {
		if strings.Contains(string(n.Settings("a")), `"y":`) {
			t.Errorf("node %d still has an embedder", i)
		}
	}
	if d := f.w.Drifts(); len(d) != 0 {
		t.Errorf("drifts: %v", d)
	}
}

// What stops between the catalog's part of a swap and the task table's is done
// to the end after the restart.
func TestRule03SwapIsWholeAfterACrash(t *testing.T) {
	f, _ := doubles(t, 1, 1, nil)
	first := f.ok(f.add("a", `[{"id":1}]`))
	f.ok(f.add("b", `[{"id":2}]`))
	f.drain()
	reached := make(chan struct{}, 8)
	unset := failpoint.Set("write.swapped", func() error {
		reached <- struct{}{}
		return errors.New("stopped here")
	})
	r, err := f.w.Swap(t.Context(), creating, []request.Swap{{Indexes: [2]string{"a", "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	f.w.cancel() // so that it is not tried again before the restart
	f.w.wg.Wait()
	unset()
	f.crash()
	if task := f.ended(r); task.Status != meili.StatusSucceeded {
		t.Fatalf("the swap is %s", task.Status)
	}
	if a, _ := f.catalog.Get("a"); a.Physical != "b" {
		t.Error("the indexes were not swapped")
	}
	if moved, _ := f.tasks.Get(first.UID); moved.IndexUID == nil || *moved.IndexUID != "b" {
		t.Errorf("the task of a swapped index belongs to %v", moved.IndexUID)
	}
}

func TestPhysicalNameIsWhatWasPromised(t *testing.T) {
	f, nodes := doubles(t, 1, 1, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	nodes[0].HoldTasks()
	gone, err := f.w.DeleteIndex(t.Context(), creating, "a")
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.add("a", `[{"id":2}]`)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Held {
		t.Error("it is not said that no node has the write")
	}
	nodes[0].ReleaseTasks()
	f.ok(gone, nil)
	f.ok(again, nil)
	ix, _ := f.catalog.Get("a")
	if !slices.Contains(nodes[0].Indexes(), ix.Physical) {
		t.Errorf("the index is %s, the node has %v", ix.Physical, nodes[0].Indexes())
	}
	if wanted, err := index.PhysicalDigest(ix.Settings); err != nil || wanted == "" {
		t.Error(err)
	}
}

// What nodes show of settings is what the gateway takes it to be.
func TestSettingsReadBackAsProposed(t *testing.T) {
	for name, backend := range backends() {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 1, nil, []*url.URL{backend(t)})
			for _, body := range []string{
				`{}`,
				`{"displayedAttributes":["id","v"],"searchableAttributes":["v","w"],"sortableAttributes":["w","a"],"rankingRules":["words","sort","w:desc"]}`,
				`{"filterableAttributes":["v",{"attributePatterns":["a.*","b"],"features":{"facetSearch":true,"filter":{"equality":true,"comparison":false}}}],"distinctAttribute":"d"}`,
				`{"synonyms":{"a":["b","c"],"b":["a"]},"stopWords":["the","a"],"dictionary":["J. R. R."],"separatorTokens":["|"],"nonSeparatorTokens":["#"]}`,
				`{"typoTolerance":{"minWordSizeForTypos":{"oneTypo":3},"disableOnWords":["x"],"disableOnNumbers":true},"pagination":{"maxTotalHits":12}}`,
				`{"faceting":{"maxValuesPerFacet":5,"sortFacetValuesBy":{"v":"count"}},"searchCutoffMs":150,"proximityPrecision":"byAttribute"}`,
				`{"localizedAttributes":[{"attributePatterns":["v"],"locales":["jpn"]}],"facetSearch":false,"prefixSearch":"disabled"}`,
				`{"embedders":{"x":{"source":"userProvided","dimensions":2},"y":{"source":"rest","url":"http://127.0.0.1:9/e","dimensions":3,"apiKey":"a secret of some length","request":{"input":"{{text}}"},"response":{"data":"{{embedding}}"}}}}`,
				`{"embedders":{"x":null}}`,
				`{"embedders":{"y":{"documentTemplate":"{{doc.v}}"}},"faceting":null,"synonyms":{}}`,
				`{"embedders":null,"rankingRules":null,"filterableAttributes":null,"typoTolerance":null}`,
			} {
				f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, body)))
				f.w.lookForDrift()
				if d := f.w.Drifts(); len(d) != 0 {
					client, _ := f.client("g0-n0")
					shown, _ := client.Settings(t.Context(), "a")
					t.Fatalf("after %s the node shows\n%s", body, shown)
				}
			}
		})
	}
}
