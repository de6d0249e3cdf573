package index

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// recording has the real server's texts written to testdata, for TestScrubRecorded.
var recording = flag.Bool("record", false, "write what the real server says to testdata")

const serverKey = "masterKeyForTheTests0"

// realServer is a Meilisearch of its own for one test.
type realServer struct {
	t   testing.TB
	url string
}

// realServers starts a server where MEILISEARCH_BIN names a binary, and gives
// none otherwise.
func realServers(t testing.TB) []*realServer {
	t.Helper()
	bin := os.Getenv("MEILISEARCH_BIN")
	if bin == "" {
		return nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	dir := t.TempDir()
	cmd := exec.Command(bin, "--db-path", filepath.Join(dir, "db"), "--http-addr", address, "--master-key", serverKey,
		"--no-analytics", "--log-level", "ERROR")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MEILI_EXPERIMENTAL_ALLOWED_IP_NETWORKS=any") // for embedders of tests
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	s := &realServer{t: t, url: "http://" + address}
	for deadline := time.Now().Add(30 * time.Second); ; {
		resp, err := http.Get(s.url + "/health")
		if err == nil {
			_ = resp.Body.Close()
			return []*realServer{s}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not start: %v", bin, err)
		}
	}
}

func (s *realServer) call(method, path string, body any) (int, []byte) {
	s.t.Helper()
	var reader io.Reader
	if body != nil {
		raw, ok := body.([]byte)
		if !ok {
			raw = encode(body)
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, reader)
	must(s.t, err)
	req.Header.Set("Authorization", "Bearer "+serverKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	must(s.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	must(s.t, err)
	return resp.StatusCode, answer
}

// do runs a task to its end and gives its error.
func (s *realServer) do(method, path string, body any) *meili.Error {
	s.t.Helper()
	status, answer := s.call(method, path, body)
	if status != http.StatusAccepted {
		s.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	var task struct {
		TaskUID int
		Status  string
		Error   *meili.Error
	}
	must(s.t, json.Unmarshal(answer, &task))
	for deadline := time.Now().Add(time.Minute); ; {
		_, answer = s.call("GET", fmt.Sprintf("/tasks/%d", task.TaskUID), nil)
		must(s.t, json.Unmarshal(answer, &task))
		if task.Status == "succeeded" || task.Status == "failed" {
			return task.Error
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s %s does not end: %s", method, path, answer)
		}
	}
}

// variants are logical settings whose physical form differs from them in each
// possible way.
var variants = []struct{ name, patch string }{
	{"default", `{}`},
	{"plain", `{"filterableAttributes":["genre","price","_geo"],"sortableAttributes":["price","_geo"],"searchableAttributes":["title","genre"]}`},
	{"wildcards", `{"filterableAttributes":[{"attributePatterns":["*"],"features":{"facetSearch":true,"filter":{"equality":true,"comparison":false}}}],"sortableAttributes":["title"]}`},
	{"wildcard without filters", `{"filterableAttributes":[{"attributePatterns":["_*","*_x"],"features":{"facetSearch":true,"filter":{"equality":false,"comparison":false}}},"genre"]}`},
	{"features", `{"filterableAttributes":[{"attributePatterns":["genre","g*"],"features":{"facetSearch":true,"filter":{"equality":false,"comparison":false}}},{"attributePatterns":["price"],"features":{"facetSearch":false,"filter":{"equality":true,"comparison":false}}}],"sortableAttributes":["price"]}`},
	{"distinct", `{"distinctAttribute":"group","sortableAttributes":["price"]}`},
	{"distinct among others", `{"distinctAttribute":"group","filterableAttributes":["genre","price"]}`},
	{"distinct is filterable", `{"distinctAttribute":"group","filterableAttributes":["group","genre"]}`},
	{"distinct has facets only", `{"distinctAttribute":"group","filterableAttributes":["genre",{"attributePatterns":["group"],"features":{"facetSearch":true,"filter":{"equality":false,"comparison":false}}}]}`},
	{"displayed", `{"displayedAttributes":["id","title","price"],"filterableAttributes":["genre","price"],"sortableAttributes":["genre","price"],"searchableAttributes":["title","genre"],"distinctAttribute":"group"}`},
	{"nothing displayed", `{"displayedAttributes":["other"],"filterableAttributes":["genre"],"sortableAttributes":["price"],"searchableAttributes":["title"]}`},
	{"no sort rule", `{"rankingRules":["words","typo","price:desc"],"sortableAttributes":["price"]}`},
	{"facets", `{"faceting":{"maxValuesPerFacet":2,"sortFacetValuesBy":{"*":"count"}},"filterableAttributes":["genre","price"],"facetSearch":false}`},
	{"embedder", `{"embedders":{"e":{"source":"userProvided","dimensions":2}},"filterableAttributes":["genre"]}`},
}

// probes are requests that the server refuses for some or all of the variants,
// or answers.
var probes = []struct{ method, path, body string }{
	{"POST", "/search", `{"filter":"nope = 1"}`},
	{"POST", "/search", `{"filter":"genre > 1"}`},
	{"POST", "/search", `{"filter":"group = a OR price > 3"}`},
	{"POST", "/search", `{"filter":"price = 1 AND (genre IN [a, b] OR nope EXISTS)"}`},
	{"POST", "/search", `{"filter":"_geoRadius(1,1,1)"}`},
	{"POST", "/search", `{"filter":"genre ="}`},
	{"POST", "/search", `{"filter":"_geo = 1"}`},
	{"POST", "/search", `{"sort":["nope:asc"]}`},
	{"POST", "/search", `{"sort":["price:asc"]}`},
	{"POST", "/search", `{"sort":["_geoPoint(1,1):asc"]}`},
	{"POST", "/search", `{"facets":["nope"]}`},
	{"POST", "/search", `{"facets":["genre","price"]}`},
	{"POST", "/search", `{"distinct":"nope"}`},
	{"POST", "/search", `{"distinct":"price"}`},
	{"POST", "/search", `{"q":"a","attributesToSearchOn":["nope"]}`},
	{"POST", "/search", `{"q":"a","attributesToSearchOn":["price"]}`},
	{"POST", "/search", `{"q":"a","hybrid":{"embedder":"none"}}`},
	{"POST", "/search", `{"vector":[1],"hybrid":{"embedder":"e"}}`},
	{"POST", "/facet-search", `{"facetName":"nope"}`},
	{"POST", "/facet-search", `{"facetName":"genre"}`},
	{"POST", "/facet-search", `{"facetName":"price","filter":"nope = 1"}`},
	{"POST", "/documents/fetch", `{"filter":"nope = 1"}`},
	{"POST", "/documents/fetch", `{"filter":"genre > 1"}`},
	{"POST", "/documents/fetch", `{"sort":["nope:asc"]}`},
	{"POST", "/documents/delete", `{"filter":"nope = 1"}`},
	{"POST", "/documents/delete", `{"filter":"genre > 4"}`},
	{"POST", "/documents", `[{"title":"no id"}]`},
	{"POST", "/documents", `[{"id":"bad id"}]`},
	{"POST", "/documents", `[{"id":9,"_geo":{"lat":"x","lng":1}}]`},
	{"PATCH", "", `{"primaryKey":"other"}`},
	{"POST", "/similar", `{"id":99,"embedder":"none"}`},
}

const (
	logicalUID  = "books"
	physicalUID = "books-2"
)

// fill makes the index of a variant on the server twice: as a client would, and
// as a node gets it.
func (s *realServer) fill(patch string) *Index {
	s.t.Helper()
	p, refusal := settings.Parse([]byte(patch))
	if refusal != nil {
		s.t.Fatal(refusal)
	}
	logical, refusal := p.Apply(settings.Default())
	if refusal != nil {
		s.t.Fatal(refusal)
	}
	var plain, marked []string
	for i := range 40 {
		one := fmt.Sprintf(`"id":%d,"title":"the %s number %d","genre":"%s","price":%d,"group":"g%d","_geo":{"lat":%d,"lng":2},"_vectors":{"e":[%d,1]}`,
			i, [...]string{"red fox", "blue dog", "red dog"}[i%3], i, [...]string{"a", "b", "c", "d", "e"}[i%5], i%7, i%9, i, i)
		plain = append(plain, "{"+one+"}")
		marked = append(marked, fmt.Sprintf(`{%s,"%s":"%s","%s":"%s"}`, one, hidden.ShardField, hidden.AppendShard(nil, i%64, 64),
			hidden.VersionField, hidden.AppendVersion(nil, hidden.Version(7, i))))
	}
	for uid, made := range map[string]struct {
		settings []byte
		docs     []string
	}{logicalUID: {[]byte(patch), plain}, physicalUID: {Physical(logical), marked}} {
		_ = s.do("DELETE", "/indexes/"+uid, nil) // there may be none yet
		for _, e := range []*meili.Error{
			s.do("POST", "/indexes", map[string]string{"uid": uid, "primaryKey": "id"}),
			s.do("PATCH", "/indexes/"+uid+"/settings", made.settings),
			s.do("POST", "/indexes/"+uid+"/documents", []byte("["+strings.Join(made.docs, ",")+"]")),
		} {
			if e != nil {
				s.t.Fatalf("%s: %v", uid, e)
			}
		}
	}
	return &Index{UID: logicalUID, Physical: physicalUID, Settings: logical}
}

// markDocuments gives the documents of a body the hidden fields.
func markDocuments(path, body string) string {
	if path != "/documents" {
		return body
	}
	return strings.Replace(body, "}]", fmt.Sprintf(`,"%s":"%s","%s":"%s"}]`, hidden.ShardField, hidden.AppendShard(nil, 3, 64),
		hidden.VersionField, hidden.AppendVersion(nil, 9)), 1)
}

func (s *realServer) ask(uid, method, path, body string) (*meili.Error, []byte) {
	s.t.Helper()
	if uid == physicalUID {
		body = markDocuments(path, body)
	}
	status, answer := s.call(method, "/indexes/"+uid+path, []byte(body))
	switch {
	case status == http.StatusAccepted:
		var task struct{ TaskUID int }
		must(s.t, json.Unmarshal(answer, &task))
		for {
			var end struct {
				Status string
				Error  *meili.Error
			}
			_, answer = s.call("GET", fmt.Sprintf("/tasks/%d", task.TaskUID), nil)
			must(s.t, json.Unmarshal(answer, &end))
			if end.Status == "succeeded" || end.Status == "failed" {
				return end.Error, nil
			}
		}
	case status >= 400:
		var e meili.Error
		must(s.t, json.Unmarshal(answer, &e))
		return &e, nil
	}
	return nil, answer
}

// recordedText is one pair of a node's text and the client's.
type recordedText struct {
	Settings string `json:"settings"`
	Code     string `json:"code"`
	Physical string `json:"physical"`
	Logical  string `json:"logical"`
}

// A real server is asked the same of an index with logical settings and of one
// with the physical settings made from them: where both refuse, the texts must
// be the same after scrubbing; where both answer, the hits.
func TestPhysicalOnRealServer(t *testing.T) {
	for _, s := range realServers(t) {
		var texts []recordedText
		for _, v := range variants {
			ix := s.fill(v.patch)
			for _, p := range probes {
				wantError, want := s.ask(logicalUID, p.method, p.path, p.body)
				gotError, got := s.ask(physicalUID, p.method, p.path, p.body)
				name := v.name + ": " + p.path + " " + p.body
				switch {
				case wantError == nil && gotError == nil:
					compareAnswers(t, name, ix, got, want)
				case wantError != nil && gotError == nil:
					// Refused by the gateway: it checks against the logical settings.
				case wantError == nil:
					t.Errorf("%s: a node refuses what a server does: %s", name, gotError.Message)
				default:
					texts = append(texts, recordedText{v.patch, gotError.Code, gotError.Message, wantError.Message})
					if scrubbed := Scrub(ix, gotError); scrubbed.Message != wantError.Message {
						t.Errorf("%s:\n node %q\n  got %q\n want %q", name, gotError.Message, scrubbed.Message, wantError.Message)
					}
				}
			}
		}
		if *recording {
			var out bytes.Buffer
			for _, text := range texts {
				out.Write(encode(text))
				out.WriteByte('\n')
			}
			must(t, os.WriteFile(filepath.Join("testdata", "errors.jsonl"), out.Bytes(), 0o644))
		}
	}
}

// compareAnswers compares ids, order and totals; what else of an answer differs
// is for the merge to undo.
func compareAnswers(t *testing.T, name string, ix *Index, got, want []byte) {
	t.Helper()
	if got == nil {
		return
	}
	type answer struct {
		Hits               []struct{ Title string }
		EstimatedTotalHits int
		FacetDistribution  map[string]map[string]int
		FacetHits          json.RawMessage
	}
	var a, b answer
	must(t, json.Unmarshal(got, &a))
	must(t, json.Unmarshal(want, &b))
	if ix.Settings.Distinct() != "" || !strings.Contains(strings.Join(ix.Settings.Displayed(), " "), "*") {
		return // distinct is sent with the search, displayed fields are cut by the gateway
	}
	for facet, values := range a.FacetDistribution {
		if limit := ix.Settings.MaxValuesPerFacet(); len(values) > limit {
			delete(a.FacetDistribution, facet) // cut by the gateway
			delete(b.FacetDistribution, facet)
		}
	}
	if x, y := fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b); x != y {
		t.Errorf("%s:\n got %s\nwant %s", name, x, y)
	}
}

// A new version of a document whose text is the same must not be embedded again,
// and no hidden field may reach an embedder.
func TestEmbedderIsNotAskedForVersions(t *testing.T) {
	for _, s := range realServers(t) {
		var calls atomic.Int64
		embedder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || bytes.Contains(body, []byte(hidden.Prefix)) || bytes.Contains(body, []byte("⊰")) {
				t.Errorf("the embedder was sent %s, %v", body, err)
			}
			if bytes.Contains(body, []byte("title")) {
				calls.Add(1)
			}
			_, _ = w.Write([]byte(`{"embedding":[0.5,0.5]}`)) // the server is gone: the test fails elsewhere
		}))
		defer embedder.Close()
		for i, template := range []string{"", `,"documentTemplate":"{% for f in fields %}{{ f.name }} is {{ f.value }}, {% endfor %}"`} {
			calls.Store(0)
			p, refusal := settings.Parse([]byte(`{"embedders":{"e":{"source":"rest","url":"` + embedder.URL +
				`","dimensions":2,"request":{"input":"{{text}}"},"response":{"embedding":"{{embedding}}"}` + template + `}}}`))
			if refusal != nil {
				t.Fatal(refusal)
			}
			logical, refusal := p.Apply(settings.Default())
			if refusal != nil {
				t.Fatal(refusal)
			}
			path := fmt.Sprintf("/indexes/e%d", i)
			write := func(version uint64) {
				t.Helper()
				doc := fmt.Sprintf(`[{"id":1,"title":"x","%s":"%s","%s":"%s"}]`, hidden.ShardField, hidden.AppendShard(nil, 0, 64),
					hidden.VersionField, hidden.AppendVersion(nil, version))
				if e := s.do("POST", path+"/documents?primaryKey=id", []byte(doc)); e != nil {
					t.Fatal(e)
				}
			}
			if e := s.do("PATCH", path+"/settings", []byte(Physical(logical))); e != nil {
				t.Fatal(e)
			}
			write(1)
			if calls.Load() != 1 {
				t.Errorf("template %d: the document was embedded %d times", i, calls.Load())
			}
			write(2)
			if calls.Load() != 1 {
				t.Errorf("template %d: a new version alone was embedded", i)
			}
		}
	}
}
