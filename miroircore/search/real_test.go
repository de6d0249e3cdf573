package search

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

const testKey = "masterKeyForTheTests0"

// binaries are the real servers to test against: MEILISEARCH_BIN names one.
func binaries() []string {
	if bin := os.Getenv("MEILISEARCH_BIN"); bin != "" {
		return []string{bin}
	}
	return nil
}

// server is a running Meilisearch.
type server struct {
	t      testing.TB
	url    string
	client *node.Client
}

func startServer(t testing.TB, bin, id string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(bin, "--db-path", filepath.Join(t.TempDir(), "db"), "--http-addr", address, "--master-key", testKey, "--no-analytics", "--log-level", "ERROR")
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	base, err := url.Parse("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	transport := node.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	s := &server{t: t, url: base.String(), client: node.New(id, base, func() []string { return []string{testKey} }, transport)}
	deadline := time.Now().Add(30 * time.Second)
	for {
		resp, err := s.client.Call(context.Background(), http.MethodGet, "/health", nil, 0)
		if err == nil && resp.Status == http.StatusOK {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not start: %v", bin, err)
		}
	}
}

func (s *server) call(method, path string, body string) (int, []byte) {
	s.t.Helper()
	var b *node.Body
	if body != "" {
		b = node.JSON([]byte(body))
	}
	resp, err := s.client.Call(context.Background(), method, path, b, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.Status, resp.Body
}

// do runs a task to its end.
func (s *server) do(method, path, body string) {
	s.t.Helper()
	status, answer := s.call(method, path, body)
	if status != http.StatusAccepted {
		s.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	var task struct{ TaskUID int }
	if err := json.Unmarshal(answer, &task); err != nil {
		s.t.Fatal(err)
	}
	for {
		_, answer = s.call(http.MethodGet, "/tasks/"+strconv.Itoa(task.TaskUID), "")
		var state struct{ Status string }
		if err := json.Unmarshal(answer, &state); err != nil {
			s.t.Fatal(err)
		}
		switch state.Status {
		case "succeeded":
			return
		case "failed", "canceled":
			s.t.Fatalf("task: %s", answer)
		}
	}
}

// fleet is one server that has all documents, nodes that have parts of them,
// and a reader over the nodes.
type fleet struct {
	t      testing.TB
	single *server
	nodes  map[string]*server
	ix     *index.Index
	reader *Reader
}

// layoutOf places each shard on copies of the nodes of each group.
func layoutOf(groups [][]string, shards, copies int) *cluster.Placement {
	p := &cluster.Placement{}
	for g, nodes := range groups {
		gp := cluster.GroupPlacement{ID: fmt.Sprintf("g%d", g), Shards: make([][]string, shards)}
		for s := range shards {
			for c := range copies {
				gp.Shards[s] = append(gp.Shards[s], nodes[(s+c)%len(nodes)])
			}
		}
		p.Groups = append(p.Groups, gp)
	}
	return p
}

const testShards = 64

func newFleet(t testing.TB, bin string, groups [][]string, copies int) *fleet {
	t.Helper()
	f := &fleet{t: t, single: startServer(t, bin, "single"), nodes: map[string]*server{}}
	for _, g := range groups {
		for _, id := range g {
			f.nodes[id] = startServer(t, bin, id)
		}
	}
	f.ix = &index.Index{UID: "books", Physical: "books", PrimaryKey: "id", Shards: testShards, Placement: layoutOf(groups, testShards, copies)}
	f.reader = New(Options{
		Client: func(id string) (*node.Client, bool) {
			s, ok := f.nodes[id]
			if !ok {
				return nil, false
			}
			return s.client, true
		},
		Readable: func(string, string) bool { return true },
	})
	t.Cleanup(f.reader.Close)
	return f
}

// configure gives the server the settings and the nodes what is derived of them.
func (f *fleet) configure(raw string) {
	f.t.Helper()
	logical, err := settings.FromRaw(json.RawMessage(raw))
	if err != nil {
		f.t.Fatal(err)
	}
	f.ix.Settings = logical
	f.single.do(http.MethodPatch, "/indexes/books/settings", raw)
	body := index.Physical(logical)
	for _, n := range f.nodes {
		n.do(http.MethodPatch, "/indexes/books/settings", string(body))
	}
}

// load puts documents, given as the members of an object, where they belong.
func (f *fleet) load(ids []string, docs []string) {
	f.t.Helper()
	all := bytes.NewBufferString("[")
	parts := map[string]*bytes.Buffer{}
	for i, doc := range docs {
		if i > 0 {
			all.WriteByte(',')
		}
		fmt.Fprintf(all, "{%s}", doc)
		shard := document.ShardString(ids[i], f.ix.Shards)
		extra := fmt.Sprintf(`%q:%q,%q:%q`, hidden.ShardField, hidden.AppendShard(nil, shard, f.ix.Shards),
			hidden.VersionField, hidden.AppendVersion(nil, hidden.Version(1, i)))
		for _, g := range f.ix.Placement.Groups {
			for _, id := range g.Shards[shard] {
				if parts[id] == nil {
					parts[id] = bytes.NewBufferString("[")
				} else {
					parts[id].WriteByte(',')
				}
				fmt.Fprintf(parts[id], "{%s,%s}", doc, extra)
			}
		}
	}
	f.single.do(http.MethodPost, "/indexes/books/documents?primaryKey=id", all.String()+"]")
	for id, part := range parts {
		f.nodes[id].do(http.MethodPost, "/indexes/books/documents?primaryKey=id", part.String()+"]")
	}
}

func (f *fleet) loadCorpus(n int) {
	f.configure(corpusSettings)
	docs := corpus(n)
	ids := make([]string, n)
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	f.load(ids, docs)
}

// answers gives what the one server and what the fleet say to a search.
func (f *fleet) answers(body string) (want, got map[string]any, raw []byte) {
	f.t.Helper()
	_, one := f.single.call(http.MethodPost, "/indexes/books/search", body)
	q, err := request.ParseSearch([]byte(body))
	if err != nil {
		f.t.Fatalf("%s: %v", body, err)
	}
	a, err := f.reader.Search(context.Background(), Call{}, f.ix, q)
	if err != nil {
		raw, _ = json.Marshal(err)
	} else {
		raw = a.Body
	}
	return decode(f.t, one), decode(f.t, raw), raw
}

func decode(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	delete(m, "processingTimeMs")
	delete(m, "requestUid")
	return m
}

// verdict says in what two answers differ, "same" for nothing.
func verdict(want, got map[string]any) string {
	if !reflect.DeepEqual(want["hits"], got["hits"]) {
		return "hits"
	}
	for name, value := range want {
		if !reflect.DeepEqual(value, got[name]) {
			return name
		}
	}
	if len(want) != len(got) {
		return "members"
	}
	return "same"
}

func (f *fleet) compare(bodies []string) map[string]int {
	f.t.Helper()
	counts := map[string]int{}
	for _, body := range bodies {
		want, got, raw := f.answers(body)
		if strings.Contains(string(raw), hidden.Prefix) {
			f.t.Errorf("%s: a hidden field shows: %.300s", body, raw)
		}
		v := verdict(want, got)
		counts[v]++
		if v != "same" {
			f.t.Logf("%s differs for %s\n want %.700v\n got  %.700v", v, body, brief(want, v), brief(got, v))
		}
	}
	return counts
}

func brief(m map[string]any, member string) any {
	hits, ok := m["hits"].([]any)
	if member != "hits" || !ok {
		if _, failed := m["message"]; failed {
			return m
		}
		return m[member]
	}
	var ids []any
	for _, h := range hits {
		if id, ok := h.(map[string]any)["id"]; ok {
			ids = append(ids, id)
		} else {
			ids = append(ids, h)
		}
	}
	return ids
}

func TestShardsAnswerAsOneServer(t *testing.T) {
	for _, bin := range binaries() {
		f := newFleet(t, bin, [][]string{{"a", "b", "c"}}, 1)
		f.loadCorpus(3000)
		counts := f.compare(queries(300))
		t.Logf("three shards: %v", counts)
		if counts["same"] < 294 {
			t.Errorf("%d of 300 answers are the same", counts["same"])
		}
		t.Run("two copies", func(t *testing.T) {
			g := newFleet(t, bin, [][]string{{"a", "b", "c"}}, 2)
			g.loadCorpus(3000)
			counts := g.compare(queries(300))
			t.Logf("two copies on three nodes: %v", counts)
			if counts["same"] < 294 {
				t.Errorf("%d of 300 answers are the same", counts["same"])
			}
		})
		t.Run("pass-through", func(t *testing.T) {
			g := newFleet(t, bin, [][]string{{"a"}, {"b"}}, 1)
			g.loadCorpus(3000)
			if counts := g.compare(queries(300)); counts["same"] != 300 {
				t.Errorf("%v: a node that has all answers as it is", counts)
			}
		})
	}
}
