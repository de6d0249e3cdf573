package search

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// kindsFor is how long it is believed that a field holds numbers alone.
const kindsFor = time.Second

// mostKinds bounds how many fields are remembered.
const mostKinds = 10_000

// kinds remembers which fields of an index hold texts beside numbers. An answer
// shows it where a text is spelled like no number, and else hides it.
type kinds struct {
	mu     sync.Mutex
	fields map[field]kind
}

type field struct{ index, name string }

type kind struct {
	mixed bool
	asked time.Time
}

// known tells whether a field is mixed, if that is known.
func (k *kinds) known(f field, now time.Time) (mixed, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	x, ok := k.fields[f]
	return x.mixed, ok && (x.mixed || now.Sub(x.asked) < kindsFor)
}

func (k *kinds) learn(f field, x kind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fields == nil || len(k.fields) >= mostKinds {
		k.fields = make(map[field]kind)
	}
	k.fields[f] = x
}

// mixed are the facets of a search that hold numbers and texts, in the documents
// found or in others: the nodes are asked where it is not known.
func (r *Reader) mixed(ctx context.Context, call Call, o *result) ([]string, *meili.Error) {
	now := r.o.Now()
	only := o.render().Only
	list := slices.DeleteFunc(o.facets.Mixed(only), func(name string) bool { return !o.p.splits(name) })
	var ask []string
	for _, name := range o.facets.Numeric(only) {
		if slices.Contains(list, name) || !o.p.splits(name) {
			continue
		}
		switch mixed, known := r.kinds.known(field{o.p.ix.Physical, name}, now); {
		case mixed:
			list = append(list, name)
		case !known:
			ask = append(ask, name)
		}
	}
	if len(ask) == 0 {
		return list, nil
	}
	inquiries := make([]inquiry, len(ask))
	for i, name := range ask {
		inquiries[i] = inquiry{facets: []string{name}, only: numbersOf(name, false), all: true}
	}
	answers, err := r.inquire(ctx, call, o.p, inquiries)
	if err != nil {
		return nil, err
	}
	for i, name := range ask {
		sum, err := sumOf(answers[i])
		if err != nil {
			return nil, err
		}
		mixed := sum.Values(name) > 0
		r.kinds.learn(field{o.p.ix.Physical, name}, kind{mixed, now})
		if mixed {
			list = append(list, name)
		}
	}
	return list, nil
}

// splits reports whether numbers and texts of a field can be asked for apart.
func (p *prepared) splits(name string) bool {
	return ranges(p.ix, name) && !strings.HasPrefix(name, "_geo") && !strings.HasPrefix(name, "_vectors")
}

// numbersOf is a filter for the documents in which a field is a number, or is not.
// It is a range from a lower to a higher number of which the texts are the other
// way round, so that no text is in it.
func numbersOf(name string, are bool) []byte {
	text := quoted(name) + " '-9e307' TO '+9e307'"
	if !are {
		text = "NOT " + text
	}
	return filterText(text)
}
