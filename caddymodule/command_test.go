package caddymodule

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/api"
)

func TestStatusIsATableForPeople(t *testing.T) {
	at := time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)
	report := &api.Report{
		Status: "degraded", Version: "1.50.0", Copies: 1,
		Groups: []api.GroupReport{
			{ID: "eu", Nodes: []api.NodeReport{
				{ID: "a", Group: "eu", Address: "http://10.0.0.1:7700", Status: "up", Version: "1.50.0", Since: &at, Shards: 64},
				{ID: "b", Group: "eu", Address: "http://10.0.0.2:7700", Status: "down", Since: &at, Shards: 64, Outbox: 3, LastError: "connection refused"},
			}},
		},
		Problems: []string{"node b is down"},
	}
	const want = `fleet    degraded
version  1.50.0
copies   1 in each of 1 groups

GROUP  NODE  STATUS  SINCE                 VERSION  SHARDS  OUTBOX  ADDRESS               LAST ERROR
eu     a     up      2026-11-23T20:00:00Z  1.50.0   64      0       http://10.0.0.1:7700  -
eu     b     down    2026-11-23T20:00:00Z  -        64      3       http://10.0.0.2:7700  connection refused

! node b is down
`
	var out bytes.Buffer
	if err := printStatus(&out, report); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestStatusCommandAsksTheAdminEndpoint(t *testing.T) {
	const unavailable = `{"status":"unavailable","version":"","replication":1,"groups":[],"problems":["no node is up"]}`
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != adminPath+"topology" || r.Method != http.MethodGet {
			t.Errorf("asked %s %s", r.Method, r.URL.Path)
		}
		_, _ = w.Write([]byte(unavailable))
	}))
	defer admin.Close()
	for _, args := range [][]string{nil, {"--json"}} {
		cmd := statusCommand()
		cmd.Flags().String("address", "", "")
		cmd.Flags().String("config", "", "")
		cmd.Flags().String("adapter", "", "")
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(append(args, "--address", admin.Listener.Addr().String()))
		err := cmd.Execute()
		if err == nil || !strings.Contains(err.Error(), "no copy that can be read") {
			t.Errorf("%v: error is %v", args, err)
		}
		if args == nil && !strings.Contains(out.String(), "! no node is up") || args != nil && !strings.HasPrefix(out.String(), unavailable) {
			t.Errorf("%v: prints\n%s", args, out.String())
		}
	}
}

func TestStatusCommandSaysThatNothingRuns(t *testing.T) {
	admin := httptest.NewServer(http.NotFoundHandler())
	address := admin.Listener.Addr().String()
	admin.Close()
	cmd := statusCommand()
	cmd.Flags().String("address", address, "")
	cmd.Flags().String("config", "", "")
	cmd.Flags().String("adapter", "", "")
	cmd.SetOut(&bytes.Buffer{})
	cmd.SetErr(&bytes.Buffer{})
	cmd.SetArgs(nil)
	if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("error is %v", err)
	}
}
