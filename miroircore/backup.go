package miroircore

import (
	"io"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/state/backup"
)

// Backup writes a consistent copy of the gateway's state while it is in use.
func (o *operator) Backup(w func() io.Writer) *meili.Error {
	e := o.e
	source, ok := e.store.(backup.Source)
	if !ok {
		return meili.NewError("miroir_not_supported", "This store cannot be backed up: it keeps nothing beyond the process.")
	}
	if err := e.tasks.Flush(); err != nil {
		return meili.NewError("internal", "%v", err)
	}
	if err := backup.Write(w(), source, backup.Header{Fleet: e.fleet.id, At: e.o.Now().UTC()}); err != nil {
		// What was sent has no checksum at its end: it is not taken for whole.
		e.o.Logger.Error("a backup broke off", "error", err)
	}
	return nil
}
