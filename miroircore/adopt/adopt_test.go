package adopt

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers in the place of a server.
type fake func(r *http.Request) (status int, body string)

func (f fake) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := f(r)
	if status == 0 {
		return nil, errors.New("connection reset by peer")
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		ProtoMajor: 1, Header: http.Header{"Content-Type": {"application/json"}}}, nil
}

func (f fake) client(id string) *node.Client {
	return node.New(id, &url.URL{Scheme: "http", Host: id}, nil, f)
}

func adopting(source, target fake, o Options) *adoption {
	o.Source, o.Target = source.client("source"), target.client("gateway")
	return o.begin()
}

func TestPagesFitWhatDocumentsAreLike(t *testing.T) {
	for _, at := range []struct {
		size, bytes int
		took        time.Duration
		want        int
	}{
		{500, 50_000, time.Millisecond, 1000},                               // small ones: twice as many
		{4000, 400_000, time.Millisecond, mostDocuments},                    // up to a bound
		{1000, 400 << 20, time.Millisecond, pageBytes / (400 << 20 / 1000)}, // large ones: fewer
		{1, 100 << 20, time.Millisecond, 1},                                 // never none
		{1000, 50_000, 11 * time.Second, 500},                               // a slow source: fewer
		{500, 0, time.Millisecond, 1000},
	} {
		if got := nextPage(at.size, at.bytes, at.took); got != at.want {
			t.Errorf("after %d documents of %d bytes in %s: %d, want %d", at.size, at.bytes, at.took, got, at.want)
		}
	}
}

func TestARateIsHeldOverPages(t *testing.T) {
	l := limit{perSecond: 1000}
	now := time.Now()
	if got := l.cost(500, now); got != 500*time.Millisecond {
		t.Errorf("500 documents cost %s", got)
	}
	if got := l.cost(1000, now.Add(200*time.Millisecond)); got != 1300*time.Millisecond {
		t.Errorf("1000 more after 200ms cost %s", got)
	}
	if got := l.cost(100, now.Add(time.Hour)); got != 100*time.Millisecond {
		t.Errorf("100 after an hour cost %s", got)
	}
	if got := new(limit).cost(1000, now); got != 0 {
		t.Errorf("no bound costs %s", got)
	}
}

func TestASumDependsOnContentsAndNotOnOrder(t *testing.T) {
	var a, b Sum
	for _, id := range []string{"1", "2", "x"} {
		a.add(id, uint64(len(id)))
	}
	for _, id := range []string{"x", "1", "gone", "2"} {
		b.add(id, uint64(len(id)))
	}
	if a == b {
		t.Error("one more makes no difference")
	}
	b.remove("gone", 4)
	if a != b {
		t.Errorf("%+v and %+v", a, b)
	}
	b.remove("x", 1)
	b.add("x", 2)
	if a == b {
		t.Error("another content makes no difference")
	}
	text, err := json.Marshal(a)
	var back Sum
	if err != nil || json.Unmarshal(text, &back) != nil || back != a {
		t.Errorf("%s is read as %+v, %v", text, back, err)
	}
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, waits := 0, 0
		answers := []int{0, 503, 429, 500, 200}
		a := adopting(nil, func(*http.Request) (int, string) {
			calls++
			return answers[calls-1], `{"status":"available"}`
		}, Options{Progress: func(Event) { waits++ }})
		if err := a.target.get(t.Context(), "/health", nil); err != nil || calls != 5 || waits != 4 {
			t.Errorf("%v after %d calls, waited %d times", err, calls, waits)
		}
		begun := time.Now()
		a = adopting(nil, func(*http.Request) (int, string) { return 503, `{"message":"no","code":"miroir_no_quorum"}` }, Options{Patience: time.Minute})
		err := a.target.get(t.Context(), "/health", nil)
		if err == nil || !strings.Contains(err.Error(), "the gateway did not recover in 1m0s") || time.Since(begun) > 2*time.Minute {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		for _, status := range []int{400, 401, 403, 404, 413, 501} {
			calls := 0
			a = adopting(nil, func(*http.Request) (int, string) {
				calls++
				return status, `{"message":"no","code":"some"}`
			}, Options{})
			if err := a.target.get(t.Context(), "/health", nil); err == nil || calls != 1 {
				t.Errorf("%d: %d calls, %v", status, calls, err)
			}
		}
	})
}

func TestContentsThatBreakOffAreReadFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const first = `{"id":"1","content":"ff"}` + "\n"
		lists := []string{first, first + `{"error":"shard 3 has no copy that can be read"}` + "\n", first + "{",
			first + `{"id":"2","content":"1"}` + "\n" + `{"documents":2}` + "\n"}
		calls := 0
		a := adopting(nil, func(*http.Request) (int, string) {
			calls++
			return 200, lists[calls-1]
		}, Options{})
		var want Sum
		want.add("1", 0xff)
		want.add("2", 1)
		got, err := a.sum(t.Context(), "books", 2)
		if err != nil || got != want || calls != 4 {
			t.Errorf("%+v, %v after %d calls", got, err, calls)
		}
	})
}

func TestFeaturesThatMeanNothingToAFleetStayOff(t *testing.T) {
	p := &Plan{}
	p.planFeatures(&server{features: map[string]bool{"containsFilter": true, "network": true, "vectorStore": true, "newOne": true, "metrics": true, "multimodal": false}},
		&server{features: map[string]bool{"containsFilter": false, "network": false, "metrics": true, "multimodal": false}})
	if len(p.Features) != 1 || p.Features[0] != "containsFilter" {
		t.Errorf("turned on: %v", p.Features)
	}
	if all := strings.Join(p.Notes, "\n"); len(p.Notes) != 2 || !strings.Contains(all, "network stays off") || !strings.Contains(all, "newOne is unknown") {
		t.Errorf("notes: %v", p.Notes)
	}
}

func text(s string) *string { return &s }

func TestKeysAreComparedByTheirUids(t *testing.T) {
	key := func(uid string, change func(*meili.Key)) meili.Key {
		k := meili.Key{UID: uid, Key: "value of " + uid, Name: text("name"), Actions: []string{"search"}, Indexes: []string{"*"}}
		change(&k)
		return k
	}
	as := func(*meili.Key) {}
	p := &Plan{}
	p.planKeys(&server{keys: []meili.Key{
		key("new", as), key("same", as), key("old", func(k *meili.Key) { k.ExpiresAt = text("2020-01-01T00:00:00Z") }),
		key("renamed", as), key("rights", as), key("later", func(k *meili.Key) { k.ExpiresAt = text("2099-01-01T00:00:00Z") }),
	}}, &server{keys: []meili.Key{
		key("same", func(k *meili.Key) { k.Key = "another value" }), key("own", as),
		key("renamed", func(k *meili.Key) { k.Name = nil }), key("rights", func(k *meili.Key) { k.Actions = []string{"*"} }),
		key("later", func(k *meili.Key) { k.ExpiresAt = text("2099-01-01T01:00:00+01:00") }),
	}})
	if len(p.Keys) != 2 || p.Keys[0].UID != "new" || !p.Keys[0].New || p.Keys[1].UID != "renamed" || p.Keys[1].New {
		t.Errorf("keys to make: %+v", p.Keys)
	}
	if len(p.Problems) != 1 || !strings.Contains(p.Problems[0], "(rights) has other rights") {
		t.Errorf("problems: %v", p.Problems)
	}
	if len(p.Notes) != 2 || !strings.Contains(p.Notes[0], "(old) is not taken: it has expired") || p.Notes[1] != otherValues {
		t.Errorf("notes: %v", p.Notes)
	}
	if shown, err := json.Marshal(p); err != nil || strings.Contains(string(shown), "value of") {
		t.Errorf("the plan shows a key: %s, %v", shown, err)
	}
}

func TestRefusalsOfDocumentsAreToldFromOthers(t *testing.T) {
	for code, own := range map[string]bool{
		"invalid_document_id": true, "missing_document_id": true, "payload_too_large": true, "miroir_reserved_field": true, "vector_embedding_error": true,
		"invalid_document_geo_field": true, "max_fields_limit_exceeded": true, "invalid_vector_dimensions": true,
		"index_not_found": false, "invalid_api_key": false, "miroir_no_quorum": false, "index_primary_key_already_exists": false,
	} {
		if ofDocuments(&meili.Error{Code: code}) != own {
			t.Errorf("%s: %v", code, !own)
		}
	}
}
