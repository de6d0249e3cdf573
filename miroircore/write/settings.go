package write

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// changeSettings changes the settings of an index.
type changeSettings struct {
	Raw   json.RawMessage `json:"raw"`
	Reset bool            `json:"reset,omitempty"` // it does not make the index
	// Sequential has it go from node to node.
	Sequential bool `json:"sequential,omitempty"`
	patch      *settings.Patch
}

// Settings proposes a change of settings to every node and puts it in force when
// they have it.
func (w *Writer) Settings(ctx context.Context, call Call, uid string, patch *settings.Patch) (*Receipt, *meili.Error) {
	return w.settings(ctx, call, uid, &changeSettings{Raw: patch.Raw(), patch: patch})
}

// ResetSettings is Settings for the routes that delete settings, which make no
// index.
func (w *Writer) ResetSettings(ctx context.Context, call Call, uid string, patch *settings.Patch) (*Receipt, *meili.Error) {
	return w.settings(ctx, call, uid, &changeSettings{Raw: patch.Raw(), Reset: true, patch: patch})
}

func (w *Writer) settings(ctx context.Context, call Call, uid string, a *changeSettings) (*Receipt, *meili.Error) {
	a.Sequential = w.tuning().Sequential
	return w.submit(ctx, call, w.new(kindSettings, meili.TypeSettingsUpdate, a, a.patch.Details(), uid))
}

// manner has one that goes from node to node go alone: documents that came between
// would meet other settings on some nodes than on others.
func (a *changeSettings) manner(w *Writer, o *operation) manner {
	if a.Sequential {
		return single
	}
	return w.whether(o.Indexes[0], ordered)
}

func (a *changeSettings) bind(w *Writer, o *operation) (*binding, error) {
	uid := o.Indexes[0]
	if a.patch == nil {
		patch, err := settings.Parse(a.Raw)
		if err != nil {
			return &binding{Failure: err}, nil
		}
		a.patch = patch
	}
	ix, ok := w.opts.Catalog.Get(uid)
	logical := settings.Default()
	var b *binding
	switch {
	case ok:
		b, logical = onIndex(ix), ix.Settings
		b.Version, b.Previous = ix.SettingsVersion, ix.Settings.Raw()
	case a.Reset || !o.Create:
		return &binding{Failure: meili.IndexNotFound(uid)}, nil
	default:
		var err error
		if b, err = w.making(uid); err != nil {
			return nil, err
		}
	}
	next, failure := a.patch.Apply(logical)
	if failure == nil {
		failure = index.CheckSettings(next)
	}
	if failure != nil {
		b.Failure = failure
		return b, nil
	}
	b.Settings = next.Raw()
	if ok && a.Sequential {
		if err := w.opts.Tasks.Start(o.Task, w.opts.Now()); err != nil {
			w.log.Error("a task could not be started", "task", o.Task, "error", err)
		}
		had, refused, err := w.rollOut(ix, next)
		if err != nil {
			return nil, err
		}
		b.Had, b.Failure = had, index.Scrub(ix, refused)
		if refused != nil {
			return b, nil
		}
	}
	if ok {
		b.Targets = everyNode(w.opts.Topology(), ix.Placement, ix.Shards)
	}
	return b, nil
}

func (a *changeSettings) steps(_ *Writer, o *operation, t *target) []*outbox.Step {
	if slices.Contains(o.bind.Had, t.Node) {
		return nil
	}
	logical := settings.Default()
	if o.bind.Settings != nil {
		if next, err := settings.FromRaw(o.bind.Settings); err == nil {
			logical = next
		}
	}
	if o.bind.New != nil {
		return creation(o, logical, "")
	}
	body := index.Physical(logical)
	if o.bind.Previous != nil {
		if before, err := settings.FromRaw(o.bind.Previous); err == nil {
			body = index.Change(before, logical)
		}
	}
	s := o.request(0, http.MethodPatch, indexPath(o.bind.Physical, "/settings"), meili.TypeSettingsUpdate, body)
	s.Settings = true
	return []*outbox.Step{s}
}

func (a *changeSettings) commit(w *Writer, o *operation) (json.RawMessage, error) {
	w.mutex.Lock()
	w.newest[o.bind.Physical] = o.op
	w.mutex.Unlock()
	if err := failpoint.Hit("settings.read-back"); err != nil {
		return nil, err
	}
	w.checkSettings(o)
	if err := failpoint.Hit("settings.commit"); err != nil {
		return nil, err
	}
	if o.bind.New != nil {
		if err := w.make(o, ""); err != nil {
			return nil, err
		}
	}
	ix, ok := w.opts.Catalog.ByPhysical(o.bind.Physical)
	if !ok || ix.SettingsVersion > o.bind.Version && o.bind.New == nil {
		return o.Details, nil // done before a restart
	}
	next, err := settings.FromRaw(o.bind.Settings)
	if err != nil {
		return nil, err
	}
	if _, err = w.opts.Catalog.SetSettings(ix.UID, next, w.opts.Now()); err == nil {
		err = failpoint.Hit("settings.committed")
	}
	return o.Details, err
}

func (a *changeSettings) failed(o *operation) json.RawMessage { return o.Details }

// commitFailed keeps the index that a change which cannot be applied has made.
func (a *changeSettings) commitFailed(w *Writer, o *operation) error {
	if o.bind.New == nil || o.outcome.Error != o.bind.Failure {
		return nil
	}
	return w.make(o, "")
}
