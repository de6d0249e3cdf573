package write

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// Keys of the store's table, by prefix.
var (
	markPrefix  = []byte("mark/")
	stalePrefix = []byte("stale/")
	keyPrefix   = []byte("key/")
	driftPrefix = []byte("drift/")
)

// loadState reads what the journal does not keep.
func (w *Writer) loadState() error {
	w.keys.now, w.keys.tuning = w.opts.Now, w.tuning
	keyTime := w.tuning().KeyTime
	now := w.opts.Now()
	var broken error
	err := w.opts.Store.View(func(tx state.Tx) error {
		if v := tx.Get(table, opKey); len(v) == 8 {
			w.nextOp = binary.BigEndian.Uint64(v)
		}
		w.nextOp = max(w.nextOp, 1)
		w.blockEnd = w.nextOp
		scan := func(prefix []byte, fn func(key string, value []byte) error) error {
			return tx.Scan(table, prefix, func(key, value []byte) bool {
				if !bytes.HasPrefix(key, prefix) {
					return false
				}
				broken = fn(string(key[len(prefix):]), value)
				return broken == nil
			})
		}
		if err := scan(markPrefix, func(key string, value []byte) error {
			var m outbox.Mark
			err := json.Unmarshal(value, &m)
			w.marks[key] = m
			return err
		}); err != nil {
			return err
		}
		if err := scan(stalePrefix, func(key string, _ []byte) error {
			w.stale[key] = true
			return nil
		}); err != nil {
			return err
		}
		if err := scan(driftPrefix, func(key string, value []byte) error {
			id, physical, _ := strings.Cut(key, "/")
			st := w.standing(place{id, physical})
			st.drift, st.settings = bytes.IndexByte(value, 'd') >= 0, bytes.IndexByte(value, 's') >= 0
			return nil
		}); err != nil {
			return err
		}
		return scan(keyPrefix, func(key string, value []byte) error {
			e := new(keyEntry)
			if err := json.Unmarshal(value, e); err != nil {
				return err
			}
			if now.Sub(e.At) < keyTime {
				w.keys.put(key, e)
			}
			return nil
		})
	})
	if err == nil {
		err = broken
	}
	if err != nil {
		return fmt.Errorf("read the writer's state: %w", err)
	}
	return nil
}

// saveDrift makes durable which places may not be read.
func (w *Writer) saveDrift() error {
	w.mutex.Lock()
	if !w.unkept {
		w.mutex.Unlock()
		return nil
	}
	w.unkept = false
	places := make(map[string]string)
	for p, st := range w.out {
		text := ""
		if st.drift {
			text += "d"
		}
		if st.settings {
			text += "s"
		}
		if text != "" {
			places[p.node+"/"+p.physical] = text
		}
	}
	w.mutex.Unlock()
	err := w.opts.Store.Update(func(tx state.Tx) error {
		var gone [][]byte
		if err := tx.Scan(table, driftPrefix, func(key, _ []byte) bool {
			if bytes.HasPrefix(key, driftPrefix) && places[string(key[len(driftPrefix):])] == "" {
				gone = append(gone, bytes.Clone(key))
			}
			return bytes.HasPrefix(key, driftPrefix)
		}); err != nil {
			return err
		}
		for _, key := range gone {
			if err := tx.Delete(table, key); err != nil {
				return err
			}
		}
		for key, text := range places {
			if err := tx.Put(table, append(bytes.Clone(driftPrefix), key...), []byte(text)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.mutex.Lock()
		w.unkept = true
		w.mutex.Unlock()
		return fmt.Errorf("store which copies have drifted: %w", err)
	}
	return nil
}

// saveState makes durable what closed operations leave behind, before their
// records go.
func (w *Writer) saveState() error {
	w.mutex.Lock()
	marks, stale := maps.Clone(w.marks), maps.Clone(w.stale)
	w.mutex.Unlock()
	keys := w.keys.unsaved()
	oldest := w.opts.Now().Add(-w.tuning().KeyTime)
	err := w.opts.Store.Update(func(tx state.Tx) error {
		var gone [][]byte
		if err := tx.Scan(table, keyPrefix, func(key, value []byte) bool {
			if !bytes.HasPrefix(key, keyPrefix) {
				return false
			}
			var e keyEntry
			if json.Unmarshal(value, &e) != nil || e.At.Before(oldest) {
				gone = append(gone, bytes.Clone(key))
			}
			return true
		}); err != nil {
			return err
		}
		if err := tx.Scan(table, stalePrefix, func(key, _ []byte) bool {
			if bytes.HasPrefix(key, stalePrefix) && !stale[string(key[len(stalePrefix):])] {
				gone = append(gone, bytes.Clone(key))
			}
			return bytes.HasPrefix(key, stalePrefix)
		}); err != nil {
			return err
		}
		for _, key := range gone {
			if err := tx.Delete(table, key); err != nil {
				return err
			}
		}
		put := func(prefix []byte, key string, value []byte) error {
			return tx.Put(table, append(bytes.Clone(prefix), key...), value)
		}
		for id, m := range marks {
			if err := put(markPrefix, id, must(m)); err != nil {
				return err
			}
		}
		for id := range stale {
			if err := put(stalePrefix, id, []byte("1")); err != nil {
				return err
			}
		}
		for key, e := range keys {
			if err := put(keyPrefix, key, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = w.opts.Tasks.Flush()
	}
	if err != nil {
		w.keys.unsave(keys)
		return fmt.Errorf("store the writer's state: %w", err)
	}
	return nil
}
