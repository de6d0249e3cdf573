package write

import "time"

// touchPause is how long the change of an index's date may wait while many
// operations of the index end: each is a transaction of its own.
const touchPause = 100 * time.Millisecond

// touches are the dates of change that the catalog does not have yet.
type touches struct {
	last    map[string]time.Time // by uid, when the catalog was told last
	waiting map[string]time.Time
}

// touch notes that the documents of an index changed: at once where that is
// rare, a little later where it is not.
func (w *Writer) touch(uid string) error {
	now := w.opts.Now()
	w.mutex.Lock()
	if now.Sub(w.touched.last[uid]) < touchPause {
		w.touched.waiting[uid] = now
		w.mutex.Unlock()
		return nil
	}
	w.touched.last[uid] = now
	delete(w.touched.waiting, uid)
	w.mutex.Unlock()
	return w.opts.Catalog.Touch(uid, now)
}

// flushTouches tells the catalog the dates that waited.
func (w *Writer) flushTouches() {
	w.mutex.Lock()
	waiting := w.touched.waiting
	w.touched.waiting = make(map[string]time.Time)
	for uid := range waiting {
		w.touched.last[uid] = w.opts.Now()
	}
	w.mutex.Unlock()
	for uid, at := range waiting {
		if _, ok := w.opts.Catalog.Get(uid); !ok {
			continue // it was deleted or renamed since
		}
		if err := w.opts.Catalog.Touch(uid, at); err != nil {
			w.log.Warn("the date of an index could not be stored", "index", uid, "error", err)
		}
	}
}
