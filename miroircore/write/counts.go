package write

import (
	"encoding/json"
)

// sum adds up a count that nodes report in their details: over one group whose
// nodes all reported, divided by the copies; where no group is complete, over
// all that reported, in proportion.
func (w *Writer) sum(o *operation, field string) uint64 {
	if o.bind.placement == nil {
		return 0
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	counts := make(map[string]uint64)
	for i := range o.bind.Targets {
		t := &o.bind.Targets[i]
		if !t.applied() || len(t.outcomes) == 0 {
			continue
		}
		var details map[string]json.RawMessage
		var n uint64
		if json.Unmarshal(t.outcomes[len(t.outcomes)-1].Details, &details) == nil && json.Unmarshal(details[field], &n) == nil {
			counts[t.Node] = n
		}
	}
	var all, parts, whole uint64
	for _, g := range o.bind.placement.Groups {
		nodes := make(map[string]bool)
		complete, copies := true, 0
		for _, s := range o.touched {
			copies = max(copies, len(g.Shards[s]))
			for _, id := range g.Shards[s] {
				nodes[id] = true
				whole++
				if _, ok := counts[id]; ok {
					parts++
				} else {
					complete = false
				}
			}
		}
		var total uint64
		for id := range nodes {
			total += counts[id]
		}
		if complete && copies > 0 {
			return total / uint64(copies)
		}
		all += total
	}
	if parts == 0 || len(o.touched) == 0 {
		return 0
	}
	return all * whole / parts / max(1, whole/uint64(len(o.touched)))
}
