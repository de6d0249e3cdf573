package meili_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "PT0S", 9330 * time.Microsecond: "PT0.009330S", time.Second: "PT1S", 3661 * time.Second: "PT3661S",
		12 * time.Millisecond: "PT0.012S", 1: "PT0.000000001S", 24 * time.Hour: "P1D",
		49*time.Hour + time.Millisecond: "P2DT3600.001S", -time.Second: "PT0S",
	} {
		if got := meili.FormatDuration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestFormatTime(t *testing.T) {
	at := time.Date(2026, 7, 23, 16, 39, 41, 123450000, time.FixedZone("x", 7200))
	if got := meili.FormatTime(at); got != "2026-07-23T14:39:41.12345Z" {
		t.Errorf("got %s", got)
	}
}

func TestFloats(t *testing.T) {
	for f, want := range map[float64]string{
		1: "1.0", 0.5: "0.5", -2.25: "-2.25", 1e15: "1000000000000000.0", 1e16: "1e+16", 1.5e300: "1.5e+300",
		1e-5: "0.00001", 1e-6: "1e-6", 123456789.125: "123456789.125", 0: "0.0",
	} {
		if got := string(meili.AppendFloat(nil, f)); got != want {
			t.Errorf("%v: got %s, want %s", f, got, want)
		}
	}
	if got := string(meili.AppendFloat32(nil, 0.1)); got != "0.1" {
		t.Errorf("got %s", got)
	}
}

func TestMarshal(t *testing.T) {
	got, err := meili.Marshal(map[string]string{"a": "<&>\u2028 \\u2028 \u2029\u0001"})
	if err != nil || string(got) != "{\"a\":\"<&>\u2028 \\\\u2028 \u2029\\u0001\"}" {
		t.Errorf("got %s, %v", got, err)
	}
	if s := "<\"\\\n\u0001é\u2028"; string(meili.AppendString(nil, s)) != "\"<\\\"\\\\\\n\\u0001é\u2028\"" {
		t.Errorf("got %s", meili.AppendString(nil, s))
	}
}

func TestErrorTable(t *testing.T) {
	for code, want := range map[string]meili.Error{
		"index_not_found":         {Status: 404, Type: "invalid_request"},
		"bad_request":             {Status: 400, Type: "invalid_request"},
		"invalid_api_key":         {Status: 403, Type: "auth"},
		"internal":                {Status: 500, Type: "internal"},
		"remote_timeout":          {Status: 502, Type: "system"},
		"miroir_no_quorum":        {Status: 503, Type: "system"},
		"index_creation_failed":   {Status: 500, Type: "internal"},
		"unretrievable_document":  {Status: 400, Type: "internal"},
		"nobody_knows_this_codes": {Status: 500, Type: "internal"},
	} {
		if got := meili.NewError(code, "x"); got.Status != want.Status || got.Type != want.Type {
			t.Errorf("%s: got %d %s", code, got.Status, got.Type)
		}
	}
	w := httptest.NewRecorder()
	meili.TooManySearches(1000).Write(w)
	if w.Code != 503 || w.Header().Get("Retry-After") != "10" || !json.Valid(w.Body.Bytes()) {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{100_000_000: "100 MB", 10 << 20: "10 MiB", 1500: "1.5 KB", 1 << 10: "1 KiB", 12: "12 B"} {
		if got := meili.FormatSize(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestFeatures(t *testing.T) {
	var f meili.Features
	if f.Set("nope", true) || !f.Set("network", true) || !f.Get("network") || f.Get("metrics") {
		t.Error("features are set and read by name")
	}
	text, err := json.Marshal(f)
	var back meili.Features
	if err != nil || json.Unmarshal(text, &back) != nil || back != f {
		t.Errorf("%s reads back as %v", text, back)
	}
}

func TestTaskJSON(t *testing.T) {
	uid := "i"
	got, err := meili.Marshal(meili.Task{UID: 1, IndexUID: &uid, Status: meili.StatusEnqueued, Type: meili.TypeSnapshotCreation, EnqueuedAt: "t"})
	want := `{"uid":1,"batchUid":null,"indexUid":"i","status":"enqueued","type":"snapshotCreation","canceledBy":null,` +
		`"error":null,"duration":null,"enqueuedAt":"t","startedAt":null,"finishedAt":null}`
	if err != nil || string(got) != want {
		t.Errorf("got %s", got)
	}
	stats, err := meili.Marshal(meili.BatchStats{Status: meili.StatusCounts{"failed": 1, "succeeded": 2},
		Types: meili.TypeCounts{"indexUpdate": 1, "documentDeletion": 1}, IndexUIDs: map[string]int{"b": 1, "a": 2}})
	if err != nil || string(stats) != `{"totalNbTasks":0,"status":{"succeeded":2,"failed":1},"types":{"documentDeletion":1,"indexUpdate":1},"indexUids":{"a":2,"b":1}}` {
		t.Errorf("got %s", stats)
	}
}

func TestPageOf(t *testing.T) {
	all := []int{1, 2, 3}
	for _, c := range []struct{ offset, limit, n int }{{0, 2, 2}, {2, 5, 1}, {9, 5, 0}, {0, 0, 0}} {
		if p := meili.PageOf(all, c.offset, c.limit); len(p.Results) != c.n || p.Total != 3 || p.Results == nil {
			t.Errorf("%+v: got %+v", c, p)
		}
	}
}
