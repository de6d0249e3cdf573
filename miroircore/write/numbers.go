package write

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Numbered gives the number that the next operation has at least. It does not
// go back when the gateway is started again.
func (w *Writer) Numbered() uint64 {
	w.seq.Lock()
	defer w.seq.Unlock()
	return w.nextOp
}

// PassOver has the next operation get a number of at least op: lower ones were
// given out by a state that is lost.
func (w *Writer) PassOver(op uint64) error {
	w.seq.Lock()
	defer w.seq.Unlock()
	if op <= w.nextOp {
		return nil
	}
	if op > maxOp-opBlock {
		return errors.New("too few operation numbers are left")
	}
	err := w.opts.Store.Update(func(tx state.Tx) error {
		return tx.Put(table, opKey, binary.BigEndian.AppendUint64(nil, op))
	})
	if err != nil {
		return fmt.Errorf("pass over operation numbers: %w", err)
	}
	w.nextOp, w.blockEnd = op, op
	return nil
}

// Unfinished is the number of operations that have not ended on all nodes.
func (w *Writer) Unfinished() int { return w.journal.Open() }
