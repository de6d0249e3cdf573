package request_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// step is one line of a recorded scenario.
type step struct {
	Step    int `json:"step"`
	Wait    *int
	Request struct {
		Method  string
		Path    string
		Headers map[string]string
		Body    json.RawMessage
	}
	Status int
	Body   json.RawMessage
}

func (s *step) body() []byte {
	var text string
	if json.Unmarshal(s.Request.Body, &text) == nil {
		return []byte(text)
	}
	return s.Request.Body
}

func scenarios(t *testing.T) map[string][]step {
	t.Helper()
	files, err := filepath.Glob("../../../test/recordings/data/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	all := make(map[string][]step)
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<24)
		key := strings.TrimSuffix(filepath.Base(name), ".jsonl")
		for lines.Scan() {
			var s step
			if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
				t.Fatal(err)
			}
			all[key] = append(all[key], s)
		}
		if err := file.Close(); err != nil || lines.Err() != nil {
			t.Fatal(err, lines.Err())
		}
	}
	return all
}

// server keeps what the recorded server knew that its errors depend on.
type server struct {
	settings map[string]*settings.Settings
	features meili.Features
	failed   *meili.Error // what the last settings task fails with
	details  json.RawMessage
}

func (v *server) index(uid string) *settings.Settings {
	if s := v.settings[uid]; s != nil {
		return s
	}
	return settings.Default()
}

// elsewhere are the codes of recorded errors that other packages tell, since
// they need documents, keys, embedders, or the text of a CSV file.
var elsewhere = map[string]string{
	"index_not_found": "needs the indexes", "invalid_search_embedder": "needs the embedders",
	"invalid_vector_dimensions": "needs the embedders", "not_found_similar_id": "needs the documents",
	"invalid_search_facets": "needs the settings and is about facets", "invalid_facet_search_facet_name": "needs the settings",
	"invalid_search_distinct": "needs the settings", "invalid_search_attributes_to_search_on": "needs the settings",
	"invalid_multi_search_query_ranking_rules": "needs the settings of several indexes",
	"invalid_multi_search_facets":              "needs the settings", "index_primary_key_already_exists": "needs the index",
}

// TestRecordedErrors holds what this package says of bad requests to what a
// real server said.
func TestRecordedErrors(t *testing.T) {
	told, skipped := 0, map[string]int{}
	for name, steps := range scenarios(t) {
		v := &server{settings: make(map[string]*settings.Settings)}
		for _, s := range steps {
			if s.Wait != nil {
				continue
			}
			got := v.handle(&s)
			if s.Status != 400 && s.Status != 415 {
				if got != nil {
					t.Errorf("%s %d: %s %s %s: refused with %q, was answered %d", name, s.Step, s.Request.Method, s.Request.Path,
						s.Request.Body, got.Message, s.Status)
				}
				continue
			}
			var want meili.Error
			if err := json.Unmarshal(s.Body, &want); err != nil {
				t.Fatal(err)
			}
			if got == nil {
				skipped[want.Code]++
				if name == "keys" && s.Step == 50 { // a tenant token adds a filter
					v.tenantFilter(t, want.Message)
					continue
				}
				if _, ok := elsewhere[want.Code]; !ok {
					t.Errorf("%s %d: %s %s %s: not refused, want %q", name, s.Step, s.Request.Method, s.Request.Path,
						s.Request.Body, want.Message)
				}
				continue
			}
			told++
			text, err := meili.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if !sameJSON(text, s.Body) || got.Status != s.Status {
				t.Errorf("%s %d: %s %s %s:\n got %d %s\nwant %d %s", name, s.Step, s.Request.Method, s.Request.Path, s.Request.Body,
					got.Status, text, s.Status, s.Body)
			}
		}
	}
	t.Logf("%d errors told here, elsewhere %v", told, skipped)
	if told < 90 {
		t.Errorf("only %d errors were compared", told)
	}
}

// sameJSON compares but for spaces; order counts.
func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	if json.Compact(&x, a) != nil || json.Compact(&y, b) != nil {
		return false
	}
	var p, q any
	_ = json.Unmarshal(x.Bytes(), &p)
	_ = json.Unmarshal(y.Bytes(), &q)
	r1, _ := meili.Marshal(p)
	r2, _ := meili.Marshal(q)
	return bytes.Equal(r1, r2) && order(x.Bytes()) == order(y.Bytes())
}

// order lists all names of members in the order they stand in.
func order(text []byte) string {
	dec := json.NewDecoder(bytes.NewReader(text))
	var b strings.Builder
	for {
		token, err := dec.Token()
		if err != nil {
			return b.String()
		}
		if s, ok := token.(string); ok {
			b.WriteString(s + "\x00")
		}
	}
}

// TestRecordedSettings holds settings, as they are shown after each change, and
// the details of the tasks that change them, to a real server's.
func TestRecordedSettings(t *testing.T) {
	shown, tasks := 0, 0
	for name, steps := range scenarios(t) {
		v := &server{settings: make(map[string]*settings.Settings)}
		for _, s := range steps {
			if s.Wait != nil {
				var task struct {
					Type    string
					Details json.RawMessage
					Error   *meili.Error
				}
				if err := json.Unmarshal(s.Body, &task); err != nil {
					t.Fatal(err)
				}
				if task.Type != "settingsUpdate" || v.details == nil {
					continue
				}
				tasks++
				if !sameJSON(v.details, task.Details) {
					t.Errorf("%s %d: details\n got %s\nwant %s", name, s.Step, v.details, task.Details)
				}
				if v.failed != nil && (task.Error == nil || !strings.HasSuffix(task.Error.Message, v.failed.Message)) {
					t.Errorf("%s %d: task fails with %q, want %+v", name, s.Step, v.failed.Message, task.Error)
				}
				v.details = nil
				continue
			}
			if err := v.handle(&s); err != nil {
				continue
			}
			parts := strings.Split(s.Request.Path, "/")
			if s.Request.Method != "GET" || s.Status != 200 || len(parts) < 4 || parts[3] != "settings" {
				continue
			}
			shown++
			got := v.index(parts[2]).JSON(v.features)
			if len(parts) > 4 {
				got = v.index(parts[2]).Sub(parts[4])
			}
			if !sameJSON(got, s.Body) {
				t.Errorf("%s %d: %s\n got %s\nwant %s", name, s.Step, s.Request.Path, got, s.Body)
			}
		}
	}
	if shown < 40 || tasks < 30 {
		t.Errorf("only %d settings and %d tasks were compared", shown, tasks)
	}
}
