package parity

import (
	"fmt"
	"slices"
	"strings"
)

// row counts verdicts.
type row struct {
	shape, set string
	kind       kind
	count      map[verdict]int
	whole, all int
}

// table is rows in the order in which they were first met.
type table struct{ rows []*row }

func (t *table) add(shape, set string, k kind, v verdict, whole bool) {
	var r *row
	for _, known := range t.rows {
		if known.shape == shape && known.set == set && known.kind == k {
			r = known
		}
	}
	if r == nil {
		r = &row{shape: shape, set: set, kind: k, count: map[verdict]int{}}
		t.rows = append(t.rows, r)
	}
	r.count[v]++
	r.all++
	if whole {
		r.whole++
	}
}

// sum adds up the rows that are wanted.
func (t *table) sum(wanted func(*row) bool) *row {
	out := &row{count: map[verdict]int{}}
	for _, r := range t.rows {
		if !wanted(r) {
			continue
		}
		for v, n := range r.count {
			out.count[v] += n
		}
		out.whole += r.whole
		out.all += r.all
	}
	return out
}

// share is the part of the queries that have the verdict, in percent.
func (r *row) share(v verdict) float64 { return percent(r.count[v], r.all) }

func percent(n, of int) float64 {
	if of == 0 {
		return 100
	}
	return 100 * float64(n) / float64(of)
}

// String writes the table as Markdown: a line for each kind of query of a set, a
// column for each shape.
func (t *table) String() string {
	var b strings.Builder
	var shapes []string
	var lines [][2]string
	for _, r := range t.rows {
		if !slices.Contains(shapes, r.shape) {
			shapes = append(shapes, r.shape)
		}
		if line := [2]string{r.set, string(r.kind)}; !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	b.WriteString("| set | kind | queries | " + strings.Join(shapes, " | ") + " |\n|---|---|---|" + strings.Repeat("---|", len(shapes)) + "\n")
	for _, line := range append(lines, [2]string{"all", ""}) {
		all := 0
		var cells []string
		for _, shape := range shapes {
			r := t.sum(func(r *row) bool {
				return r.shape == shape && (line[0] == "all" || r.set == line[0] && string(r.kind) == line[1])
			})
			all = max(all, r.all)
			cells = append(cells, r.String())
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s |\n", line[0], line[1], all, strings.Join(cells, " | "))
	}
	b.WriteString("| all | to the letter | |")
	for _, shape := range shapes {
		r := t.sum(func(r *row) bool { return r.shape == shape })
		fmt.Fprintf(&b, " %.1f %% |", percent(r.whole, r.all))
	}
	return b.String() + "\n"
}

// String tells which share is the same, and of the rest what differs.
func (r *row) String() string {
	share := r.share(same)
	text := "100 %"
	if r.count[same] < r.all {
		text = fmt.Sprintf("%.1f %%", min(share, 99.9))
	}
	var rest []string
	for _, v := range verdicts[1:] {
		if n := r.count[v]; n > 0 {
			rest = append(rest, fmt.Sprintf("%d %s", n, v))
		}
	}
	if len(rest) > 0 {
		text += " (" + strings.Join(rest, ", ") + ")"
	}
	return text
}
