package write

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// compact has nodes compact an index.
type compact struct{}

// Compact has every node that holds a part of the index compact it.
func (w *Writer) Compact(ctx context.Context, call Call, uid string) (*Receipt, *meili.Error) {
	return w.submit(ctx, call, w.new(kindCompact, meili.TypeIndexCompaction, &compact{}, json.RawMessage(`{}`), uid))
}

func (a *compact) manner(w *Writer, o *operation) manner { return w.whether(o.Indexes[0], flowing) }

func (a *compact) bind(w *Writer, o *operation) (*binding, error) {
	ix, ok := w.opts.Catalog.Get(o.Indexes[0])
	if !ok {
		return &binding{Failure: meili.IndexNotFound(o.Indexes[0])}, nil
	}
	b := onIndex(ix)
	b.Targets = holders(ix.Placement, everyShard(ix.Shards))
	return b, nil
}

func (a *compact) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	s := o.request(0, http.MethodPost, indexPath(o.bind.Physical, "/compact"), meili.TypeIndexCompaction, nil)
	s.Accept = isGone
	return []*outbox.Step{s}
}

// commit adds up the sizes that the nodes report.
func (a *compact) commit(w *Writer, o *operation) (json.RawMessage, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var before, after float64
	for i := range o.bind.Targets {
		for _, out := range o.bind.Targets[i].outcomes {
			var d struct {
				Pre  string `json:"preCompactionSize"`
				Post string `json:"postCompactionSize"`
			}
			if json.Unmarshal(out.Details, &d) == nil {
				before += parseSize(d.Pre)
				after += parseSize(d.Post)
			}
		}
	}
	return must(struct {
		Pre  string `json:"preCompactionSize"`
		Post string `json:"postCompactionSize"`
	}{meili.FormatSize(int64(before)), meili.FormatSize(int64(after))}), nil
}

func (a *compact) failed(o *operation) json.RawMessage { return o.Details }

// parseSize reads a size as the server writes it: a number and a unit.
func parseSize(text string) float64 {
	i := slices.Index([]byte(text), ' ')
	if i < 0 {
		return 0
	}
	n, err := strconv.ParseFloat(text[:i], 64)
	if err != nil {
		return 0
	}
	for _, unit := range []struct {
		name string
		size float64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1}} {
		if text[i+1:] == unit.name {
			return n * unit.size
		}
	}
	return 0
}

// snapshot has every node write a snapshot.
type snapshot struct{}

// Snapshot has every node write a snapshot of itself.
func (w *Writer) Snapshot(ctx context.Context, call Call) (*Receipt, *meili.Error) {
	return w.submit(ctx, call, w.new(kindSnapshot, meili.TypeSnapshotCreation, &snapshot{}, nil))
}

func (a *snapshot) manner(*Writer, *operation) manner { return flowing }

func (a *snapshot) bind(w *Writer, _ *operation) (*binding, error) {
	return &binding{Targets: everyNode(w.opts.Topology(), nil, 0)}, nil
}

func (a *snapshot) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	return []*outbox.Step{o.request(0, http.MethodPost, "/snapshots", meili.TypeSnapshotCreation, nil)}
}

func (a *snapshot) commit(*Writer, *operation) (json.RawMessage, error) { return nil, nil }

func (a *snapshot) failed(*operation) json.RawMessage { return nil }
