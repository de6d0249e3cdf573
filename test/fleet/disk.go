package fleet

import (
	"os"
	"testing"
)

// Keep copies the disk of a killed node away. The function it gives puts the copy
// in the place of what the node, killed again, has by then.
func (n Node) Keep(t testing.TB) (putBack func()) {
	t.Helper()
	kept := t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(n.dir)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		n.Wipe(t)
		if err := os.CopyFS(n.dir, os.DirFS(kept)); err != nil {
			t.Fatal(err)
		}
	}
}
