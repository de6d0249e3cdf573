package write

import (
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/write/journal"
)

// Cancel gives up the operation of a task that no node has been sent, and says
// whether it did: such an operation will never be sent. Operations that a node
// may have are not cancelled, since replicas would not agree about it.
func (w *Writer) Cancel(taskUID uint32) bool {
	w.mutex.Lock()
	o := w.byTask[taskUID]
	if o == nil || o.state != sequenced || !o.durable || o.canceling {
		w.mutex.Unlock()
		return false
	}
	o.canceling = true
	w.mutex.Unlock()
	end := finish{Status: meili.StatusCanceled, At: w.opts.Now()}
	err := w.journal.AppendSync(journal.Record{Kind: journal.Finished, Op: o.op, Body: must(end)}).Durable()
	w.mutex.Lock()
	o.canceling = false
	if err != nil {
		w.mutex.Unlock()
		w.log.Error("a cancelation could not be stored", "task", taskUID, "error", err)
		w.advance(o.Indexes)
		return false
	}
	o.state = finished
	o.outcome = end
	w.forget(o)
	w.strike(o)
	delete(w.byTask, taskUID)
	close(o.ended)
	w.mutex.Unlock()
	w.wg.Go(func() {
		w.advance(o.Indexes)
		// The table ends the task when it hears that it may.
		if _, err := w.opts.Tasks.Wait(w.ctx, taskUID); err == nil {
			w.letGo(o)
		}
	})
	return true
}
