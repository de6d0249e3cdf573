package recordings

import (
	"fmt"
	"strconv"
	"strings"
)

// surroundings are the fields of a search answer that are not its hits, totals
// or facets.
var surroundings = map[string]bool{
	"requestUid": true, "processingTimeMs": true, "metadata": true, "performanceDetails": true,
}

// openEnded are the fields whose own names differ from run to run: timings by
// step. Only that they are there is compared.
var openEnded = map[string]bool{
	"progressTrace": true, "performanceDetails": true, "internalDatabaseSizes": true,
}

// compare says where got differs from want; an empty text means nowhere.
func compare(mode Mode, want, got *value) string {
	want.normalise()
	got.normalise()
	c := comparison{mode: mode}
	return c.values("", want, got)
}

type comparison struct{ mode Mode }

func (c comparison) values(path string, want, got *value) string {
	if want.kind != got.kind {
		return fmt.Sprintf("at %s: wants %s, got %s", at(path), short(want), short(got))
	}
	switch want.kind {
	case '{':
		return c.objects(path, want, got)
	case '[':
		return c.arrays(path, want, got)
	}
	if c.mode == Shape || want.text == got.text || want.kind == 'n' && sameNumber(want.text, got.text) {
		return ""
	}
	return fmt.Sprintf("at %s: wants %s, got %s", at(path), short(want), short(got))
}

func (c comparison) objects(path string, want, got *value) string {
	if c.mode == Hits {
		want, got = want.without(surroundings), got.without(surroundings)
	}
	if w, g := strings.Join(want.names, ", "), strings.Join(got.names, ", "); w != g {
		return fmt.Sprintf("at %s: wants the fields %s in this order, got %s", at(path), w, g)
	}
	for i, name := range want.names {
		if c.mode == Shape && openEnded[name] {
			continue
		}
		if d := c.values(path+"."+name, want.values[i], got.values[i]); d != "" {
			return d
		}
	}
	return ""
}

func (c comparison) arrays(path string, want, got *value) string {
	if len(want.values) != len(got.values) {
		return fmt.Sprintf("at %s: wants %d elements, got %d: wants %s, got %s",
			at(path), len(want.values), len(got.values), short(want), short(got))
	}
	for i := range want.values {
		if d := c.values(path+"["+strconv.Itoa(i)+"]", want.values[i], got.values[i]); d != "" {
			return d
		}
	}
	return ""
}

// without leaves fields out of an object.
func (v *value) without(names map[string]bool) *value {
	kept := &value{kind: v.kind}
	for i, name := range v.names {
		if !names[name] {
			kept.names = append(kept.names, name)
			kept.values = append(kept.values, v.values[i])
		}
	}
	return kept
}

// sameNumber holds for two spellings of one number, so long as both are written
// as integers or both as floats: a client's typed decoder sees that difference.
func sameNumber(a, b string) bool {
	if strings.ContainsAny(a, ".eE") != strings.ContainsAny(b, ".eE") {
		return false
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

func at(path string) string {
	if path == "" {
		return "the root"
	}
	return path
}

func short(v *value) string {
	const most = 400
	text := v.String()
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
