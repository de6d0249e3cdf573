package rebalance

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

const (
	table = "rebalance"
	// leaseTime is how long a gateway that says nothing more keeps the others
	// from rebalancing.
	leaseTime = 30 * time.Second
)

var (
	leaseKey  = []byte("lease")
	pausedKey = []byte("paused")
)

// lease is which gateway moves shards: one at a time does.
type lease struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

var errTaken = errors.New("another gateway rebalances")

// lead takes or keeps the lease, and says whether this gateway has it and is
// not paused.
func (r *Reconciler) lead() bool {
	r.mu.Lock()
	paused := r.paused
	r.mu.Unlock()
	if paused {
		return false
	}
	now := r.o.Now()
	has := false
	err := r.o.Store.View(func(tx state.Tx) error {
		l, err := readLease(tx)
		has = err == nil && l.Holder == r.o.Holder && l.Until.Sub(now) > leaseTime/2
		return err
	})
	if err == nil && !has {
		err = r.o.Store.Update(func(tx state.Tx) error {
			l, err := readLease(tx)
			if err != nil {
				return err
			}
			if l.Holder != r.o.Holder && now.Before(l.Until) {
				return errTaken
			}
			raw, err := json.Marshal(lease{r.o.Holder, now.Add(leaseTime)})
			if err != nil {
				return err
			}
			return tx.Put(table, leaseKey, raw)
		})
	}
	if err != nil && !errors.Is(err, errTaken) {
		r.o.Logger.Error("the lease of rebalancing cannot be taken", "error", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holding = err == nil
	return r.holding
}

func readLease(tx state.Tx) (lease, error) {
	var l lease
	if raw := tx.Get(table, leaseKey); raw != nil {
		if err := json.Unmarshal(raw, &l); err != nil {
			return l, fmt.Errorf("read the lease of rebalancing: %w", err)
		}
	}
	return l, nil
}

// release gives the lease back, so that another gateway need not wait.
func (r *Reconciler) release() {
	r.mu.Lock()
	holding := r.holding
	r.holding = false
	r.mu.Unlock()
	if !holding {
		return
	}
	err := r.o.Store.Update(func(tx state.Tx) error {
		l, err := readLease(tx)
		if err != nil || l.Holder != r.o.Holder {
			return err
		}
		return tx.Delete(table, leaseKey)
	})
	if err != nil {
		r.o.Logger.Warn("the lease of rebalancing was not given back", "error", err)
	}
}

// Pause stops moving shards, now and after a restart, until Resume. A step
// under way is given up; what it copied stays and counts as left over until it
// goes on.
func (r *Reconciler) Pause() error { return r.setPaused(true) }

// Resume goes on after Pause. Steps that failed are taken again at once.
func (r *Reconciler) Resume() error {
	err := r.setPaused(false)
	r.mu.Lock()
	clear(r.delays)
	r.mu.Unlock()
	r.Wake()
	return err
}

func (r *Reconciler) setPaused(paused bool) error {
	err := r.o.Store.Update(func(tx state.Tx) error {
		if paused {
			return tx.Put(table, pausedKey, []byte("1"))
		}
		return tx.Delete(table, pausedKey)
	})
	if err != nil {
		return fmt.Errorf("keep whether rebalancing is paused: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = paused
	if paused && r.stop != nil {
		r.stop()
	}
	return nil
}

func readPaused(store state.Store) (paused bool, err error) {
	err = store.View(func(tx state.Tx) error {
		paused = tx.Get(table, pausedKey) != nil
		return nil
	})
	if err != nil {
		err = fmt.Errorf("read whether rebalancing is paused: %w", err)
	}
	return paused, err
}
