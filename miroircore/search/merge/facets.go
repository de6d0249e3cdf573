package merge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
)

// Facets adds up the facets of several answers.
type Facets struct {
	fields map[string]*field
	stats  map[string]*bounds
}

type field struct {
	values []value
	at     map[string]int // by normalised value
}

type value struct {
	text   string // as the first answer that had it spells it
	norm   string
	number float64
	isNum  bool
	count  int
}

type bounds struct {
	min, max       float64
	minRaw, maxRaw string
}

// Add takes one answer's facetDistribution and facetStats; either may be empty.
func (f *Facets) Add(distribution, stats []byte) error {
	if len(distribution) > 0 {
		err := members(distribution, func(name string, dec *json.Decoder) error {
			return f.addField(name, dec)
		})
		if err != nil {
			return fmt.Errorf("facet distribution: %w", err)
		}
	}
	if len(stats) > 0 {
		err := members(stats, func(name string, dec *json.Decoder) error {
			var s struct{ Min, Max json.Number }
			if err := dec.Decode(&s); err != nil {
				return err
			}
			return f.addStats(name, s.Min, s.Max)
		})
		if err != nil {
			return fmt.Errorf("facet stats: %w", err)
		}
	}
	return nil
}

// members walks over an object's members in their order.
func members(raw []byte, visit func(name string, dec *json.Decoder) error) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("no object: %v %w", t, err)
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return fmt.Errorf("no member name: %v", t)
		}
		if err := visit(name, dec); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

func (f *Facets) addField(name string, dec *json.Decoder) error {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return err
	}
	if strings.HasPrefix(name, hidden.Prefix) {
		return nil
	}
	to := f.field(name)
	var text []byte
	return hit.Counts(raw, func(key []byte, escaped bool, count int) {
		if escaped {
			text = hit.Unescape(text[:0], key)
			key = text
		}
		to.add(string(key), count)
	})
}

func (f *field) add(text string, count int) {
	number, isNum := asNumber(text)
	norm := text
	if !isNum {
		norm = hit.Normalize(text)
	}
	f.sum(value{text: text, norm: norm, number: number, isNum: isNum, count: count})
}

func (f *field) sum(v value) {
	i, ok := f.at[v.norm]
	if !ok {
		f.at[v.norm] = len(f.values)
		f.values = append(f.values, v)
		return
	}
	f.values[i].count += v.count
}

// asNumber tells numbers from texts: an answer spells both as texts, but a
// number in one way only.
func asNumber(text string) (float64, bool) {
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, false
	}
	return f, true
}

func (f *Facets) addStats(name string, low, high json.Number) error {
	if strings.HasPrefix(name, hidden.Prefix) {
		return nil
	}
	lo, err := low.Float64()
	if err != nil {
		return err
	}
	hi, err := high.Float64()
	if err != nil {
		return err
	}
	f.bound(name, bounds{min: lo, max: hi, minRaw: low.String(), maxRaw: high.String()})
	return nil
}

// Values is the number of different values of a field.
func (f *Facets) Values(name string) int {
	if to := f.fields[name]; to != nil {
		return len(to.values)
	}
	return 0
}

// Count is how many documents have a field's value, given in its normalised form.
func (f *Facets) Count(name, value string) int {
	if to := f.fields[name]; to != nil {
		if i, ok := to.at[value]; ok {
			return to.values[i].count
		}
	}
	return 0
}

// Render says how facets are shown.
type Render struct {
	// Max is how many values a field shows at most.
	Max int
	// ByCount reports whether a field's values come by count.
	ByCount func(field string) bool
	// Candidates is how many documents the search found: from 3,001 on numbers
	// are in numeric order, below in the order of their texts, as Meilisearch
	// has it.
	Candidates int
	// Only keeps the fields it reports true for; nil keeps all.
	Only func(field string) bool
}

// candidatesThreshold is up to how many candidates Meilisearch counts facets
// document by document, which gives numbers in the order of their texts.
const candidatesThreshold = 3000

// AppendDistribution appends the facetDistribution of the sum.
func (f *Facets) AppendDistribution(dst []byte, r Render) []byte {
	dst = append(dst, '{')
	for _, name := range keys(f.fields) {
		if r.Only != nil && !r.Only(name) {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':')
		dst = f.fields[name].append(dst, r, r.ByCount != nil && r.ByCount(name))
	}
	return append(dst, '}')
}

func (f *field) append(dst []byte, r Render, byCount bool) []byte {
	slices.SortFunc(f.values, func(a, b value) int {
		switch {
		case a.isNum != b.isNum:
			return boolean(b.isNum) - boolean(a.isNum)
		case byCount && a.count != b.count:
			return b.count - a.count
		case a.isNum && (byCount || r.Candidates > candidatesThreshold):
			return compare(a.number, b.number)
		default:
			return strings.Compare(a.norm, b.norm)
		}
	})
	values := f.values
	if r.Max >= 0 && len(values) > r.Max {
		values = values[:r.Max]
	}
	dst = append(dst, '{')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, v.text), ':')
		dst = strconv.AppendInt(dst, int64(v.count), 10)
	}
	return append(dst, '}')
}

// AppendStats appends the facetStats of the sum.
func (f *Facets) AppendStats(dst []byte, only func(field string) bool) []byte {
	dst = append(dst, '{')
	for _, name := range keys(f.stats) {
		if only != nil && !only(name) {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), `:{"min":`...)
		dst = append(append(dst, f.stats[name].minRaw...), `,"max":`...)
		dst = append(append(dst, f.stats[name].maxRaw...), '}')
	}
	return append(dst, '}')
}

func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// appendString appends a text as JSON, with the few escapes that Meilisearch
// writes.
func appendString(dst []byte, text string) []byte { return hit.AppendString(dst, text) }

// Join adds another sum's facets, those that only keeps. It is for facets of
// several indexes: Meilisearch tells their values apart as they are spelled,
// and orders them so, numbers among the rest.
func (f *Facets) Join(other *Facets, only func(field string) bool) {
	for name, from := range other.fields {
		if !only(name) {
			continue
		}
		to := f.field(name)
		for _, v := range from.values {
			to.sum(value{text: v.text, norm: v.text, count: v.count})
		}
	}
	for name, b := range other.stats {
		if only(name) {
			f.bound(name, *b)
		}
	}
}

func (f *Facets) field(name string) *field {
	if f.fields == nil {
		f.fields = make(map[string]*field)
	}
	to := f.fields[name]
	if to == nil {
		to = &field{at: make(map[string]int)}
		f.fields[name] = to
	}
	return to
}

func (f *Facets) bound(name string, b bounds) {
	if f.stats == nil {
		f.stats = make(map[string]*bounds)
	}
	to := f.stats[name]
	if to == nil {
		f.stats[name] = &b
		return
	}
	if b.min < to.min {
		to.min, to.minRaw = b.min, b.minRaw
	}
	if b.max > to.max {
		to.max, to.maxRaw = b.max, b.maxRaw
	}
}
