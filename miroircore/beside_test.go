package miroircore

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

// Two gateways may keep their states in one folder: nothing of one lies where
// the other's does.
func TestStatesInOneFolderAreKeptApart(t *testing.T) {
	dir := t.TempDir()
	nowhere, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"state.db", "other.db"} {
		e, err := Open(Options{StatePath: filepath.Join(dir, file)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		g, err := e.Attach(&Config{MasterKey: "aMasterKeyForTests", NodeKeys: []string{"aNodeKeyForTests"},
			Topology: &cluster.Topology{Replication: 1, Groups: []cluster.Group{{ID: "g", Nodes: []cluster.Node{{ID: "n", Group: "g", URL: nowhere}}}}}})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Detach()
	}
	for _, name := range []string{"journal", "spool", "other.db.journal", "other.db.spool"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
