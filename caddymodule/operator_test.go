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

// command runs `caddy miroir …` against the fleet's admin endpoint.
func command(t *testing.T, f *fleet.Fleet, args ...string) (string, error) {
	t.Helper()
	admin := regexp.MustCompile(`admin (\S+)`).FindStringSubmatch(f.Caddyfile())[1]
	var out bytes.Buffer
	root := &cobra.Command{Use: "miroir"}
	caddycmd.Commands()["miroir"].CobraFunc(root)
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(args, "--address", admin))
	err := root.Execute()
	return out.String(), err
}

func TestOperatorsChangeTheNodes(t *testing.T) {
	f := fleet.Start(t, fleet.Mixed)
	f.Write(t, http.MethodPost, "/indexes/books/documents", `[{"id":1}]`)
	spare := fleet.Plain(t)
	for _, step := range []struct {
		args []string
		said string // what it prints, or is refused with
		ok   bool
	}{
		{[]string{"rebalance", "status"}, "every shard is where it is wanted", true},
		{[]string{"rebalance", "pause"}, "is paused", true},
		{[]string{"rebalance", "status", "--json"}, `"state":"paused"`, true},
		{[]string{"status"}, "paused", true},
		{[]string{"node", "drain", "g1n1"}, "node g1n1 is drained", true},
		{[]string{"node", "drain", "g1n1"}, "nothing to do", true},
		{[]string{"node", "drain", "g1n2"}, "would leave group g1 with 1 node for 2 copies of each shard. Add a node to group g1 first", false},
		{[]string{"node", "list"}, "drained", true},
		{[]string{"node", "undrain", "g1n1"}, "takes part again", true},
		{[]string{"node", "add", "g1n4", "http://127.0.0.1:1"}, "cannot be used", false},
		{[]string{"node", "add", "g1n4", spare.URL()}, "node g1n4 takes part in group g1", true},
		{[]string{"node", "list"}, "node add", true},
		{[]string{"copies", "5"}, "group g1 with 4 nodes for 5 copies", false},
		{[]string{"copies", "3"}, "3 copies of every shard", true},
		{[]string{"copies", "2"}, "2 copies of every shard", true},
		{[]string{"node", "remove", "nobody"}, "There is no node `nobody`", false},
		{[]string{"group", "remove", "g1"}, "no node at all", false},
		{[]string{"group", "add", "g2", "x=http://127.0.0.1:1"}, "cannot be used", false},
		{[]string{"node", "accept", "g1n1"}, "nothing to accept", false},
		{[]string{"node", "drain", "g1n3", "--json"}, `"changed":true`, true},
		{[]string{"task", "show", "0"}, "documentAdditionOrUpdate", true},
		{[]string{"task", "show", "99999"}, "not found", false},
		{[]string{"index", "repair", "books"}, "nothing to do: no node is known to have other settings for index books", true},
		{[]string{"index", "repair", "none"}, "not found", false},
		{[]string{"status"}, "GROUP", true},
	} {
		said, err := command(t, f, step.args...)
		if err != nil {
			said += err.Error()
		}
		if (err == nil) != step.ok || !strings.Contains(said, step.said) {
			t.Errorf("%v: %v\n%s\nwant %q", step.args, err, said, step.said)
		}
		t.Logf("$ caddy miroir %s\n%s", strings.Join(step.args, " "), said)
	}
	f.Restart(t)
	if said, err := command(t, f, "node", "list"); err != nil || !strings.Contains(said, "g1n4") || !strings.Contains(said, "drained") {
		t.Errorf("after a restart: %v\n%s", err, said)
	}
	if said, err := command(t, f, "rebalance", "status"); err != nil || !strings.Contains(said, "is paused") {
		t.Errorf("after a restart: %v\n%s", err, said)
	}
	if said, err := command(t, f, "rebalance", "resume"); err != nil || strings.Contains(said, "paused") {
		t.Errorf("resumed: %v\n%s", err, said)
	}
	fleet.Eventually(t, "the drained nodes are empty", func() bool {
		said, err := command(t, f, "rebalance", "status")
		return err == nil && strings.Contains(said, "every shard is where it is wanted") && !strings.Contains(said, "to be deleted")
	})
	figures := string(f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/metrics", "").Body)
	for _, figure := range []string{`miroir_rebalance_shards_total{node="g1n4"}`, `miroir_rebalance_documents_total{node=`, `miroir_rebalance_shards{state="missing"} 0`, `miroir_rebalance_shards{state="leftover"} 0`} {
		if !strings.Contains(figures, figure) {
			t.Errorf("no figure %s", figure)
		}
	}
}
