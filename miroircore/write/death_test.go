package write

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

var errKilled = errors.New("killed")

// mortal is a store that a gateway can no longer write to once that was killed.
type mortal struct {
	state.Store
	mutex sync.RWMutex
	dead  bool
}

func (m *mortal) Update(fn func(state.Tx) error) error {
	m.mutex.RLock()
	defer m.mutex.RUnlock()
	if m.dead {
		return errKilled
	}
	return m.Store.Update(fn)
}

func (m *mortal) kill() {
	m.mutex.Lock()
	m.dead = true
	m.mutex.Unlock()
}

// crash goes on from what is on the disk at one moment, as after a kill: what
// the old gateway does until it is gone reaches neither disk nor nodes. The
// journal stops before the store: each finds what the other one wrote first.
func (f *fleet) crash() {
	f.t.Helper()
	killed := func() error { return errKilled }
	var unset []func()
	for _, point := range []string{"journal.write", "journal.rotate", "journal.drop", "journal.compact", "outbox.send", "outbox.answer",
		"write.bind", "write.commit", "write.finish", "write.close"} {
		unset = append(unset, failpoint.Set(point, killed))
	}
	f.mortal.kill()
	dir := filepath.Join(f.t.TempDir(), "journal")
	if err := os.CopyFS(dir, os.DirFS(f.dir)); err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, _ = f.w.Close(ctx), f.tasks.Close() // neither can store anything
	for _, u := range unset {
		u()
	}
	f.dir = dir
	f.start()
}
