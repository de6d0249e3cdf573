package engine

import (
	"slices"
	"strings"
)

// facetField indexes the values of one field for filters, sorts and facets.
type facetField struct {
	numbers map[float64]*facetValue
	strings map[string]*facetValue // by normalised value

	exists, null, empty docSet

	sortedNumbers []float64 // nil after a change
	sortedStrings []string
}

// facetValue lists the documents with a value.
type facetValue struct{ docs []uint32 }

// docFacets are the values of a field in one document.
type docFacets struct {
	numbers []float64
	strings map[string]string // normalised value to the value as written
	null    bool
	empty   bool
}

func (v *facetValue) insert(docid uint32) {
	if i, ok := slices.BinarySearch(v.docs, docid); !ok {
		v.docs = slices.Insert(v.docs, i, docid)
	}
}

func (v *facetValue) remove(docid uint32) {
	if i, ok := slices.BinarySearch(v.docs, docid); ok {
		v.docs = slices.Delete(v.docs, i, i+1)
	}
}

func (v *facetValue) within(set docSet) docSet {
	var r docSet
	for _, id := range v.docs {
		if set.has(id) {
			r.add(id)
		}
	}
	return r
}

func (v *facetValue) countIn(set docSet) int {
	n := 0
	for _, id := range v.docs {
		if set.has(id) {
			n++
		}
	}
	return n
}

func (f *facetField) numbersInOrder() []float64 {
	if f.sortedNumbers == nil {
		for n := range f.numbers {
			f.sortedNumbers = append(f.sortedNumbers, n)
		}
		slices.Sort(f.sortedNumbers)
	}
	return f.sortedNumbers
}

func (f *facetField) stringsInOrder() []string {
	if f.sortedStrings == nil {
		for s := range f.strings {
			f.sortedStrings = append(f.sortedStrings, s)
		}
		slices.Sort(f.sortedStrings)
	}
	return f.sortedStrings
}

// isFaceted tells whether the values of a field are indexed.
func (c *config) isFaceted(field string) bool {
	if field == c.distinct && field != "" || c.isSortable(field) {
		return true
	}
	for _, r := range c.rankingRules {
		if name, _, ok := customRule(r); ok && under(field, name) {
			return true
		}
	}
	r, _, ok := c.filterRuleOf(field)
	return ok && (r.filters() || r.facetSearch)
}

// customRule splits a ranking rule on a field.
func customRule(rule string) (field string, desc, ok bool) {
	if f, found := strings.CutSuffix(rule, ":asc"); found {
		return f, false, true
	}
	if f, found := strings.CutSuffix(rule, ":desc"); found {
		return f, true, true
	}
	return "", false, false
}

func (ix *Index) indexFacets(d *document) {
	d.facets = map[uint16]*docFacets{}
	r := facetReader{ix: ix, into: d.facets, faceted: ix.cfg.faceted()}
	for _, m := range d.body.members {
		if !reservedField(m.key) {
			r.topLevel(m.key, m.value)
		}
	}
	if p, ok := ix.place(d); ok {
		r.value("_geo.lat", true, floatNumber(p[0]))
		r.value("_geo.lng", true, floatNumber(p[1]))
	}
	for fid, values := range d.facets {
		ix.facetField(fid).add(d.docid, values)
	}
}

func (s *store) facetField(fid uint16) *facetField {
	f := s.facet[fid]
	if f == nil {
		f = &facetField{numbers: map[float64]*facetValue{}, strings: map[string]*facetValue{}}
		s.facet[fid] = f
	}
	return f
}

func (f *facetField) add(docid uint32, values *docFacets) {
	f.exists.add(docid)
	if values.null {
		f.null.add(docid)
	}
	if values.empty {
		f.empty.add(docid)
	}
	for _, n := range values.numbers {
		v := f.numbers[n]
		if v == nil {
			v = &facetValue{}
			f.numbers[n], f.sortedNumbers = v, nil
		}
		v.insert(docid)
	}
	for s := range values.strings {
		v := f.strings[s]
		if v == nil {
			v = &facetValue{}
			f.strings[s], f.sortedStrings = v, nil
		}
		v.insert(docid)
	}
}

func (ix *Index) unindexFacets(d *document) {
	for fid, values := range d.facets {
		f := ix.facet[fid]
		f.exists.remove(d.docid)
		f.null.remove(d.docid)
		f.empty.remove(d.docid)
		for _, n := range values.numbers {
			v := f.numbers[n]
			if v.remove(d.docid); len(v.docs) == 0 {
				delete(f.numbers, n)
				f.sortedNumbers = nil
			}
		}
		for s := range values.strings {
			v := f.strings[s]
			if v.remove(d.docid); len(v.docs) == 0 {
				delete(f.strings, s)
				f.sortedStrings = nil
			}
		}
	}
	d.facets = nil
}

// faceted caches which fields are indexed for facets.
func (c *config) faceted() map[string]bool {
	if c.facetedFields == nil {
		c.facetedFields = map[string]bool{}
	}
	return c.facetedFields
}

// facetReader walks a document and collects the values of its faceted fields.
type facetReader struct {
	ix      *Index
	into    map[uint16]*docFacets
	faceted map[string]bool
}

func (r *facetReader) topLevel(field string, v any) {
	switch v := v.(type) {
	case *object:
		r.object(v, field, true)
		r.value(field, true, v)
	case []any:
		r.array(v, field, true)
		r.value(field, true, v)
	default:
		r.value(field, true, v)
	}
}

func (r *facetReader) object(o *object, base string, onKey bool) {
	if len(o.members) == 0 {
		r.value(base, onKey, o)
	}
	for _, m := range o.members {
		field := base + "." + m.key
		r.value(field, true, m.value)
		switch v := m.value.(type) {
		case *object:
			r.object(v, field, true)
		case []any:
			r.array(v, field, true)
		}
	}
}

func (r *facetReader) array(a []any, base string, onKey bool) {
	if len(a) == 0 {
		r.value(base, onKey, a)
	}
	for _, e := range a {
		switch v := e.(type) {
		case *object:
			r.object(v, base, false)
		case []any:
			r.array(v, base, false)
		default:
			r.value(base, false, v)
		}
	}
}

// value registers one value of a field. null and emptiness only count on the
// field itself, not inside an array.
func (r *facetReader) value(field string, onKey bool, v any) {
	faceted, known := r.faceted[field]
	if !known {
		faceted = r.ix.cfg.isFaceted(field)
		r.faceted[field] = faceted
	}
	if !faceted {
		return
	}
	fid := r.ix.fieldID(field)
	f := r.into[fid]
	if f == nil {
		f = &docFacets{strings: map[string]string{}}
		r.into[fid] = f
	}
	rule, _, _ := r.ix.cfg.filterRuleOf(field)
	onKey = onKey && rule.filters()
	switch v := v.(type) {
	case number:
		if !slices.Contains(f.numbers, v.f) {
			f.numbers = append(f.numbers, v.f)
		}
	case string:
		if v != "" {
			f.strings[normalizeFacet(v)] = v
		} else if onKey {
			f.empty = true
		}
	case bool:
		if v {
			f.strings["true"] = "true"
		} else {
			f.strings["false"] = "false"
		}
	case nil:
		f.null = f.null || onKey
	case []any:
		f.empty = f.empty || onKey && len(v) == 0
	case *object:
		f.empty = f.empty || onKey && len(v.members) == 0
	}
}
