package imports

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

func TestWhatChangedAtTheSourceIsToppedUp(t *testing.T) {
	source := fleet.PlainWith(t, fleet.MasterKey)
	fill(t, source, 3000)
	f := fleet.Start(t, fleet.Split)
	if _, err := report(t, f, source); err != nil {
		t.Fatal(err)
	}
	put(t, source, http.MethodPut, "/indexes/books/documents", `[{"id":1,"title":"another title"},{"id":2,"genre":"g9"}]`)
	put(t, source, http.MethodPost, "/indexes/books/documents", books(3000, 3010))
	put(t, source, http.MethodPost, "/indexes/books/documents/delete-batch", `[4,5,"book-6_x"]`)
	put(t, source, http.MethodPost, "/indexes/own_vectors/documents", `[{"pk":"a","t":"one","_vectors":{"own":[0.9,0.2,0.3]}}]`)
	put(t, source, http.MethodPatch, "/indexes/books/settings", `{"synonyms":{"upper":["high"]},"faceting":null,"rankingRules":null}`)

	r, err := report(t, f, source)
	if err == nil || !strings.Contains(err.Error(), "1 of 5 indexes are not what the source has") {
		t.Errorf("documents that the source does not have any more: %v", err)
	}
	b := of(t, r, "books")
	if b.Sent != 12 || b.Extra != 3 || b.Equal || !strings.Contains(b.Said, "3 documents that the source does not have") {
		t.Errorf("topped up without deleting: %+v", b)
	}
	if v := of(t, r, "own_vectors"); v.Sent != 1 || !v.Equal {
		t.Errorf("a vector that changed: %+v", v)
	}
	r, err = report(t, f, source, "--delete")
	if b = of(t, r, "books"); err != nil || b.Sent != 0 || b.Deleted != 3 || b.Extra != 0 || !b.Equal {
		t.Errorf("topped up with deleting: %+v, %v", b, err)
	}
	var fetched, here struct{ Results []json.RawMessage }
	source.Do(t, http.MethodPost, "/indexes/books/documents/fetch", `{"limit":4000}`).Decode(t, &fetched)
	f.Want(t, 200, http.MethodPost, "/indexes/books/documents/fetch", `{"limit":4000}`).Decode(t, &here)
	if len(fetched.Results) != 3007 || len(here.Results) != 3007 {
		t.Errorf("%d documents at the source, %d here", len(fetched.Results), len(here.Results))
	}
	same := func(path string) {
		if a, b := known(t, source.Do(t, http.MethodGet, path, "").Body), known(t, f.Do(t, http.MethodGet, path, "").Body); a != b {
			t.Errorf("%s\nsource  %s\ngateway %s", path, a, b)
		}
	}
	same("/indexes/books/settings")
	same("/indexes/books/documents/1")
}

func TestAnImportThatIsBrokenOffGoesOn(t *testing.T) {
	source := fleet.PlainWith(t, fleet.MasterKey)
	fill(t, source, 6000)
	f := fleet.Start(t, fleet.Split)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, _, err := run(ctx, f, source, "--key", fleet.MasterKey, "--index", "books", "--rate", "1000")
		done <- err
	}()
	fleet.Eventually(t, "some documents are there", func() bool { return count(t, f) > 0 })
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "run the same command again to go on") {
		t.Fatalf("broken off: %v", err)
	}
	r, err := report(t, f, source, "--index", "books")
	if b := of(t, r, "books"); err != nil || !b.Equal || b.Sent == 0 || b.Sent >= 6000 || len(r.Indexes) != 1 {
		t.Errorf("gone on with: %+v, %v", b, err)
	}
}

func TestAnImportOutlivesBothSides(t *testing.T) {
	source := fleet.PlainWith(t, fleet.MasterKey)
	put(t, source, http.MethodPost, "/indexes/books/documents?primaryKey=id", books(0, 4000))
	f := fleet.Start(t, fleet.Split)
	type ended struct {
		out, progress string
		err           error
	}
	done := make(chan ended, 1)
	go func() {
		out, progress, err := run(t.Context(), f, source, "--key", fleet.MasterKey, "--rate", "1500")
		done <- ended{out, progress, err}
	}()
	fleet.Eventually(t, "some documents are there", func() bool { return count(t, f) > 0 })
	f.Restart(t)
	source.Kill()
	source.Restart()
	if e := <-done; e.err != nil || !strings.Contains(e.out, "equal") {
		t.Errorf("%v\n%s%s", e.err, e.progress, e.out)
	}
	if n := count(t, f); n != 4000 {
		t.Errorf("%d documents are there", n)
	}
}

// count gives how many books the fleet has.
func count(t *testing.T, f *fleet.Fleet) int {
	t.Helper()
	var stats struct{ NumberOfDocuments int }
	if a := f.Do(t, http.MethodGet, "/indexes/books/stats", ""); a.Status == http.StatusOK {
		a.Decode(t, &stats)
	}
	return stats.NumberOfDocuments
}

func TestASourceThatIsWrittenToIsCaughtUpWith(t *testing.T) {
	source := fleet.PlainWith(t, fleet.MasterKey)
	put(t, source, http.MethodPost, "/indexes/books/documents?primaryKey=id", books(0, 3000))
	f := fleet.Start(t, fleet.Split)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 3000; ; n += 10 {
			select {
			case <-stop:
				return
			default:
			}
			put(t, source, http.MethodPost, "/indexes/books/documents", books(n, n+10))
			put(t, source, http.MethodPut, "/indexes/books/documents", fmt.Sprintf(`[{"id":%d,"title":"again"}]`, n%2999/3*3+1))
			put(t, source, http.MethodPost, "/indexes/books/documents/delete-batch", fmt.Sprintf(`[%d]`, n%2999/3*3+2))
		}
	}()
	first, _ := report(t, f, source) // what it meets is as it happens
	close(stop)
	<-stopped
	if b := of(t, first, "books"); b.Sent < 2900 || b.Refused != 0 || !b.Equal && b.Said == "" {
		t.Errorf("while it is written to: %+v", b)
	}
	last, err := report(t, f, source, "--delete")
	if b := of(t, last, "books"); err != nil || !b.Equal || b.Passes != 1 || b.Sent > 3000 {
		t.Errorf("when nobody writes any more: %+v, %v", b, err)
	}
	third, err := report(t, f, source)
	if b := of(t, third, "books"); err != nil || b.Sent != 0 || !b.Equal {
		t.Errorf("once more: %+v, %v", b, err)
	}
}

func TestAPlanShowsAndDoesNothing(t *testing.T) {
	source := fleet.PlainWith(t, fleet.MasterKey)
	fill(t, source, 10)
	f := fleet.Start(t, fleet.One)
	out, _, err := run(t.Context(), f, source, "--key", fleet.MasterKey, "--dry-run", "--index", "b*", "--index", "zebra")
	if err != nil || !strings.Contains(out, "2 indexes, 13 documents") {
		t.Errorf("%v\n%s", err, out)
	}
	var page struct{ Total int }
	f.Want(t, 200, http.MethodGet, "/indexes", "").Decode(t, &page)
	if page.Total != 0 {
		t.Errorf("%d indexes were made", page.Total)
	}
}

func TestKeysOfAnotherMasterKeyAreSaidToHaveOtherValues(t *testing.T) {
	source := fleet.Plain(t)
	f := fleet.Start(t, fleet.One)
	for range 2 {
		out, _, err := run(t.Context(), f, source, "--key", fleet.PlainKey)
		if err != nil || !strings.Contains(out, "note: keys have other values here") || strings.Contains(out, fleet.PlainKey) {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if out, _, err := run(t.Context(), f, source, "--key", fleet.PlainKey, "--skip-keys"); err != nil || strings.Contains(out, "keys") {
		t.Errorf("without keys: %v\n%s", err, out)
	}
}

func TestAGatewayElsewhereIsReachedByItsAddress(t *testing.T) {
	source := fleet.PlainWith(t, fleet.MasterKey)
	put(t, source, http.MethodPost, "/indexes/books/documents?primaryKey=id", books(0, 50))
	f := fleet.Start(t, fleet.Split)
	r, err := report(t, f, source, "--to", f.URL, "--to-key", fleet.MasterKey)
	if err != nil || of(t, r, "books").Sent != 50 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, _, err := run(t.Context(), f, source, "--key", fleet.MasterKey, "--to", f.URL, "--to-key", "wrong"); err == nil || !strings.Contains(err.Error(), "looking at what the gateway has") {
		t.Errorf("with a wrong key: %v", err)
	}
}

func TestOthersWritesAreNotOverwritten(t *testing.T) {
	source := fleet.PlainWith(t, fleet.MasterKey)
	fill(t, source, 100)
	f := fleet.Start(t, fleet.One)
	if _, err := report(t, f, source, "--index", "books"); err != nil {
		t.Fatal(err)
	}
	f.Write(t, http.MethodPut, "/indexes/books/documents", `[{"id":1,"title":"written by a client"}]`)
	f.Write(t, http.MethodPost, "/indexes/zebra/documents?primaryKey=data.id", `[{"data":{"id":9}}]`)
	f.Write(t, http.MethodPost, "/indexes/own_vectors/documents?primaryKey=t", `[{"t":"x"}]`)
	out, _, err := run(t.Context(), f, source, "--key", fleet.MasterKey)
	if err == nil || !strings.Contains(err.Error(), "nothing was done: 3 problems") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"index books: it was written to by others than this import", "index zebra: it was written to by others",
		`index own_vectors has the primary key "t" here and "pk" at the source`} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
	var doc struct{ Title string }
	f.Want(t, 200, http.MethodGet, "/indexes/books/documents/1", "").Decode(t, &doc)
	if doc.Title != "written by a client" {
		t.Errorf("it was overwritten: %+v", doc)
	}
	if r, err := report(t, f, source, "--index", "books", "--overwrite"); err != nil || of(t, r, "books").Sent != 1 {
		t.Errorf("overwritten: %+v, %v", r, err)
	}
}

func TestWhatTheGatewayCannotTakeIsNamed(t *testing.T) {
	source := fleet.PlainWith(t, fleet.MasterKey)
	shape := fleet.Split
	shape.Options = []string{"max_body 200KB"}
	f := fleet.Start(t, shape)
	var list []string
	for i := range 300 {
		text := "short"
		if i == 77 || i == 200 {
			text = strings.Repeat("long ", 50_000)
		}
		list = append(list, fmt.Sprintf(`{"id":%d,"text":%q}`, i, text))
	}
	put(t, source, http.MethodPost, "/indexes/sizes/documents?primaryKey=id", "["+strings.Join(list, ",")+"]")
	put(t, source, http.MethodPost, "/indexes/taken/documents?primaryKey=id", `[{"id":1,"_miroir_mine":2},{"id":2}]`)
	put(t, source, http.MethodPatch, "/indexes/separators/settings", `{"nonSeparatorTokens":["⊰","#"]}`)
	put(t, source, http.MethodPatch, "/indexes/embedded/settings", `{"embedders":{"shop":{"source":"rest","url":"http://127.0.0.1:9/","apiKey":"a-secret-of-the-embedder","dimensions":2,"request":"{{text}}","response":"{{embedding}}"}}}`)
	put(t, source, http.MethodPost, "/indexes/embedded/documents?primaryKey=id", `[{"id":1,"_vectors":{"shop":{"embeddings":[0.5,0.5],"regenerate":false}}}]`)

	out, _, err := run(t.Context(), f, source, "--key", fleet.MasterKey)
	if err == nil || !strings.Contains(err.Error(), "3 problems") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"index taken: 1 documents have the field _miroir_mine", "index separators: its nonSeparatorTokens name ⊰",
		"embedder shop has an apiKey that the source does not show: give it with --embedder-key embedded/shop=KEY"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
	t.Setenv("SHOP_KEY", "a-secret-of-the-embedder")
	some := []string{"--index", "sizes", "--index", "embedded", "--embedder-key", "embedded/shop={env.SHOP_KEY}"}
	r, err := report(t, f, source, some...)
	if err == nil || !strings.Contains(err.Error(), "1 of 2 indexes") {
		t.Errorf("%v", err)
	}
	s := of(t, r, "sizes")
	if s.Refused != 2 || len(s.Refusals) != 2 || s.Refusals[0].ID != "200" || s.Refusals[1].ID != "77" || s.Target.Count != 298 || s.Source != s.Target {
		t.Errorf("documents that are too large: %+v", s)
	}
	if e := of(t, r, "embedded"); !e.Equal || e.Sent != 1 {
		t.Errorf("an embedder with its secret: %+v", e)
	}
	var shown struct {
		Shop struct{ APIKey string }
	}
	f.Want(t, 200, http.MethodGet, "/indexes/embedded/settings/embedders", "").Decode(t, &shown)
	if shown.Shop.APIKey != "a-sXXXXX..." {
		t.Errorf("the embedder's secret is %q", shown.Shop.APIKey)
	}
	again, err := report(t, f, source, "--index", "embedded")
	if err != nil || of(t, again, "embedded").Sent != 0 {
		t.Errorf("again, without its secret: %+v, %v", again, err)
	}
}

func TestIdsMayBeMoreThanABodyMayHave(t *testing.T) {
	source := fleet.PlainWith(t, fleet.MasterKey)
	shape := fleet.Split
	shape.Options = []string{"max_body 200KB"}
	f := fleet.Start(t, shape)
	put(t, source, http.MethodPost, "/indexes/long/documents?primaryKey=id", long(600))
	for _, sent := range []uint64{600, 0} { // the second time it is asked for by ids
		if r, err := report(t, f, source, "--index", "long"); err != nil || of(t, r, "long").Sent != sent {
			t.Errorf("long ids: %+v, %v", r, err)
		}
	}
	put(t, source, http.MethodDelete, "/indexes/long/documents", "")
	if r, err := report(t, f, source, "--index", "long", "--delete"); err != nil || of(t, r, "long").Deleted != 600 {
		t.Errorf("long ids, deleted: %+v, %v", r, err)
	}
}

// long are documents with ids of 500 bytes.
func long(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"id":"%0500d"}`, i)
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestASourceThatCannotBeImportedIsSaidToBe(t *testing.T) {
	source := fleet.PlainWith(t, fleet.MasterKey)
	f := fleet.Start(t, fleet.One)
	gone := fleet.PlainWith(t, fleet.MasterKey)
	gone.Kill()
	for want, err := range map[string]error{
		"refuses the key: give its master key":           second(run(t.Context(), f, source, "--key", "wrong")),
		"cannot be reached":                              second(run(t.Context(), f, gone, "--key", "x")),
		"is a Miroir: have it write a dump":              second(run(t.Context(), f, source, "--from", f.URL, "--key", fleet.MasterKey)),
		"is a node of a Miroir fleet":                    second(run(t.Context(), f, f.Nodes[0], "--key", fleet.PlainKey)),
		"--key: evaluated placeholder {env.NOT_THERE_0}": second(run(t.Context(), f, source, "--key", "{env.NOT_THERE_0}")),
		"it is no address":                               second(run(t.Context(), f, source, "--from", "10.0.0.1:7700")),
		"the fleet is not ready":                         down(t, f, source),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func second(_, _ string, err error) error { return err }

// down runs the import while the fleet has no node.
func down(t *testing.T, f *fleet.Fleet, source fleet.Node) error {
	f.Nodes[0].Kill()
	fleet.Eventually(t, "the node is known to be down", func() bool {
		return f.Do(t, http.MethodGet, "/health", "").Status == http.StatusServiceUnavailable
	})
	return second(run(t.Context(), f, source, "--key", fleet.MasterKey))
}
