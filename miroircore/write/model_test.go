package write

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

// Whatever goes wrong on the way, every copy ends with what one server would
// have after the same writes in the same order.
func TestEveryCopyEndsTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(t, rt)
		defer m.stop()
		rt.Repeat(map[string]func(*rapid.T){
			"add":      m.add,
			"update":   m.update,
			"delete":   m.remove,
			"filter":   m.filter,
			"clear":    m.clear,
			"settings": m.settings,
			"drop":     m.drop,
			"swap":     m.swap,
			"edit":     m.edit,
			"fault":    m.fault,
			"heal":     m.heal,
			"crash":    m.crash,
		})
		m.compare()
	})
}

type record map[string]any

// model is what one server would hold.
type model struct {
	t       *testing.T
	rt      *rapid.T
	f       *fleet
	nodes   []*minimeili.Server
	indexes map[string]map[string]record
	crashes int
}

var modelIndexes = []string{"a", "b"}

func newModel(t *testing.T, rt *rapid.T) *model {
	m := &model{t: t, rt: rt, indexes: make(map[string]map[string]record)}
	var urls []*url.URL
	for range 3 {
		n, err := minimeili.Start(minimeili.WithMasterKey(serverKey))
		if err != nil {
			rt.Fatal(err)
		}
		m.nodes = append(m.nodes, n)
		urls = append(urls, parse(t, n.URL()))
	}
	m.f = newFleet(t, 2, func(f *fleet) {
		f.quorum, f.shards = One, 4
		f.adjust = func(o *Options) { o.AckTime, o.HoldTime = 2*time.Second, 50*time.Millisecond }
	}, urls)
	for _, n := range m.f.topology.Groups[0].Nodes {
		client, _ := m.f.client(n.ID)
		if _, err := client.SetFeatures(t.Context(), map[string]bool{"editDocumentsByFunction": true}); err != nil {
			rt.Fatal(err)
		}
	}
	for _, uid := range modelIndexes {
		m.create(uid)
	}
	return m
}

func (m *model) stop() {
	for _, n := range m.nodes {
		n.ClearFaults()
	}
	m.f.close()
	for _, n := range m.nodes {
		n.Close()
	}
}

// sent says whether the write will be there, and fails for what is no answer to
// a fault.
func (m *model) sent(r *Receipt, err *meili.Error) bool {
	if err != nil && err.Code != "miroir_no_quorum" {
		m.rt.Fatalf("refused: %v", err)
	}
	return r != nil
}

func (m *model) create(uid string) {
	key := "id"
	if m.sent(m.f.w.CreateIndex(m.t.Context(), creating, uid, &key)) {
		m.indexes[uid] = make(map[string]record)
	}
	if m.sent(m.f.w.Settings(m.t.Context(), creating, uid, patch(m.t, `{"filterableAttributes":["v","id"]}`))) && m.indexes[uid] == nil {
		m.indexes[uid] = make(map[string]record)
	}
}

func (m *model) index(rt *rapid.T) string { return rapid.SampledFrom(modelIndexes).Draw(rt, "index") }

func (m *model) documents(rt *rapid.T) []record {
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) record {
		doc := record{"id": rapid.IntRange(0, 9).Draw(rt, "id")}
		doc[rapid.SampledFrom([]string{"v", "w"}).Draw(rt, "field")] = rapid.IntRange(0, 3).Draw(rt, "value")
		return doc
	}), 1, 4).Draw(rt, "documents")
}

func (m *model) write(rt *rapid.T, update bool) {
	uid, docs := m.index(rt), m.documents(rt)
	key := "id"
	call := creating
	r, err := m.f.w.Documents(m.t.Context(), call, uid, &request.Documents{PrimaryKey: &key}, update, request.JSON, m.f.body(string(must(docs))))
	if !m.sent(r, err) {
		return
	}
	if m.indexes[uid] == nil {
		m.indexes[uid] = make(map[string]record)
	}
	for _, doc := range docs {
		id := strconv.Itoa(doc["id"].(int))
		have := m.indexes[uid][id]
		if !update || have == nil {
			have = make(record)
		}
		merged := maps.Clone(have)
		maps.Copy(merged, doc)
		m.indexes[uid][id] = merged
	}
}

func (m *model) add(rt *rapid.T)    { m.write(rt, false) }
func (m *model) update(rt *rapid.T) { m.write(rt, true) }

func (m *model) remove(rt *rapid.T) {
	uid := m.index(rt)
	ids := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) string { return strconv.Itoa(rapid.IntRange(0, 9).Draw(rt, "id")) }), 1, 4).Draw(rt, "ids")
	if m.sent(m.f.w.DeleteDocuments(m.t.Context(), creating, uid, ids)) {
		for _, id := range ids {
			delete(m.indexes[uid], id)
		}
	}
}

func (m *model) filter(rt *rapid.T) {
	uid, v := m.index(rt), rapid.IntRange(0, 3).Draw(rt, "v")
	if m.indexes[uid] == nil {
		return
	}
	if m.sent(m.f.w.DeleteByFilter(m.t.Context(), creating, uid, must(fmt.Sprintf("v = %d", v)))) {
		for id, doc := range m.indexes[uid] {
			if doc["v"] == v {
				delete(m.indexes[uid], id)
			}
		}
	}
}

func (m *model) clear(rt *rapid.T) {
	uid := m.index(rt)
	if m.sent(m.f.w.DeleteAll(m.t.Context(), creating, uid)) && m.indexes[uid] != nil {
		m.indexes[uid] = make(map[string]record)
	}
}

func (m *model) settings(rt *rapid.T) {
	uid := m.index(rt)
	words := rapid.SampledFrom([]string{`[]`, `["the"]`, `["a","the"]`}).Draw(rt, "stop words")
	if m.sent(m.f.w.Settings(m.t.Context(), creating, uid, patch(m.t, `{"filterableAttributes":["v","id"],"stopWords":`+words+`}`))) && m.indexes[uid] == nil {
		m.indexes[uid] = make(map[string]record)
	}
}

func (m *model) drop(rt *rapid.T) {
	uid := m.index(rt)
	if m.sent(m.f.w.DeleteIndex(m.t.Context(), creating, uid)) {
		delete(m.indexes, uid)
	}
	m.create(uid)
}

func (m *model) swap(rt *rapid.T) {
	if m.indexes["a"] == nil || m.indexes["b"] == nil {
		return
	}
	if m.sent(m.f.w.Swap(m.t.Context(), creating, []request.Swap{{Indexes: [2]string{"a", "b"}}})) {
		m.indexes["a"], m.indexes["b"] = m.indexes["b"], m.indexes["a"]
	}
}

func (m *model) edit(rt *rapid.T) {
	uid, n := m.index(rt), rapid.IntRange(0, 3).Draw(rt, "n")
	if m.indexes[uid] == nil {
		return
	}
	source := fmt.Sprintf("if doc.id %% 2 == 0 { doc.w = %d } else if doc.id == 3 { doc = () }", n)
	if m.sent(m.f.w.Edit(m.t.Context(), creating, uid, &request.Edit{Function: source})) {
		for id, doc := range m.indexes[uid] {
			switch doc["id"].(int) {
			case 3:
				delete(m.indexes[uid], id)
			case 0, 2, 4, 6, 8:
				changed := maps.Clone(doc)
				changed["w"] = n
				m.indexes[uid][id] = changed
			}
		}
	}
}

func (m *model) fault(rt *rapid.T) {
	n := m.nodes[rapid.IntRange(0, len(m.nodes)-1).Draw(rt, "node")]
	switch rapid.IntRange(0, 5).Draw(rt, "fault") {
	case 0:
		n.DropAnswers(rapid.IntRange(1, 3).Draw(rt, "times"))
	case 1:
		n.FailNext(rapid.IntRange(1, 3).Draw(rt, "times"), 503)
	case 2:
		n.Refuse()
	case 3:
		n.HoldTasks()
	case 4:
		n.Garbage(1)
	case 5:
		n.FullIndexDisk(true)
	}
}

func (m *model) heal(rt *rapid.T) {
	for _, n := range m.nodes {
		n.ClearFaults()
		if err := n.Accept(); err != nil {
			rt.Fatal(err)
		}
	}
}

// crash goes on from what the journal has at this moment.
func (m *model) crash(*rapid.T) {
	m.crashes++
	if m.crashes > 3 {
		return
	}
	m.f.crash()
}

func (m *model) compare() {
	m.heal(m.rt)
	m.f.drain()
	for _, uid := range modelIndexes {
		want := make(map[string]string)
		for id, doc := range m.indexes[uid] {
			text, _ := json.Marshal(doc)
			want[id] = string(text)
		}
		if m.indexes[uid] == nil {
			if _, ok := m.f.catalog.Get(uid); ok {
				m.rt.Errorf("index %s is there", uid)
			}
			continue
		}
		m.f.same(uid, want)
	}
	if m.t.Failed() {
		m.rt.FailNow()
	}
}
