package write

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// Keys of the store's table, by prefix.
var (
	markPrefix  = []byte("mark/")
	stalePrefix = []byte("stale/")
	keyPrefix   = []byte("key/")
)

// loadState reads what the journal does not keep.
func (w *Writer) loadState() error {
	w.keys.now = w.opts.Now
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

// saveState makes durable what closed operations leave behind, before their
// records go.
func (w *Writer) saveState() error {
	w.mutex.Lock()
	marks, stale := maps.Clone(w.marks), maps.Clone(w.stale)
	w.mutex.Unlock()
	keys := w.keys.unsaved()
	oldest := w.opts.Now().Add(-keyTime)
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
