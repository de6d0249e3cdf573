package write

import (
	"context"
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// swap exchanges the names of indexes.
type swap struct {
	Swaps []request.Swap `json:"swaps"`
}

// Swap exchanges indexes or renames them, all or none. Nodes are not told: only
// the gateway knows which of a node's indexes has which name.
func (w *Writer) Swap(ctx context.Context, call Call, swaps []request.Swap) (*Receipt, *meili.Error) {
	type shown struct {
		Indexes [2]string `json:"indexes"`
		Rename  bool      `json:"rename"`
	}
	list := make([]shown, len(swaps))
	var uids []string
	for i, s := range swaps {
		list[i] = shown{s.Indexes, s.Rename}
		uids = append(uids, s.Indexes[0], s.Indexes[1])
	}
	details := must(struct {
		Swaps []shown `json:"swaps"`
	}{list})
	return w.submit(ctx, call, w.new(kindSwap, meili.TypeIndexSwap, &swap{swaps}, details, uids...))
}

func (a *swap) manner(*Writer, *operation) manner { return single }

func (a *swap) bind(w *Writer, _ *operation) (*binding, error) {
	b := &binding{Before: make(map[string]string), Failure: w.opts.Catalog.CheckSwap(a.Swaps)}
	for _, s := range a.Swaps {
		for _, uid := range s.Indexes {
			if ix, ok := w.opts.Catalog.Get(uid); ok {
				b.Before[uid] = ix.Physical
			}
		}
	}
	return b, nil
}

func (a *swap) steps(*Writer, *operation, *target) []*outbox.Step { return nil }

func (a *swap) commit(w *Writer, o *operation) (json.RawMessage, error) {
	same := true
	for uid, physical := range o.bind.Before {
		ix, ok := w.opts.Catalog.Get(uid)
		same = same && ok && ix.Physical == physical
	}
	if len(a.Swaps) == 0 {
		return o.Details, nil
	}
	if same { // else it was done before a restart
		if err := w.opts.Catalog.Swap(a.Swaps, w.opts.Now()); err != nil {
			return nil, err
		}
		if err := failpoint.Hit("write.swapped"); err != nil {
			return nil, err
		}
	}
	var pairs [][2]string
	for _, s := range a.Swaps {
		pairs = append(pairs, s.Indexes)
	}
	w.opts.Tasks.SwapIndexes(o.Task, pairs)
	return o.Details, nil
}

func (a *swap) failed(o *operation) json.RawMessage { return o.Details }
