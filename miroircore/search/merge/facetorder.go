package merge

import (
	"container/heap"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/search/hit"
)

// sort puts values in the order in which Meilisearch gives them.
func (c *column) sort(bySize, byCount bool) {
	less := func(a, b value) int { return strings.Compare(a.norm, b.norm) }
	if bySize {
		less = func(a, b value) int { return compare(a.number, b.number) }
	}
	slices.SortFunc(c.values, less)
	c.index()
	if byCount {
		c.values = c.byCount()
		c.index()
	}
}

func (c *column) index() {
	for i, v := range c.values {
		c.at[v.norm] = i
	}
}

// arrange sorts the values of several indexes.
func (c *column) arrange(byCount bool) {
	slices.SortStableFunc(c.values, func(a, b value) int {
		if byCount {
			return b.count - a.count
		}
		return strings.Compare(a.norm, b.norm)
	})
	c.index()
}

// groupSize is how many entries Meilisearch's tree of facet values joins to one
// above them, fewestGroups of how many groups the least level that has a level
// above it consists, and oneBatch how many values it takes to have the whole
// tree built at once.
const (
	groupSize    = 4
	fewestGroups = 5
	oneBatch     = 1000
)

// byCount gives the values, which are sorted, by their counts. Meilisearch finds
// them by going down a tree, always into the entry with the greatest count, of
// several into the last. So the last of several values with one count comes
// first, but for those that stand alone in an entry that was not gone into yet.
func (c *column) byCount() []value {
	leaves := make([]*entry, 0, len(c.values))
	if len(c.tree) == 0 {
		for i := range c.values {
			leaves = append(leaves, &entry{count: c.values[i].count, left: i, value: &c.values[i]})
		}
	} else {
		for i, norm := range c.tree {
			e := &entry{left: i}
			if v := c.get(norm); v != nil {
				e.value, e.count = v, v.count
			}
			leaves = append(leaves, e)
		}
	}
	open := entries{}
	for _, e := range levels(leaves, len(c.tree) > 0) {
		open.offer(e)
	}
	out := make([]value, 0, len(c.values))
	for len(open) > 0 {
		e := heap.Pop(&open).(*entry)
		if e.value != nil {
			out = append(out, *e.value)
		}
		for _, below := range e.below {
			open.offer(below)
		}
	}
	return out
}

// levels builds the tree over its leaves and gives its highest level.
func levels(top []*entry, tree bool) []*entry {
	all := len(top)
	for tree && len(top) >= groupSize*fewestGroups {
		var above []*entry
		for group := range slices.Chunk(top, groupSize) {
			e := &entry{left: group[0].left, level: group[0].level + 1, below: group}
			for _, g := range group {
				e.count += g.count
			}
			above = append(above, e)
		}
		top = above
		if all <= oneBatch { // values that come one by one raise it by a level at most
			break
		}
	}
	return top
}

// entry is a value, or several that stand together.
type entry struct {
	count, level, left int
	value              *value
	below              []*entry
}

// entries is a heap, the next entry to go into on top.
type entries []*entry

func (h *entries) offer(e *entry) {
	if e.count > 0 {
		heap.Push(h, e)
	}
}

func (h entries) Len() int      { return len(h) }
func (h entries) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h entries) Less(i, j int) bool {
	a, b := h[i], h[j]
	switch {
	case a.count != b.count:
		return a.count > b.count
	case a.level != b.level:
		return a.level < b.level
	}
	return a.left > b.left
}

// Push implements heap.Interface.
func (h *entries) Push(e any) { *h = append(*h, e.(*entry)) }

// Pop implements heap.Interface.
func (h *entries) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	*h = (*h)[:last]
	return e
}

// Mixed are the fields that have numbers and texts. A text that is spelled as a
// number hides the number's count in an answer, so both have to be asked for.
func (f *Facets) Mixed(only func(string) bool) []string {
	return f.fieldsWhere(only, func(_ string, x *field) bool { return len(x.numbers.values) > 0 && len(x.texts.values) > 0 })
}

// Numeric are the fields that have numbers.
func (f *Facets) Numeric(only func(string) bool) []string {
	return f.fieldsWhere(only, func(_ string, x *field) bool { return len(x.numbers.values) > 0 })
}

// Cut are the fields of which a value is left out that is as frequent as one
// that is shown: which of them it is follows from all values of the index.
func (f *Facets) Cut(r Render) []string {
	return f.fieldsWhere(r.Only, func(name string, x *field) bool {
		return r.byCount(name) && (x.numbers.cut(r.Max) || x.texts.cut(r.Max-len(x.numbers.values)))
	})
}

func (c *column) cut(most int) bool {
	if most <= 0 || len(c.values) <= most || len(c.values) < groupSize*fewestGroups && len(c.tree) > 0 {
		return false
	}
	counts := make([]int, len(c.values))
	for i, v := range c.values {
		counts[i] = v.count
	}
	slices.Sort(counts)
	return counts[len(counts)-most] == counts[len(counts)-most-1]
}

func (f *Facets) fieldsWhere(only func(string) bool, wanted func(string, *field) bool) []string {
	var list []string
	for _, name := range keys(f.fields) {
		if (only == nil || only(name)) && wanted(name, f.fields[name]) {
			list = append(list, name)
		}
	}
	return list
}

// Tree tells all values that a field has in the index, in a sum over it.
func (f *Facets) Tree(name string, index *Facets) {
	from, to := index.fields[name], f.fields[name]
	if from == nil || to == nil {
		return
	}
	for i, c := range []*column{&from.numbers, &from.texts} {
		c.sort(i == 0, false)
		tree := make([]string, len(c.values))
		for n, v := range c.values {
			tree[n] = v.norm
		}
		[]*column{&to.numbers, &to.texts}[i].tree = tree
	}
}

// Text is a value of a facet that is no number, and how many documents have it.
type Text struct {
	Text, Norm string
	Count      int
}

// Split corrects the values of a mixed field by all its texts and by a sum over
// the documents in which it is a number.
func (f *Facets) Split(name string, numbers *Facets, texts []Text) {
	to := f.fields[name]
	if to == nil {
		return
	}
	told := *to
	*to = field{numbers: column{tree: told.numbers.tree}, texts: column{tree: told.texts.tree}}
	for _, t := range texts {
		v := value{text: t.Text, norm: t.Norm, count: t.Count}
		if shown := told.texts.get(t.Norm); shown != nil {
			v.text, v.disputed = shown.text, shown.disputed
		}
		to.texts.sum(v)
	}
	sure := numbers.fields[name]
	for _, c := range []*column{&told.numbers, &told.texts} {
		for _, v := range c.values {
			n, ok := asNumber(v.text)
			if !ok {
				continue
			}
			if to.texts.get(hit.Normalize(v.text)) != nil { // the count is the text's
				if sure == nil || sure.numbers.get(v.text) == nil || to.numbers.get(v.text) != nil {
					continue
				}
				v.count = sure.numbers.get(v.text).count
			}
			v.norm, v.number, v.disputed = v.text, n, false
			to.numbers.sum(v)
		}
	}
}

// Guess takes the texts of a mixed field that are spelled as numbers for numbers,
// where nothing more can be learned.
func (f *Facets) Guess(name string) {
	texts := slices.DeleteFunc(f.Texts(name), func(t Text) bool { _, number := asNumber(t.Text); return number })
	f.Split(name, &Facets{}, texts)
}

// Hidden are a field's numbers that texts are spelled as, where not all values are
// shown: how many documents have these the counts do not tell.
func (f *Facets) Hidden(name string, most int) []string {
	to := f.fields[name]
	if to == nil || len(to.numbers.values)+len(to.texts.values) <= most {
		return nil
	}
	var list []string
	for _, v := range to.numbers.values {
		if to.texts.get(v.norm) != nil {
			list = append(list, v.text)
		}
	}
	return list
}

// Recount sets how many documents have a number; none has it where count is 0.
func (f *Facets) Recount(name, number string, count int) {
	to := f.fields[name]
	if to == nil || to.numbers.get(number) == nil {
		return
	}
	to.numbers.get(number).count = count
	if count == 0 {
		to.numbers.values = slices.DeleteFunc(to.numbers.values, func(v value) bool { return v.norm == number })
		clear(to.numbers.at)
		to.numbers.index()
	}
}

// Texts are the values of a field, whatever they look like.
func (f *Facets) Texts(name string) []Text {
	to := f.fields[name]
	if to == nil {
		return nil
	}
	var list []Text
	for _, c := range []*column{&to.numbers, &to.texts} {
		for _, v := range c.values {
			list = append(list, Text{v.text, v.norm, v.count})
		}
	}
	return list
}

// Disputed are a field's texts that answers spell in different ways.
func (f *Facets) Disputed(only func(string) bool) map[string][]string {
	var all map[string][]string
	for _, name := range f.fieldsWhere(only, func(string, *field) bool { return true }) {
		for _, v := range f.fields[name].texts.values {
			if v.disputed {
				if all == nil {
					all = make(map[string][]string)
				}
				all[name] = append(all[name], v.norm)
			}
		}
	}
	return all
}

// Spell sets how a field's text is spelled.
func (f *Facets) Spell(name, norm, text string) {
	if to := f.fields[name]; to != nil {
		if v := to.texts.get(norm); v != nil {
			v.text, v.disputed = text, false
		}
	}
}
