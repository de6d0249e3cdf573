package write

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

func TestRule29DefinitionsAreLiftedOut(t *testing.T) {
	for source, want := range map[string]lifted{
		"doc.a = 1":                         {"", "doc.a = 1"},
		"fn f(x) { x + 1 } doc.a = f(1)":    {"fn f(x) { x + 1 } ", " doc.a = f(1)"},
		"let s = \"fn f() {}\"; doc.a = s":  {"", "let s = \"fn f() {}\"; doc.a = s"},
		"// fn f() {}\ndoc.a = 1":           {"", "// fn f() {}\ndoc.a = 1"},
		"/* fn /* f() {} */ } */ doc.a = 1": {"", "/* fn /* f() {} */ } */ doc.a = 1"},
		"fn f(x) {\n if x { `${ if true { \"}\" } }` } else { '}' }\n}\ndoc.a = f(1)": {
			"fn f(x) {\n if x { `${ if true { \"}\" } }` } else { '}' }\n} ", "\n\n\ndoc.a = f(1)"},
		"private fn f() { #{a: 1} } doc.m = f()":   {"private fn f() { #{a: 1} } ", " doc.m = f()"},
		"if true { let fnord = 1; doc.a = fnord }": {"", "if true { let fnord = 1; doc.a = fnord }"},
	} {
		got, err := liftFunctions(source)
		if err != nil || got != want {
			t.Errorf("%q gives %q, error %v", source, got, err)
		}
	}
	for _, source := range []string{"exit()", "if doc.a { exit (1) }", "fn f() { exit() }"} {
		if _, err := liftFunctions(source); err == nil {
			t.Errorf("%q is not refused", source)
		}
	}
	for _, source := range []string{"doc.exit = 1", "\"exit()\"", "{", "}", "\"", "`${", "/*", "fn", "#{"} {
		if _, err := liftFunctions(source); err != nil {
			t.Errorf("%q is refused", source)
		}
	}
}

func TestRule29SecondRunDoesNothing(t *testing.T) {
	for condition, want := range map[string]string{
		"": `["_miroir_version < \"V\""]`, "null": `["_miroir_version < \"V\""]`,
		`"a = 1 OR b = 2"`:        `["a = 1 OR b = 2","_miroir_version < \"V\""]`,
		`["a = 1",["b = 2","c"]]`: `["a = 1",["b = 2","c"],"_miroir_version < \"V\""]`,
	} {
		var raw json.RawMessage
		if condition != "" {
			raw = json.RawMessage(condition)
		}
		var got, expected any
		text := guarded(raw, "V")
		if json.Unmarshal(text, &got) != nil || json.Unmarshal([]byte(want), &expected) != nil || !reflect.DeepEqual(got, expected) {
			t.Errorf("%q is guarded as %s", condition, text)
		}
	}
}

// The wrapped function changes what the client's changes and nothing else, on
// the real server.
func TestRule29OnTheRealServer(t *testing.T) {
	for _, s := range realServers(t) {
		s.call("PATCH", "/experimental-features", map[string]any{"editDocumentsByFunction": true})
		s.wait(s.call("PATCH", "/indexes/ed/settings", map[string]any{"filterableAttributes": []any{"y", map[string]any{
			"attributePatterns": []string{hidden.VersionField},
			"features":          map[string]any{"facetSearch": false, "filter": map[string]any{"equality": true, "comparison": true}}}}}))
		shard, old := string(hidden.AppendShard(nil, 5, 64)), string(hidden.AppendVersion(nil, 7))
		op := uint64(100)
		for source, want := range map[string]string{
			"doc.a = 1":                                `{"id":1,"y":1,"a":1}`,
			"doc.y = 1":                                `{"id":1,"y":1}`, // no change
			"if doc.y > 0 { return; } doc.a = 2":       `{"id":1,"y":1}`,
			"doc = ()":                                 ``,
			"doc = #{id: doc.id, n: 5}":                `{"id":1,"n":5}`,
			"doc.a = context.z":                        `{"id":1,"y":1,"a":3}`,
			"fn f(x) { x + 1 } doc.a = f(doc.y)":       `{"id":1,"y":1,"a":2}`,
			"doc.a = doc.keys().len()":                 `{"id":1,"y":1,"a":2}`,
			"let _b = 3; doc.a = _b // end":            `{"id":1,"y":1,"a":3}`,
			"doc.l = [1]; doc.l.push(2)":               `{"id":1,"y":1,"l":[1,2]}`,
			"doc.l = [1, 2].map(|v| v * doc.y)":        `{"id":1,"y":1,"l":[1,2]}`,
			"for i in 0..3 { doc.a = i }":              `{"id":1,"y":1,"a":2}`,
			"doc._miroir_shard = \"x\"; doc.a = 1":     `{"id":1,"y":1,"a":1}`,
			"doc.remove(\"y\")":                        `{"id":1}`,
			"switch doc.y { 1 => doc.a = 1, _ => () }": `{"id":1,"y":1,"a":1}`,
		} {
			s.wait(s.call("PUT", "/indexes/ed/documents?primaryKey=id", []any{}))
			s.wait(s.call("DELETE", "/indexes/ed/documents", nil))
			s.wait(s.call("POST", "/indexes/ed/documents?primaryKey=id", []any{map[string]any{"id": 1, "y": 1, hidden.ShardField: shard, hidden.VersionField: old}}))
			op++
			version := string(hidden.AppendVersion(nil, hidden.Version(op, 0)))
			function, refusal := wrapFunction(source, version)
			if refusal != nil {
				t.Fatal(refusal)
			}
			body := map[string]any{"function": function, "filter": guarded(nil, version), "context": map[string]any{"z": 3}}
			for range 2 {
				task := s.wait(s.call("POST", "/indexes/ed/documents/edit", body))
				if task["status"] != "succeeded" {
					t.Errorf("%s: %v", source, task["error"])
				}
			}
			results := s.call("GET", "/indexes/ed/documents", nil)["results"].([]any)
			if len(results) == 0 {
				if want != "" {
					t.Errorf("%s: the document is gone", source)
				}
				continue
			}
			doc := results[0].(map[string]any)
			wantVersion := version
			if want == `{"id":1,"y":1}` {
				wantVersion = old
			}
			if doc[hidden.ShardField] != shard || doc[hidden.VersionField] != wantVersion {
				t.Errorf("%s: the hidden fields are %v", source, doc)
			}
			delete(doc, hidden.ShardField)
			delete(doc, hidden.VersionField)
			var expected map[string]any
			if err := json.Unmarshal([]byte(want), &expected); err != nil || string(must(doc)) != string(must(expected)) {
				t.Errorf("%s: the document is %s, want %s", source, must(doc), want)
			}
		}
		for source, message := range map[string]string{
			"doc = 5":         "must keep documents as objects",
			"doc.id = 2":      "cannot modify a document's primary key",
			"doc.a = doc.b.c": "Unknown property 'c'",
			"throw \"x\"":     "Runtime error: x",
		} {
			s.wait(s.call("POST", "/indexes/ed/documents?primaryKey=id", []any{map[string]any{"id": 1, "y": 1, hidden.ShardField: shard, hidden.VersionField: old}}))
			op++
			version := string(hidden.AppendVersion(nil, hidden.Version(op, 0)))
			function, _ := wrapFunction(source, version)
			task := s.wait(s.call("POST", "/indexes/ed/documents/edit", map[string]any{"function": function, "filter": guarded(nil, version)}))
			if failure, ok := task["error"].(map[string]any); !ok || !strings.Contains(failure["message"].(string), message) {
				t.Errorf("%s: %v", source, task["error"])
				continue
			}
			native := s.wait(s.call("POST", "/indexes/ed/documents/edit", map[string]any{"function": source}))
			got := (&edit{Function: source}).failure(&operation{op: op}, errorOf(task))
			if want := errorOf(native); got.Message != want.Message || got.Code != want.Code {
				t.Errorf("%s: the error is %q, want %q", source, got.Message, want.Message)
			}
		}
	}
}

func errorOf(task map[string]any) *meili.Error {
	e := new(meili.Error)
	if err := json.Unmarshal(must(task["error"]), e); err != nil {
		panic(err)
	}
	return e
}
