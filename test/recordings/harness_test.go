package recordings_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/test/recordings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listener is a T that keeps what it is told.
type listener struct{ told []string }

func (l *listener) Helper() {}
func (l *listener) Errorf(format string, args ...any) {
	l.told = append(l.told, fmt.Sprintf(format, args...))
}
func (l *listener) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func TestEveryRecordingIsRead(t *testing.T) {
	total := 0
	for _, scenario := range recordings.Scenarios() {
		steps, err := recordings.Load(scenario)
		if err != nil {
			t.Fatal(err)
		}
		total += len(steps)
	}
	if total != 783 {
		t.Fatalf("%d steps", total)
	}
}

// replayHealth replays the scenario indexes, whose first step wants
// {"status":"available"}, against a server that always answers body.
func replayHealth(t *testing.T, status int, body string) (first string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	report := recordings.Replay(t, "indexes", server.URL, recordings.MasterKey, recordings.Options{})
	if len(report.Differences) == 0 || report.Differences[0].Step != 0 {
		return ""
	}
	return report.Differences[0].Detail
}

func TestReplayTellsWhatDiffers(t *testing.T) {
	for _, test := range []struct {
		status     int
		body, want string
	}{
		{200, `{"status":"available"}`, ""},
		{200, `{"status":"gone"}`, `at .status: wants "available", got "gone"`},
		{200, `{"status":"available","x":1}`, "at the root: wants the fields status in this order, got status, x"},
		{200, `{"status":1}`, `at .status: wants "available", got 1`},
		{200, `{"status"`, "the answer is not JSON"},
		{500, `{"status":"available"}`, "wants status 200, got 500"},
	} {
		if got := replayHealth(t, test.status, test.body); !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%d %s: %q", test.status, test.body, got)
		}
	}
}

func TestKnownDifferencesExcuseOnlyWhatStillDiffers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "differences.txt")
	if err := os.WriteFile(path, []byte("# a comment\n\nindexes 3 a reason\nindexes 4 another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	known, err := recordings.ReadKnown(path)
	if err != nil {
		t.Fatal(err)
	}
	report := recordings.Report{Scenario: "indexes", Differences: []recordings.Difference{
		{Scenario: "indexes", Step: 3, Detail: "excused"}, {Scenario: "indexes", Step: 7, Detail: "new"},
	}}
	var l listener
	report.Check(&l, known)
	if len(l.told) != 2 || !strings.Contains(l.told[0], "new") || !strings.Contains(l.told[1], "4 no longer differs") {
		t.Fatal(l.told)
	}
	for _, bad := range []string{"indexes 3", "indexes x reason", "nothing 3 reason"} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := recordings.ReadKnown(path); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
