package merge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
)

// Facets adds up the facets of several answers.
type Facets struct {
	fields map[string]*field
	stats  map[string]*bounds
}

// field is the values of a facet. A number and a text that is spelled as it are
// two values, though an answer has room for one.
type field struct {
	numbers, texts column
	joined         bool // of several indexes, as texts
}

type column struct {
	values []value
	at     map[string]int // by normalised value
	tree   []string       // the normalised values of the whole index, in order
}

type value struct {
	text     string // as the first answer that had it spells it
	norm     string
	number   float64
	count    int
	disputed bool // other answers spell it otherwise
}

type bounds struct {
	min, max       float64
	minRaw, maxRaw string
}

// Add takes one answer's facetDistribution and facetStats; either may be empty.
func (f *Facets) Add(distribution, stats []byte) error {
	own, err := readStats(stats)
	if err != nil {
		return fmt.Errorf("facet stats: %w", err)
	}
	for name, b := range own {
		f.bound(name, b)
	}
	if len(distribution) == 0 {
		return nil
	}
	err = members(distribution, func(name string, dec *json.Decoder) error {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		if strings.HasPrefix(name, hidden.Prefix) {
			return nil
		}
		var within *bounds
		if b, ok := own[name]; ok {
			within = &b
		}
		return f.field(name).read(raw, within)
	})
	if err != nil {
		return fmt.Errorf("facet distribution: %w", err)
	}
	return nil
}

func readStats(stats []byte) (map[string]bounds, error) {
	if len(stats) == 0 {
		return nil, nil
	}
	own := make(map[string]bounds)
	err := members(stats, func(name string, dec *json.Decoder) error {
		var s struct{ Min, Max json.Number }
		if err := dec.Decode(&s); err != nil || strings.HasPrefix(name, hidden.Prefix) {
			return err
		}
		low, err := s.Min.Float64()
		if err != nil {
			return err
		}
		high, err := s.Max.Float64()
		own[name] = bounds{min: low, max: high, minRaw: s.Min.String(), maxRaw: s.Max.String()}
		return err
	})
	return own, err
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

// read takes the values of one answer: numbers within the bounds that its
// statistics give, then texts. Without statistics all are texts.
func (f *field) read(raw []byte, within *bounds) error {
	var text []byte
	numbers := run{bounds: within}
	return hit.Counts(raw, func(key []byte, escaped bool, count int) {
		if escaped {
			text = hit.Unescape(text[:0], key)
			key = text
		}
		v := value{text: string(key), count: count}
		if n, ok := numbers.take(v.text, count); ok {
			v.norm, v.number = v.text, n
			f.numbers.sum(v)
			return
		}
		v.norm = hit.Normalize(v.text)
		f.texts.sum(v)
	})
}

// run is the numbers that an answer's values begin with. They stand in the order
// of their texts, of their sizes or of their counts; the first value that fits
// into none of these, or cannot be a number, ends them.
type run struct {
	*bounds
	ended, unsorted, unsized, uncounted bool
	some                                bool
	text                                string
	number                              float64
	count                               int
}

func (r *run) take(text string, count int) (float64, bool) {
	if r.ended || r.bounds == nil {
		return 0, false
	}
	n, ok := asNumber(text)
	if ok = ok && n >= r.min && n <= r.max; ok && r.some {
		r.unsorted = r.unsorted || text <= r.text
		r.unsized = r.unsized || n <= r.number
		r.uncounted = r.uncounted || count > r.count
		ok = !r.unsorted || !r.unsized || !r.uncounted
	}
	r.ended = !ok
	r.some, r.text, r.number, r.count = true, text, n, count
	return n, ok
}

// asNumber reads a number that is spelled in the one way in which answers spell
// numbers.
func asNumber(text string) (float64, bool) {
	if text == "" || text[0] != '-' && text[0]-'0' > 9 {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || strconv.FormatFloat(n, 'f', -1, 64) != text {
		return 0, false
	}
	return n, true
}

func (c *column) sum(v value) {
	if c.at == nil {
		c.at = make(map[string]int)
	}
	i, ok := c.at[v.norm]
	if !ok {
		c.at[v.norm] = len(c.values)
		c.values = append(c.values, v)
		return
	}
	c.values[i].count += v.count
	c.values[i].disputed = c.values[i].disputed || c.values[i].text != v.text
}

func (c *column) get(norm string) *value {
	if i, ok := c.at[norm]; ok {
		return &c.values[i]
	}
	return nil
}

// Values is the number of different values of a field.
func (f *Facets) Values(name string) int {
	if to := f.fields[name]; to != nil {
		return len(to.numbers.values) + len(to.texts.values)
	}
	return 0
}

// Count is how many documents have a field's text, given in its normalised form.
func (f *Facets) Count(name, text string) int {
	if to := f.fields[name]; to != nil {
		if v := to.texts.get(text); v != nil {
			return v.count
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

func (r *Render) byCount(field string) bool { return r.ByCount != nil && r.ByCount(field) }

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
		dst = append(meili.AppendString(dst, name), ':')
		dst = f.AppendField(dst, name, r)
	}
	return append(dst, '}')
}

// AppendField appends the values of one field.
func (f *Facets) AppendField(dst []byte, name string, r Render) []byte {
	dst = append(dst, '{')
	to := f.fields[name]
	if to == nil {
		return append(dst, '}')
	}
	for i, v := range to.shown(r, r.byCount(name)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(meili.AppendString(dst, v.text), ':')
		dst = strconv.AppendInt(dst, int64(v.count), 10)
	}
	return append(dst, '}')
}

// shown gives the values that are shown. A text that is spelled as a number
// takes its place; where values are counted one by one the limit is held before
// that, else after each value, so that numbers which fill it exactly end it.
func (f *field) shown(r Render, byCount bool) []value {
	if f.joined {
		f.texts.arrange(byCount)
		return f.texts.values[:min(len(f.texts.values), max(r.Max, 0))]
	}
	oneByOne := !byCount && r.Candidates <= candidatesThreshold
	var list []value
	at := make(map[string]int)
	for n, c := range []*column{&f.numbers, &f.texts} {
		c.sort(n == 0 && !oneByOne, byCount)
		values := c.values
		if r.Max >= 0 && oneByOne {
			values = values[:min(len(values), max(r.Max-len(list), 0))]
		}
		for _, v := range values {
			if i, ok := at[v.text]; ok {
				list[i] = v
			} else {
				at[v.text] = len(list)
				list = append(list, v)
			}
			if !oneByOne && len(list) == r.Max {
				break
			}
		}
	}
	return list
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
		dst = append(meili.AppendString(dst, name), `:{"min":`...)
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

// Join adds another sum's facets, those that only keeps. It is for facets of
// several indexes: Meilisearch tells their values apart as they are spelled,
// and orders them so, numbers among the rest.
func (f *Facets) Join(other *Facets, r Render) {
	for name, from := range other.fields {
		if !r.Only(name) {
			continue
		}
		to := f.field(name)
		to.joined = true
		for _, v := range from.shown(r, r.byCount(name)) {
			to.texts.sum(value{text: v.text, norm: v.text, count: v.count})
		}
	}
	for name, b := range other.stats {
		if r.Only(name) {
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
		to = &field{}
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
