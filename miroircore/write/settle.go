package write

import (
	"context"
	"errors"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

const (
	maxRepairPause = time.Minute
	repairTime     = 30 * time.Second
)

// repair is how far the repair of a place's settings is.
type repair struct {
	failures int
	next     time.Time
	// tolerated says that an operator has let writes go on all the same.
	tolerated bool
}

// wantedDigest is what the settings that an operation brings have to read back
// as.
func (o *operation) wantedDigest() (string, error) {
	logical, err := settings.FromRaw(o.bind.Settings)
	if err != nil {
		return "", err
	}
	return index.PhysicalDigest(logical)
}

// checkSettings reads the settings of an index back from every node that applied
// a change, and takes those that have others than the proposed ones out of the
// covering sets until they are repaired.
func (w *Writer) checkSettings(o *operation) {
	wanted, err := o.wantedDigest()
	if err != nil {
		w.log.Error("settings cannot be compared", "index", o.bind.Physical, "error", err)
		return
	}
	w.mutex.Lock()
	var ids []string
	for i := range o.bind.Targets {
		if o.bind.Targets[i].applied() {
			ids = append(ids, o.bind.Targets[i].Node)
		}
	}
	w.mutex.Unlock()
	for _, id := range ids {
		has, ok := w.readSettings(id, o.bind.Physical)
		if !ok {
			continue
		}
		w.mutex.Lock()
		if w.newest[o.bind.Physical] == o.op { // else it was compared with what has been changed since
			w.noteSettings(place{id, o.bind.Physical}, has == wanted)
		}
		w.mutex.Unlock()
	}
}

// noteSettings notes whether a place has the settings it should. It is called
// with the mutex held.
func (w *Writer) noteSettings(p place, same bool) {
	if st := w.out[p]; !same && (st == nil || !st.settings) {
		w.log.Error("the settings of an index differ on a node: it is not read before they are repaired", "node", p.node, "index", p.physical)
	}
	w.settingsDrift(p, !same)
}

// readSettings gives the digest of what a node has.
func (w *Writer) readSettings(id, physical string) (string, bool) {
	client, ok := w.opts.Nodes(id)
	if !ok {
		return "", false
	}
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
	defer cancel()
	raw, err := client.Settings(ctx, physical)
	if err != nil {
		w.Suspect(id)
		return "", false
	}
	has, err := index.ShownDigest(raw)
	if err != nil {
		w.log.Error("the settings that a node shows cannot be read", "node", id, "index", physical, "error", err)
		return "unreadable", true
	}
	return has, true
}

// watchSettings repairs settings that have drifted and looks for more of them
// now and then.
func (w *Writer) watchSettings() {
	timer := time.NewTimer(w.tuning().RepairPause)
	defer timer.Stop()
	var looked time.Time // a restart may have forgotten what was found before
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(w.tuning().RepairPause)
		if w.opts.Probed() && w.opts.Now().Sub(looked) >= w.tuning().SettingsCheck {
			looked = w.opts.Now()
			w.lookForDrift()
		}
		w.repairSettings()
	}
}

// lookForDrift compares the settings on every node that has nothing to do with
// the committed ones.
func (w *Writer) lookForDrift() {
	for _, ix := range w.opts.Catalog.List() {
		wanted, err := index.PhysicalDigest(ix.Settings)
		if err != nil {
			w.log.Error("settings cannot be compared", "index", ix.UID, "error", err)
			continue
		}
		for _, n := range w.opts.Topology().Nodes() {
			if !w.usable(n.ID) || w.Queued(n.ID, ix.Physical) > 0 {
				continue
			}
			has, ok := w.readSettings(n.ID, ix.Physical)
			now, still := w.opts.Catalog.Get(ix.UID)
			if !ok || !still || now.SettingsVersion != ix.SettingsVersion || now.Physical != ix.Physical || w.changing(ix.UID) {
				continue
			}
			w.mutex.Lock()
			w.noteSettings(place{n.ID, ix.Physical}, has == wanted)
			w.mutex.Unlock()
		}
	}
}

// repairSettings brings the committed settings to the places that have others,
// each after a pause that grows. Where a node has other settings again and again
// the writes of the index stop: copies that index in different ways are not
// copies.
func (w *Writer) repairSettings() {
	for _, d := range w.Drifts() {
		p := place{d.Node, d.Physical}
		ix, ok := w.opts.Catalog.ByPhysical(d.Physical)
		if !d.Settings || !ok {
			continue
		}
		w.mutex.Lock()
		next := w.repairing(p).next
		w.mutex.Unlock()
		if w.opts.Now().Before(next) || !w.usable(d.Node) {
			continue
		}
		ctx, cancel := context.WithTimeout(w.ctx, repairTime)
		err := failpoint.Hit("settings.repair")
		if err == nil {
			err = w.Prepare(ctx, d.Node, ix.UID)
		}
		cancel()
		if err == nil {
			w.log.Info("the settings of an index were repaired on a node", "node", d.Node, "index", d.Physical)
			continue
		}
		w.log.Error("the settings of an index cannot be repaired on a node", "node", d.Node, "index", d.Physical, "error", err)
		w.mutex.Lock()
		r := w.repairing(p)
		if errors.Is(err, errOtherwise) {
			r.failures++
		}
		r.next = w.opts.Now().Add(min(w.tuning().RepairPause<<min(r.failures, 10), maxRepairPause))
		w.mutex.Unlock()
	}
	w.freeze()
}

// refuseFrozen refuses what would be indexed under other settings on some node.
// What may mend that passes: a change of settings, the end of the index.
func (w *Writer) refuseFrozen(o *operation) *meili.Error {
	switch o.Kind {
	case kindDocuments, kindDelete, kindDeleteAll, kindFilter, kindEdit:
	default:
		return nil
	}
	ix, ok := w.opts.Catalog.Get(o.Indexes[0])
	if !ok {
		return nil
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if !w.frozen[ix.Physical] {
		return nil
	}
	return meili.NewError("miroir_settings_diverged", "Writes to index `%s` are stopped: a node does not take its settings. See /_miroir/topology; `caddy miroir index repair` ends it.", ix.UID)
}
