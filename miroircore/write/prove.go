package write

import "context"

// Prove fails unless a node has the last task that is known of it: another disk
// may have been put in its place. Where it has not, it is suspected before Prove
// returns.
func (w *Writer) Prove(ctx context.Context, id string) error {
	w.mutex.Lock()
	b := w.boxes[id]
	w.mutex.Unlock()
	if b == nil { // nothing was ever given to it
		return nil
	}
	return b.Prove(ctx)
}
