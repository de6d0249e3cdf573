package engine

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// hitMaker turns documents into hits.
type hitMaker struct {
	ix        *Index
	displayed map[string]bool // known fields that may be shown
	retrieve  map[string]bool // of these, the ones asked for
	vectors   bool
	options   map[string]formatOptions
	h         *highlighter

	matches, score, details bool
	unified                 bool
	geo                     *[2]float64 // of the first geo sort
}

var geoSort = regexp.MustCompile(`_geoPoint\(\s*([0-9.\-]+)\s*,\s*([0-9.\-]+)\s*\)`)

// displayedFields are the known fields that settings let be shown.
func (ix *Index) displayedFields() map[string]bool {
	out := map[string]bool{}
	if ix.cfg.displayed == nil {
		for _, f := range ix.fields {
			out[f] = true
		}
		return out
	}
	for _, f := range ix.cfg.displayed {
		if _, ok := ix.fieldIDs[f]; ok {
			out[f] = true
		}
	}
	return out
}

// retrievedFields are those of the displayed fields that are asked for.
func (ix *Index) retrievedFields(asked []string, displayed map[string]bool) map[string]bool {
	if asked == nil || slices.Contains(asked, "*") {
		return displayed
	}
	out := map[string]bool{}
	for _, f := range asked {
		if displayed[f] {
			out[f] = true
		}
	}
	return out
}

// showsVectors tells whether vectors may be retrieved. The real server has the
// test the wrong way round once it knows a field _vectors.
func (ix *Index) showsVectors() bool {
	if ix.cfg.displayed == nil {
		return true
	}
	listed := slices.Contains(ix.cfg.displayed, "_vectors")
	if _, known := ix.fieldIDs["_vectors"]; known {
		return !listed
	}
	return listed
}

func (ix *Index) newHitMaker(q *request.Search, words *matchingWords) *hitMaker {
	m := &hitMaker{
		ix: ix, displayed: ix.displayedFields(), vectors: q.RetrieveVectors && ix.showsVectors(),
		matches: q.ShowMatchesPosition, score: q.ShowRankingScore, details: q.ShowRankingScoreDetails,
		unified: slices.Contains(ix.cfg.rankingRules, "attribute"),
		h:       &highlighter{tok: ix.cfg.hitTok, words: words, marker: q.CropMarker, open: q.HighlightPreTag, shut: q.HighlightPostTag},
	}
	m.retrieve = ix.retrievedFields(q.AttributesToRetrieve, m.displayed)
	m.options = m.formats(q)
	for _, s := range q.Sort {
		if g := geoSort.FindStringSubmatch(s); g != nil {
			lat, _ := strconv.ParseFloat(g[1], 64)
			lng, _ := strconv.ParseFloat(g[2], 64)
			m.geo = &[2]float64{lat, lng}
			break
		}
	}
	return m
}

// formats lists the fields of _formatted and what to do with them.
func (m *hitMaker) formats(q *request.Search) map[string]formatOptions {
	out := map[string]formatOptions{}
	for _, attr := range q.AttributesToHighlight {
		if attr == "*" {
			for f := range m.displayed {
				out[f] = formatOptions{highlight: true, crop: -1}
			}
			break
		}
		if m.displayed[attr] {
			out[attr] = formatOptions{highlight: true, crop: -1}
		}
	}
	for _, attr := range q.AttributesToCrop {
		length := q.CropLength
		if i := strings.LastIndexByte(attr, ':'); i >= 0 {
			if n, err := strconv.ParseUint(attr[i+1:], 10, 63); err == nil {
				length = int(min(n, math.MaxInt32))
			}
			attr = attr[:i]
		}
		for f := range m.displayed {
			if attr == "*" || f == attr {
				o := out[f]
				out[f] = formatOptions{highlight: o.highlight, crop: length}
			}
		}
	}
	if len(out) > 0 {
		for f := range m.retrieve {
			if _, ok := out[f]; !ok {
				out[f] = formatOptions{crop: -1}
			}
		}
	}
	return out
}

// hit makes the hit of a document. federation is put into it, if given.
func (m *hitMaker) hit(docid uint32, details []scoreDetail, federation *object) json.RawMessage {
	d := m.ix.docs[docid]
	doc := selectFields(d.body, m.retrieve)
	if m.vectors {
		doc.set("_vectors", m.ix.vectorsJSON(d))
	} else {
		doc.remove("_vectors")
	}
	formatted, matches := m.format(d)
	if m.geo != nil {
		insertDistance(doc, *m.geo)
	}
	if federation != nil {
		doc.set("_federation", federation)
	}
	if formatted != nil && len(formatted.members) > 0 {
		doc.members = append(doc.members, member{"_formatted", formatted})
	}
	if matches != nil {
		doc.members = append(doc.members, member{"_matchesPosition", matches})
	}
	if m.score {
		doc.members = append(doc.members, member{"_rankingScore", floatNumber(globalScore(details))})
	}
	if m.details {
		doc.members = append(doc.members, member{"_rankingScoreDetails", detailsJSON(details, m.unified)})
	}
	return appendValue(nil, doc)
}

// vectorsJSON is the _vectors of a document with those of the embedders in it.
func (ix *Index) vectorsJSON(d *document) *object {
	out := &object{}
	if v, ok := d.body.get("_vectors"); ok {
		if o, ok := v.(*object); ok {
			out.members = slices.Clone(o.members)
		}
	}
	for _, e := range ix.cfg.embedders {
		out.set(e.name, ix.embeddingsOf(e.name)[d.docid].json())
	}
	return out
}

func insertDistance(doc *object, from [2]float64) {
	v, _ := doc.get("_geo")
	o, ok := v.(*object)
	if !ok {
		return
	}
	lat, _ := o.get("lat")
	lng, _ := o.get("lng")
	a, okA := finite(lat)
	b, okB := finite(lng)
	if okA && okB {
		doc.set("_geoDistance", intNumber(int(math.Round(distance(from, [2]float64{a, b})))))
	}
}

func (m *hitMaker) format(d *document) (formatted, matches *object) {
	if !m.matches && len(m.options) == 0 {
		return nil, nil
	}
	fields := m.displayed
	if !m.matches {
		fields = map[string]bool{}
		for f := range m.options {
			fields[f] = true
		}
	}
	doc := cloneValue(selectFields(d.body, fields)).(*object)
	f := formatter{m: m, found: map[string][]any{}}
	f.object(doc, "", nil)
	if m.matches {
		matches = &object{}
		names := make([]string, 0, len(f.found))
		for name := range f.found {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			matches.members = append(matches.members, member{name, f.found[name]})
		}
	}
	if len(m.options) == 0 {
		return nil, matches
	}
	keep := map[string]bool{}
	for name := range m.options {
		keep[name] = true
	}
	return selectFields(doc, keep), matches
}

// formatter walks a document and formats its texts in place.
type formatter struct {
	m     *hitMaker
	found map[string][]any
}

func (f *formatter) object(o *object, base string, indices []int) {
	for i := range o.members {
		key := o.members[i].key
		if base != "" {
			key = base + "." + key
		}
		if !f.displayed(key) {
			continue
		}
		o.members[i].value = f.value(o.members[i].value, key, indices)
	}
}

func (f *formatter) displayed(key string) bool {
	if f.m.displayed[key] {
		return true
	}
	for d := range f.m.displayed {
		if under(d, key) || under(key, d) {
			return true
		}
	}
	return false
}

func (f *formatter) value(v any, key string, indices []int) any {
	switch v := v.(type) {
	case *object:
		f.object(v, key, indices)
		return v
	case []any:
		for i, e := range v {
			inner := append(slices.Clone(indices), i)
			if o, ok := e.(*object); ok {
				f.object(o, key, inner)
			} else {
				v[i] = f.value(e, key, inner)
			}
		}
		return v
	case string:
		return f.text(v, key, indices)
	case number:
		return f.text(v.text, key, indices)
	}
	return v
}

func (f *formatter) text(s, key string, indices []int) string {
	options, found := formatOptions{crop: -1}, false
	for name, o := range f.m.options {
		if o.formats() && (under(name, key) || under(key, name)) {
			options, found = options.merge(o), true
		}
	}
	if !f.m.matches && !found {
		return s
	}
	matched := f.m.h.match(s)
	if f.m.matches {
		if b := matched.bounds(indices); len(b) > 0 {
			f.found[key] = b
		}
	}
	if !found {
		return s
	}
	return f.m.h.format(matched, options)
}

// selectFields keeps the selected fields of a document, nested ones by dotted names.
func selectFields(o *object, selectors map[string]bool) *object {
	out := &object{}
	for _, m := range o.members {
		if selectors[m.key] && !strings.Contains(m.key, ".") {
			out.members = append(out.members, m)
			continue
		}
		sub := map[string]bool{}
		for s := range selectors {
			if len(s) > len(m.key) && under(s, m.key) {
				sub[s[len(m.key)+1:]] = true
			}
		}
		if len(sub) == 0 {
			if selectors[m.key] {
				out.members = append(out.members, m)
			}
			continue
		}
		switch v := m.value.(type) {
		case []any:
			out.members = append(out.members, member{m.key, selectElements(v, sub)})
		case *object:
			out.members = append(out.members, member{m.key, selectFields(v, sub)})
		}
	}
	return out
}

func selectElements(a []any, selectors map[string]bool) []any {
	out := []any{}
	for _, e := range a {
		switch v := e.(type) {
		case []any:
			out = append(out, selectElements(v, selectors))
		case *object:
			if o := selectFields(v, selectors); len(o.members) > 0 {
				out = append(out, o)
			}
		}
	}
	return out
}
