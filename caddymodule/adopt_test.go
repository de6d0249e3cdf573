package caddymodule_test

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// A node that another fleet owns is not used until the operator says so.
func TestNodeOfAnotherFleetCanBeAdopted(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	mark := strings.NewReader(`[{"id":"owner","fleet":"another"}]`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.Nodes[2].URL()+"/indexes/miroir_fleet/documents?primaryKey=id", mark)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer theKeyThatNodesAreSpokenToWith")
	request.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultTransport.RoundTrip(request)
	if err != nil || r.StatusCode != http.StatusAccepted {
		t.Fatal(r, err)
	}
	_ = r.Body.Close()
	topology := func() string {
		_, body := ask(t, f, http.MethodGet, "/_miroir/topology", "")
		return body
	}
	fleet.Eventually(t, "the mark is there", func() bool {
		f.Restart(t)
		return strings.Contains(topology(), "belongs to fleet another")
	})
	if said, err := adopt(t, f, "none"); err == nil || !strings.Contains(said, "There is no node `none`") {
		t.Errorf("an unknown node: %v, %s", err, said)
	}
	if said, err := adopt(t, f, "g1n3"); err != nil {
		t.Errorf("%v, %s", err, said)
	}
	fleet.Eventually(t, "the node is used", func() bool { return !strings.Contains(topology(), "belongs to fleet another") })
}

// adopt asks the admin endpoint as the command does.
func adopt(t *testing.T, f *fleet.Fleet, id string) (string, error) {
	t.Helper()
	admin := regexp.MustCompile(`admin (\S+)`).FindStringSubmatch(f.Caddyfile())[1]
	var out bytes.Buffer
	command := caddycmd.Commands()["miroir"].CobraFunc
	root := &cobra.Command{Use: "miroir"}
	command(root)
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs([]string{"node", "adopt", id, "--address", admin})
	err := root.Execute()
	return out.String(), err
}
