package replica

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "theKeyOfTheNodes"

// pair is two nodes that know an index without documents.
type pair struct {
	t      *testing.T
	ix     *index.Index
	nodes  map[string]*node.Client
	filler *Filler
	strays []string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, nodes: map[string]*node.Client{}, ix: &index.Index{UID: "books", Physical: "books", PrimaryKey: "id", Shards: 4, Settings: settings.Default()}}
	transport := node.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	for _, id := range []string{"source", "target"} {
		double := minimeili.Run(t, minimeili.WithMasterKey(key), minimeili.WithDir(t.TempDir()))
		at, err := url.Parse("http://" + double.Addr())
		if err != nil {
			t.Fatal(err)
		}
		p.nodes[id] = node.New(id, at, func() []string { return []string{key} }, transport)
		p.do(id, http.MethodPost, "/indexes", `{"uid":"books","primaryKey":"id"}`)
		p.do(id, http.MethodPatch, "/indexes/books/settings", string(index.Physical(settings.Default())))
	}
	p.filler = &Filler{
		Client: func(id string) (*node.Client, bool) { c, ok := p.nodes[id]; return c, ok },
		Stray:  func(_, _, metadata string) { p.strays = append(p.strays, metadata) },
	}
	return p
}

func (p *pair) do(id, method, path, body string) {
	p.t.Helper()
	task, err := p.nodes[id].Enqueue(p.t.Context(), method, path, node.JSON([]byte(body)))
	if err != nil {
		p.t.Fatal(err)
	}
	done, err := p.nodes[id].Wait(p.t.Context(), task.TaskUID)
	if err != nil || done.Error != nil {
		p.t.Fatal(err, done.Error)
	}
}

// doc is a document as the gateway writes it.
func (p *pair) doc(id int, version uint64, text string) string {
	shard := document.Shard([]byte(fmt.Sprint(id)), p.ix.Shards)
	return fmt.Sprintf(`{"id":%d,"text":%q,"%s":"%s","%s":"%s"}`, id, text,
		hidden.ShardField, hidden.AppendShard(nil, shard, p.ix.Shards), hidden.VersionField, hidden.AppendVersion(nil, version))
}

func (p *pair) put(id string, docs ...string) {
	p.t.Helper()
	p.do(id, http.MethodPost, "/indexes/books/documents", "["+strings.Join(docs, ",")+"]")
}

// holds gives what a node has of shards, by id.
func (p *pair) holds(id string, shards []int) map[string]string {
	p.t.Helper()
	all := map[string]string{}
	err := Scan(p.t.Context(), p.nodes[id], p.ix, shards, 0, false, func(e Entry, text []byte) error {
		var doc struct{ Text string }
		if err := json.Unmarshal(text, &doc); err != nil {
			return err
		}
		all[string(e.ID)] = fmt.Sprint(e.Version, " ", doc.Text)
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func (p *pair) equal(shards []int, documents int) {
	p.t.Helper()
	a, b := p.holds("source", shards), p.holds("target", shards)
	if fmt.Sprint(a) != fmt.Sprint(b) || len(a) != documents {
		p.t.Errorf("the source has %d documents, the target %d, wanted are %d:\n%v\n%v", len(a), len(b), documents, a, b)
	}
	for _, fast := range []bool{true, false} {
		var prints [2]Prints
		for i, id := range []string{"source", "target"} {
			var err error
			if prints[i], err = Fingerprint(p.t.Context(), p.nodes[id], p.ix, shards, fast, nil); err != nil {
				p.t.Fatal(err)
			}
		}
		if differ := prints[0].Differing(prints[1], shards); len(differ) > 0 {
			p.t.Errorf("the prints of shards %v differ", differ)
		}
	}
}

// A first round writes what differs and nothing else, absences included, and
// leaves other shards alone.
func TestAFillWritesOnlyWhatDiffers(t *testing.T) {
	p := newPair(t)
	mine := []int{0, 2}
	var docs []string
	count, other := 0, -1
	for id := range 300 {
		docs = append(docs, p.doc(id, uint64(100+id), "as it is"))
		if slices.Contains(mine, document.Shard([]byte(fmt.Sprint(id)), 4)) {
			count++
		} else if other < 0 {
			other = id
		}
	}
	p.put("source", docs...)
	p.put("target", docs...)
	var some []int
	for id := 0; len(some) < 4; id++ {
		if slices.Contains(mine, document.Shard([]byte(fmt.Sprint(id)), 4)) {
			some = append(some, id)
		}
	}
	p.put("target", p.doc(some[0], uint64(100+some[0]), "changed behind the gateway's back"), // the version is the same
		p.doc(some[1], 7, "older"), p.doc(some[2], 9000, "newer than the source's"), p.doc(other, 9001, "another shard's"))
	p.do("source", http.MethodPost, "/indexes/books/documents/delete-batch", fmt.Sprint("[", some[3], "]"))

	got, err := p.filler.Round(t.Context(), p.ix, "source", "target", mine, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got.Deleted != 1 || got.Copied < 3 || got.Copied > 6 {
		t.Errorf("%d documents copied, %d deleted: three differ and one is gone", got.Copied, got.Deleted)
	}
	p.equal(mine, count-1)
	if left := p.holds("target", []int{1, 3}); left[fmt.Sprint(other)] != "9001 another shard's" {
		t.Errorf("another shard's document is %q", left[fmt.Sprint(other)])
	}
	if again, err := p.filler.Round(t.Context(), p.ix, "source", "target", mine, 0); err != nil || again.Copied+again.Deleted > 0 {
		t.Errorf("a second round does %+v, %v", again, err)
	}
}

// A function gives all that it edits one version: such a run may be longer than
// a page.
func TestManyDocumentsOfOneVersionAreEachReadOnce(t *testing.T) {
	p := newPair(t)
	docs := []string{p.doc(0, 5, "before")}
	for id := 1; id <= 2*fullPage+300; id++ {
		docs = append(docs, p.doc(id, 6, "edited"))
	}
	docs = append(docs, p.doc(len(docs), 7, "after"))
	p.put("source", docs...)
	all, times := []int{0, 1, 2, 3}, 0
	seen := map[string]bool{}
	err := Scan(t.Context(), p.nodes["source"], p.ix, all, 0, false, func(e Entry, _ []byte) error {
		seen[string(e.ID)] = true
		times++
		return nil
	})
	if err != nil || times != len(docs) || len(seen) != len(docs) {
		t.Errorf("%d documents are read %d times, of %d: %v", len(seen), times, len(docs), err)
	}
}

// What is written and deleted between rounds is brought along by the last ones.
func TestRule25TheRestIsCopiedAndCompared(t *testing.T) {
	p := newPair(t)
	all := []int{0, 1, 2, 3}
	p.put("source", p.doc(1, 10, "one"), p.doc(2, 11, "two"), p.doc(3, 12, "three"))
	first, err := p.filler.Round(t.Context(), p.ix, "source", "target", all, 0)
	if err != nil || first.Copied != 3 || first.Newest != 12 {
		t.Fatalf("the first round is %+v, %v", first, err)
	}
	p.put("source", p.doc(2, 20, "two again"), p.doc(4, 21, "four"))
	second, err := p.filler.Round(t.Context(), p.ix, "source", "target", all, first.Newest)
	if err != nil || second.Copied != 2 || second.Newest != 21 {
		t.Fatalf("the second round is %+v, %v", second, err)
	}
	p.put("source", p.doc(5, 30, "five"))
	p.do("source", http.MethodPost, "/indexes/books/documents/delete-batch", `[1]`)
	p.do("target", http.MethodPost, "/indexes/books/documents/delete-batch", `[3]`) // by an operation on the target's own shards
	if _, err := p.filler.Finish(t.Context(), p.ix, "source", "target", all, second.Newest); err != nil {
		t.Fatal(err)
	}
	p.equal(all, 4)
	if len(p.strays) > 0 {
		t.Errorf("answered requests are strays: %v", p.strays)
	}
}
