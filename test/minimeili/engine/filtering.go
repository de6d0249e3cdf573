package engine

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
)

// filtered gives the documents a filter selects; nil selects all of them.
// original tells that messages show the filter as it was sent.
func (ix *Index) filtered(e *filter.Expr, code string, original bool) (docSet, *meili.Error) {
	if e == nil {
		return ix.all.clone(), nil
	}
	rules := filter.Rules{Code: code, Filterable: ix.cfg.filterRules, Features: ix.features, Original: original}
	if !original {
		rules.Index = ix.uid
	}
	if err := e.Check(rules); err != nil {
		return docSet{}, err
	}
	f := filterer{ix: ix, code: code}
	set := f.eval(e)
	if f.err != nil {
		return docSet{}, f.err
	}
	set.and(ix.all)
	return set, nil
}

type filterer struct {
	ix   *Index
	code string
	err  *meili.Error
}

func (f *filterer) eval(e *filter.Expr) docSet {
	switch e.Op {
	case filter.And:
		if len(e.Children) == 0 {
			return docSet{}
		}
		set := f.eval(e.Children[0])
		for _, c := range e.Children[1:] {
			if set.empty() {
				return set
			}
			set.and(f.eval(c))
		}
		return set
	case filter.Or:
		var set docSet
		for _, c := range e.Children {
			set.or(f.eval(c))
		}
		return set
	case filter.Not:
		return difference(f.ix.all, f.eval(e.Children[0]))
	case filter.GeoRadius, filter.GeoBox, filter.GeoPolygon:
		return f.geo(e)
	case filter.Vectors:
		return f.vectors(e)
	}
	fid, ok := f.ix.fieldIDs[e.Attr.Text]
	if !ok {
		return docSet{}
	}
	field := f.ix.facet[fid]
	if field == nil {
		field = &facetField{}
	}
	return f.compare(e, field)
}

func (f *filterer) compare(e *filter.Expr, field *facetField) docSet {
	switch e.Op {
	case filter.Equal:
		return equalDocs(field, e.Values[0].Text)
	case filter.NotEqual:
		return difference(f.ix.all, equalDocs(field, e.Values[0].Text))
	case filter.In:
		var set docSet
		for _, v := range e.Values {
			set.or(equalDocs(field, v.Text))
		}
		return set
	case filter.Exists:
		return field.exists.clone()
	case filter.Null:
		return field.null.clone()
	case filter.Empty:
		return field.empty.clone()
	case filter.Contains, filter.StartsWith:
		return textDocs(field, e.Op, normalizeFacet(e.Values[0].Text))
	}
	return f.ranged(e, field)
}

func equalDocs(field *facetField, value string) docSet {
	var set docSet
	if v := field.strings[normalizeFacet(value)]; v != nil {
		set.addAll(v.docs)
	}
	if n, ok := numeric(value); ok {
		if v := field.numbers[n]; v != nil {
			set.addAll(v.docs)
		}
	}
	return set
}

// numeric reads a filter's value as a number.
func numeric(s string) (float64, bool) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) || strings.ContainsAny(s, "xXpP_") {
		return 0, false
	}
	return n, true
}

func textDocs(field *facetField, op filter.Op, value string) docSet {
	var set docSet
	if op == filter.StartsWith && value == "" {
		return field.exists.clone()
	}
	for s, v := range field.strings {
		if op == filter.Contains && strings.Contains(s, value) || op == filter.StartsWith && strings.HasPrefix(s, value) {
			set.addAll(v.docs)
		}
	}
	return set
}

// bounds are the ends of a range; a nil end is open.
type bounds[T any] struct {
	low, high               *T
	excludeLow, excludeHigh bool
}

func (f *filterer) ranged(e *filter.Expr, field *facetField) docSet {
	first := e.Values[0].Text
	var numbers bounds[float64]
	var texts bounds[string]
	a, okA := numeric(first)
	text := normalizeFacet(first)
	switch e.Op {
	case filter.Greater, filter.GreaterOrEqual:
		numbers.low, texts.low = &a, &text
		numbers.excludeLow = e.Op == filter.Greater
	case filter.Less, filter.LessOrEqual:
		numbers.high, texts.high = &a, &text
		numbers.excludeHigh = e.Op == filter.Less
	case filter.Between:
		b, okB := numeric(e.Values[1].Text)
		upper := normalizeFacet(e.Values[1].Text)
		okA = okA && okB
		numbers.low, numbers.high, texts.low, texts.high = &a, &b, &text, &upper
	}
	texts.excludeLow, texts.excludeHigh = numbers.excludeLow, numbers.excludeHigh
	var set docSet
	if okA {
		for _, n := range within(f.ix.numbersOf(field), numbers) {
			set.addAll(field.numbers[n].docs)
		}
	}
	for _, s := range within(f.ix.stringsOf(field), texts) {
		set.addAll(field.strings[s].docs)
	}
	return set
}

// within cuts a sorted list to a range.
func within[T float64 | string](sorted []T, b bounds[T]) []T {
	start, end := 0, len(sorted)
	if b.low != nil {
		i, found := slices.BinarySearch(sorted, *b.low)
		if found && b.excludeLow {
			i++
		}
		start = i
	}
	if b.high != nil {
		i, found := slices.BinarySearch(sorted, *b.high)
		if found && !b.excludeHigh {
			i++
		}
		end = i
	}
	if start >= end {
		return nil
	}
	return sorted[start:end]
}

// numbersOf and stringsOf give the values of a field in order. They are sorted
// on first use, under a lock of their own since searches share the index.
func (ix *Index) numbersOf(f *facetField) []float64 {
	ix.dictMu.Lock()
	defer ix.dictMu.Unlock()
	return f.numbersInOrder()
}

func (ix *Index) stringsOf(f *facetField) []string {
	ix.dictMu.Lock()
	defer ix.dictMu.Unlock()
	return f.stringsInOrder()
}

func (f *filterer) geo(e *filter.Expr) docSet {
	points := make([][2]float64, len(e.Points))
	for i, p := range e.Points {
		lat, okLat := numeric(p[0].Text)
		lng, okLng := numeric(p[1].Text)
		if !okLat || !okLng {
			return docSet{}
		}
		points[i] = [2]float64{lat, lng}
	}
	inside := func(p [2]float64) bool { return inPolygon(p, points) }
	switch e.Op {
	case filter.GeoRadius:
		radius, _ := numeric(e.Radius.Text)
		inside = func(p [2]float64) bool { return distance(points[0], p) <= radius+2.220446049250313e-16 }
	case filter.GeoBox:
		inside = func(p [2]float64) bool { return inBox(p, points[0], points[1]) }
	}
	var set docSet
	for docid, p := range f.ix.geo {
		if e.Op != filter.GeoPolygon && inside(p) {
			set.add(docid)
		}
	}
	if f.ix.cfg.isFilterable("_geojson") {
		for docid, d := range f.ix.docs {
			if d != nil && shapeInside(d.body, inside) {
				set.add(uint32(docid))
			}
		}
	}
	return set
}

// inBox tells whether a place lies between the top right and the bottom left
// corner, across the date line if need be.
func inBox(p, topRight, bottomLeft [2]float64) bool {
	if p[0] < bottomLeft[0] || p[0] > topRight[0] {
		return false
	}
	if topRight[1] < bottomLeft[1] {
		return p[1] >= bottomLeft[1] || p[1] <= topRight[1]
	}
	return p[1] >= bottomLeft[1] && p[1] <= topRight[1]
}

func inPolygon(p [2]float64, polygon [][2]float64) bool {
	inside := false
	for i, j := 0, len(polygon)-1; i < len(polygon); j, i = i, i+1 {
		a, b := polygon[i], polygon[j]
		if (a[0] > p[0]) != (b[0] > p[0]) && p[1] < (b[1]-a[1])*(p[0]-a[0])/(b[0]-a[0])+a[1] {
			inside = !inside
		}
	}
	return inside
}

// shapeInside tells whether a point of a document's _geojson lies inside an area.
func shapeInside(body *object, inside func([2]float64) bool) bool {
	v, ok := body.get("_geojson")
	return ok && anyPoint(v, inside)
}

func anyPoint(v any, inside func([2]float64) bool) bool {
	switch v := v.(type) {
	case *object:
		for _, m := range v.members {
			if anyPoint(m.value, inside) {
				return true
			}
		}
	case []any:
		if len(v) >= 2 {
			x, okX := v[0].(number)
			y, okY := v[1].(number)
			if okX && okY {
				return inside([2]float64{y.f, x.f})
			}
		}
		for _, e := range v {
			if anyPoint(e, inside) {
				return true
			}
		}
	}
	return false
}

func (f *filterer) vectors(e *filter.Expr) docSet {
	var set docSet
	for _, emb := range f.ix.cfg.embedders {
		if e.Embedder != nil && e.Embedder.Text != emb.name {
			continue
		}
		for docid, v := range f.ix.embeddingsOf(emb.name) {
			embedded := len(v.vectors) > 0
			switch e.Vector {
			case "":
			case "userProvided":
				embedded = true
			case "regenerate":
				embedded = embedded && v.regenerate
			default:
				embedded = false // the double generates nothing
			}
			if embedded {
				set.add(docid)
			}
		}
	}
	if e.Embedder != nil {
		if _, ok := f.ix.cfg.embedder(e.Embedder.Text); !ok {
			f.err = f.unknownEmbedder(e.Embedder.Text)
		}
	}
	return set
}

func (f *filterer) unknownEmbedder(name string) *meili.Error {
	if len(f.ix.cfg.embedders) == 0 {
		return meili.NewError(f.code, "The embedder `%s` does not exist. This index does not have any configured embedders.", name)
	}
	var names []string
	for _, e := range f.ix.cfg.embedders {
		names = append(names, "`"+e.name+"`")
	}
	return meili.NewError(f.code, "The embedder `%s` does not exist. Available embedders are: %s.", name, strings.Join(names, ", "))
}
