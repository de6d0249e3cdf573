package memory

import (
	"bytes"
	"slices"
	"sort"
)

// maxRun is how long a run of rows may grow before it is split in two.
const maxRun = 512

type row struct{ key, value []byte }

// table holds rows in key order, in runs of bounded length: adding or removing
// one moves a run's rows, not the table's. No run is empty.
type table struct{ runs [][]row }

// find gives the run that key belongs into, its place there, and whether it is there.
func (t *table) find(key []byte) (run, at int, found bool) {
	run = max(0, sort.Search(len(t.runs), func(i int) bool { return bytes.Compare(t.runs[i][0].key, key) > 0 })-1)
	if len(t.runs) == 0 {
		return 0, 0, false
	}
	at, found = slices.BinarySearchFunc(t.runs[run], key, func(r row, key []byte) int { return bytes.Compare(r.key, key) })
	return run, at, found
}

func (t *table) get(key []byte) ([]byte, bool) {
	run, at, found := t.find(key)
	if !found {
		return nil, false
	}
	return t.runs[run][at].value, true
}

func (t *table) put(key, value []byte) {
	run, at, found := t.find(key)
	switch {
	case found:
		t.runs[run][at].value = value
	case len(t.runs) == 0:
		t.runs = [][]row{{{key, value}}}
	default:
		t.runs[run] = slices.Insert(t.runs[run], at, row{key, value})
		if whole := t.runs[run]; len(whole) > maxRun {
			// Keys that come in order fill a run before the next one begins.
			half := maxRun
			if at < maxRun {
				half = maxRun / 2
			}
			t.runs[run] = slices.Clip(whole[:half])
			t.runs = slices.Insert(t.runs, run+1, slices.Clone(whole[half:]))
		}
	}
}

func (t *table) remove(key []byte) {
	run, at, found := t.find(key)
	if !found {
		return
	}
	t.runs[run] = slices.Delete(t.runs[run], at, at+1)
	if len(t.runs[run]) == 0 {
		t.runs = slices.Delete(t.runs, run, run+1)
	}
}

func (t *table) scan(from []byte, fn func(key, value []byte) bool) {
	if len(t.runs) == 0 {
		return
	}
	run, at, _ := t.find(from)
	for ; run < len(t.runs); run, at = run+1, 0 {
		for _, r := range t.runs[run][at:] {
			if !fn(r.key, r.value) {
				return
			}
		}
	}
}
