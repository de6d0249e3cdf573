package parity

import (
	"fmt"
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

// String writes the table as Markdown.
func (t *table) String() string {
	var b strings.Builder
	b.WriteString("| shape | set | kind | queries | same |")
	for _, v := range verdicts[1:] {
		b.WriteString(" " + string(v) + " |")
	}
	b.WriteString(" to the letter |\n|---|---|---|---|---|" + strings.Repeat("---|", len(verdicts)) + "\n")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %.1f %% |", r.shape, r.set, r.kind, r.all, r.share(same))
		for _, v := range verdicts[1:] {
			if n := r.count[v]; n > 0 {
				fmt.Fprintf(&b, " %d |", n)
			} else {
				b.WriteString(" |")
			}
		}
		fmt.Fprintf(&b, " %.1f %% |\n", percent(r.whole, r.all))
	}
	return b.String()
}
