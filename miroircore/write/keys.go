package write

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// keyTable remembers which task an Idempotency-Key made.
type keyTable struct {
	mutex  sync.Mutex
	byKey  map[string]*keyEntry
	order  []string // oldest first
	unkept []string // not yet in the store
	now    func() time.Time
	tuning func() Tuning
}

type keyEntry struct {
	Hash    uint64    `json:"hash"`
	Receipt Receipt   `json:"receipt"`
	At      time.Time `json:"at"`

	done chan struct{} // closed when the receipt is known
}

func (o *operation) fingerprint() uint64 {
	h := xxh3.New()
	_, _ = h.WriteString(o.Kind)
	for _, uid := range o.Indexes {
		_, _ = h.WriteString("\x00" + uid)
	}
	_, _ = h.Write(o.Params)
	o.payload.hash(h)
	return h.Sum64()
}

// begin gives the receipt of the task that the key made before, or reserves the
// key for the operation.
func (k *keyTable) begin(o *operation) (*Receipt, *meili.Error) {
	for {
		k.mutex.Lock()
		e := k.byKey[o.Key]
		if e == nil || e.done == nil && k.now().Sub(e.At) > k.tuning().KeyTime {
			k.put(o.Key, &keyEntry{Hash: o.Hash, At: k.now(), done: make(chan struct{})})
			k.mutex.Unlock()
			return nil, nil
		}
		if e.Hash != o.Hash {
			k.mutex.Unlock()
			return nil, meili.NewError("miroir_idempotency_key_reused", "The Idempotency-Key `%s` was used for another request.", o.Key)
		}
		done := e.done
		r := e.Receipt
		k.mutex.Unlock()
		if done == nil {
			return &r, nil
		}
		<-done
	}
}

func (k *keyTable) put(key string, e *keyEntry) {
	if k.byKey == nil {
		k.byKey = make(map[string]*keyEntry)
	}
	if k.byKey[key] == nil {
		k.order = append(k.order, key)
	}
	k.byKey[key] = e
	for len(k.order) > k.tuning().MostKeys {
		delete(k.byKey, k.order[0])
		k.order = k.order[1:]
	}
}

// settle makes the reservation final once it is known whether the operation was
// stored.
func (k *keyTable) settle(o *operation) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	e := k.byKey[o.Key]
	if e == nil || e.done == nil {
		return
	}
	close(e.done)
	if o.Name == "" || !o.stored {
		delete(k.byKey, o.Key)
		return
	}
	k.byKey[o.Key] = &keyEntry{Hash: o.Hash, Receipt: *o.receipt(), At: o.At}
	k.unkept = append(k.unkept, o.Key)
}

// remember enters the key of an operation that the journal had.
func (k *keyTable) remember(o *operation) {
	if o.Key == "" {
		return
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.byKey[o.Key] == nil {
		k.put(o.Key, &keyEntry{Hash: o.Hash, Receipt: *o.receipt(), At: o.At})
		k.unkept = append(k.unkept, o.Key)
	}
}

// unsaved gives the entries that the store does not have, and forgets them.
func (k *keyTable) unsaved() map[string]json.RawMessage {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	entries := make(map[string]json.RawMessage, len(k.unkept))
	for _, key := range k.unkept {
		if e := k.byKey[key]; e != nil {
			entries[key] = must(e)
		}
	}
	k.unkept = nil
	return entries
}

// unsave takes entries back that the store did not take.
func (k *keyTable) unsave(entries map[string]json.RawMessage) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for key := range entries {
		k.unkept = append(k.unkept, key)
	}
}
