package write

import (
	"net/url"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// Every kind of operation, from the client to every copy.
func TestEveryKindOfOperation(t *testing.T) {
	for name, start := range backends() {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2, nil, []*url.URL{start(t), start(t), start(t)})
			everyKind(t, f)
		})
	}
}

func everyKind(t *testing.T, f *fleet) {
	ctx := t.Context()
	key := "id"
	created := f.ok(f.w.CreateIndex(ctx, creating, "a", &key))
	if string(created.Details) != `{"primaryKey":"id"}` {
		t.Errorf("details %s", created.Details)
	}
	f.failed("index_already_exists")(f.w.CreateIndex(ctx, creating, "a", nil))
	added := f.ok(f.add("a", `[{"id":1,"v":"one"},{"id":"two","v":"two"},{"id":3,"v":"three"},{"id":4,"v":"four"}]`))
	if string(added.Details) != `{"receivedDocuments":4,"indexedDocuments":4}` {
		t.Errorf("details %s", added.Details)
	}
	f.same("a", map[string]string{"1": `{"id":1,"v":"one"}`, "two": `{"id":"two","v":"two"}`, "3": `{"id":3,"v":"three"}`, "4": `{"id":4,"v":"four"}`})
	f.ok(f.w.Documents(ctx, creating, "a", &request.Documents{}, true, request.NDJSON, f.body("{\"id\":1,\"w\":5}\n{\"id\":3,\"v\":\"3\"}\n")))
	f.same("a", map[string]string{"1": `{"id":1,"v":"one","w":5}`, "two": `{"id":"two","v":"two"}`, "3": `{"id":3,"v":"3"}`, "4": `{"id":4,"v":"four"}`})
	deleted := f.ok(f.w.DeleteDocuments(ctx, creating, "a", []string{"two", "99"}))
	if string(deleted.Details) != `{"providedIds":2,"deletedDocuments":1,"originalFilter":null}` {
		t.Errorf("details %s", deleted.Details)
	}
	f.ok(f.w.Settings(ctx, creating, "a", patch(t, `{"filterableAttributes":["v"],"sortableAttributes":["v"]}`)))
	ix, _ := f.catalog.Get("a")
	if ix.SettingsVersion != 2 || len(ix.Settings.Sortable()) != 1 {
		t.Errorf("settings are of version %d: %s", ix.SettingsVersion, ix.Settings.Raw())
	}
	filtered := f.ok(f.w.DeleteByFilter(ctx, creating, "a", []byte(`"v = four"`)))
	if string(filtered.Details) != `{"providedIds":0,"deletedDocuments":1,"originalFilter":"\"v = four\""}` {
		t.Errorf("details %s", filtered.Details)
	}
	f.failed("invalid_document_filter")(f.w.DeleteByFilter(ctx, creating, "a", []byte(`"nope = 1"`)))
	f.same("a", map[string]string{"1": `{"id":1,"v":"one","w":5}`, "3": `{"id":3,"v":"3"}`})

	csv := f.ok(f.w.Documents(ctx, creating, "b", &request.Documents{}, false, request.CSV, f.body("id,n:number\n1,2\n")))
	if string(csv.Details) != `{"receivedDocuments":1,"indexedDocuments":1}` {
		t.Errorf("details %s", csv.Details)
	}
	f.ok(f.w.Swap(ctx, creating, []request.Swap{{Indexes: [2]string{"a", "b"}}}))
	f.same("b", map[string]string{"1": `{"id":1,"v":"one","w":5}`, "3": `{"id":3,"v":"3"}`})
	f.same("a", map[string]string{"1": `{"id":"1","n":2}`})
	for _, n := range f.topology.Groups[0].Nodes {
		client, _ := f.client(n.ID)
		if _, err := client.SetFeatures(ctx, map[string]bool{"editDocumentsByFunction": true}); err != nil {
			t.Fatal(err)
		}
	}
	edited := f.ok(f.w.Edit(ctx, creating, "b", &request.Edit{Function: "if doc.id == 3 { doc = () } else { doc.e = context.n }",
		Filter: []byte(`"v EXISTS"`), Context: []byte(`{"n":7}`)}))
	if want := `{"editedDocuments":2,"deletedDocuments":2,"originalFilter":"\"v EXISTS\"","context":{"n":7},"function":"if doc.id == 3 { doc = () } else { doc.e = context.n }"}`; string(edited.Details) != want {
		t.Errorf("details %s, want %s", edited.Details, want)
	}
	f.same("b", map[string]string{"1": `{"id":1,"v":"one","w":5,"e":7}`})
	if _, err := f.w.Edit(ctx, creating, "b", &request.Edit{Function: "let ; bad"}); err == nil || err.Status != 400 {
		t.Errorf("a function that is none: %v", err)
	}
	broken := f.failed("edit_documents_by_function_error")(f.w.Edit(ctx, creating, "b", &request.Edit{Function: "doc.a = doc.b.c"}))
	if !strings.HasPrefix(broken.Error.Message, "Index `b`: ") || strings.Contains(broken.Error.Message, "closure") {
		t.Errorf("error %v", broken.Error)
	}
	f.ok(f.w.Compact(ctx, creating, "b"))
	f.ok(f.w.Snapshot(ctx, creating))
	renamed := "c"
	f.ok(f.w.UpdateIndex(ctx, creating, "b", &request.IndexUpdate{UID: &renamed}))
	f.ok(f.add("c", `[{"id":7}]`))
	f.same("c", map[string]string{"1": `{"id":1,"v":"one","w":5,"e":7}`, "7": `{"id":7}`})
	all := f.ok(f.w.DeleteAll(ctx, creating, "c"))
	if string(all.Details) != `{"deletedDocuments":2}` {
		t.Errorf("details %s", all.Details)
	}
	f.same("c", nil)
	dropped := f.ok(f.w.DeleteIndex(ctx, creating, "a"))
	if string(dropped.Details) != `{"deletedDocuments":1}` {
		t.Errorf("details %s", dropped.Details)
	}
	f.failed("index_not_found")(f.w.DeleteIndex(ctx, creating, "a"))
	f.failed("index_not_found")(f.w.DeleteDocuments(ctx, creating, "a", []string{"1"}))
	f.ok(f.add("a", `[{"id":1,"again":true}]`))
	f.same("a", map[string]string{"1": `{"id":1,"again":true}`})
}
