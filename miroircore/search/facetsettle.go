package search

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

// doubts are what the nodes' facets leave open: what numbers count that texts
// are spelled like, which of several equally frequent values are shown, and how
// a value is spelled that nodes spell in different ways.
type doubts struct {
	mixed, cut []string
	disputed   []dispute
}

type dispute struct{ field, norm string }

func (d *doubts) none() bool { return len(d.mixed)+len(d.cut)+len(d.disputed) == 0 }

func (o *result) render() merge.Render {
	return merge.Render{Max: o.p.ix.Settings.MaxValuesPerFacet(), ByCount: byCount(o.p.ix), Candidates: o.total,
		Only: facetsShown(o.p.ix, o.p.client.Facets)}
}

// doubts are those of the answer. Of so many values it is asked how they are
// spelled; the others keep the spelling of the first node.
func (o *result) doubts(mixed []string, most int) doubts {
	render := o.render()
	d := doubts{cut: o.facets.Cut(render)}
	d.mixed = mixed
	for field, values := range o.facets.Disputed(render.Only) {
		for _, norm := range values {
			if len(d.disputed) < most {
				d.disputed = append(d.disputed, dispute{field, norm})
			}
		}
	}
	return d
}

// settleFacets asks the nodes for what their facets leave open.
func (r *Reader) settleFacets(ctx context.Context, call Call, o *result) *meili.Error {
	if o.facets == nil {
		return nil
	}
	mixed, err := r.mixed(ctx, call, o)
	if err != nil {
		return err
	}
	if o.whole != nil && o.narrow == nil && len(mixed)+len(o.facets.Mixed(o.render().Only)) == 0 {
		o.facets = nil // the node's own are right
		return nil
	}
	if o.p.client.RankingScoreThreshold != nil {
		for _, name := range o.facets.Mixed(o.render().Only) {
			o.facets.Guess(name) // no filter leaves out what the threshold does
		}
	}
	d := o.doubts(mixed, r.tuning.Load().ExactFacets)
	if d.none() {
		return nil
	}
	answers, err := r.inquire(ctx, call, o.p, o.inquiries(d))
	if err != nil {
		return err
	}
	texts, err := r.texts(ctx, call, o.p, d.mixed, inquiry{only: o.narrow})
	if err != nil {
		return err
	}
	if err := o.settle(d, answers, texts); err != nil {
		return err
	}
	return r.unhide(ctx, call, o, d.mixed)
}

// inquiries are what has to be asked about the doubts.
func (o *result) inquiries(d doubts) []inquiry {
	var list []inquiry
	if len(d.cut) > 0 {
		list = append(list, inquiry{facets: d.cut, all: true})
	}
	for _, name := range d.mixed {
		list = append(list, inquiry{facets: []string{name}, only: joinFilters(o.narrow, numbersOf(name, true))})
	}
	for _, x := range d.disputed {
		list = append(list, inquiry{facets: []string{x.field, hidden.VersionField},
			only: joinFilters(o.narrow, filterText(quoted(x.field)+" = "+quoted(x.norm)))})
	}
	return list
}

// unhide counts the numbers that texts hide, so many of them.
func (r *Reader) unhide(ctx context.Context, call Call, o *result, names []string) *meili.Error {
	most := r.tuning.Load().ExactFacets
	type number struct{ field, text string }
	var all []number
	var list []inquiry
	for _, name := range names {
		for _, text := range o.facets.Hidden(name, o.render().Max) {
			if len(all) < most {
				all = append(all, number{name, text})
				list = append(list, inquiry{only: joinFilters(o.narrow, numberIs(name, text))})
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	answers, err := r.inquire(ctx, call, o.p, list)
	if err != nil {
		return err
	}
	for i, n := range all {
		count := 0
		for _, t := range answers[i] {
			count += t.EstimatedTotalHits
		}
		o.facets.Recount(n.field, n.text, count)
	}
	return nil
}

// settle corrects the facets by the answers to the doubts.
func (o *result) settle(d doubts, answers [][]told, texts [][]merge.Text) *meili.Error {
	next := func() []told {
		t := answers[0]
		answers = answers[1:]
		return t
	}
	if len(d.cut) > 0 {
		index, err := sumOf(next())
		if err != nil {
			return err
		}
		for _, name := range d.cut {
			o.facets.Tree(name, index)
		}
	}
	for i, name := range d.mixed {
		numbers, err := sumOf(next())
		if err != nil {
			return err
		}
		o.facets.Split(name, numbers, texts[i])
	}
	for _, x := range d.disputed {
		if text, ok := earliest(x, next()); ok {
			o.facets.Spell(x.field, x.norm, text)
		}
	}
	return nil
}

// sumOf adds up what nodes told.
func sumOf(all []told) (*merge.Facets, *meili.Error) {
	sum := &merge.Facets{}
	for _, t := range all {
		if err := sum.Add(t.FacetDistribution, t.FacetStats); err != nil {
			return nil, meili.NewError("internal", "merging facets: %v", err)
		}
	}
	return sum, nil
}

// earliest is how the first document that has a value spells it: of the nodes'
// spellings that of the node which has the lowest version.
func earliest(x dispute, all []told) (text string, found bool) {
	first := ""
	for _, t := range all {
		var fields map[string]map[string]int
		if json.Unmarshal(t.FacetDistribution, &fields) != nil {
			continue
		}
		low := ""
		for version := range fields[hidden.VersionField] {
			if low == "" || version < low {
				low = version
			}
		}
		for spelled := range fields[x.field] {
			if hit.Normalize(spelled) == x.norm && low != "" && (first == "" || low < first) {
				first, text, found = low, spelled, true
			}
		}
	}
	return text, found
}

// quoted writes a text for a filter.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// filterText makes a filter of its text.
func filterText(text string) json.RawMessage { return meili.AppendString(nil, text) }
