// Package format knows how the gateway's state was kept by earlier versions: it
// has the step from each format of the state to the next. A state file says which
// format it has; bolt takes the steps that it has not seen when it opens it.
package format

import (
	"encoding/json"
	"fmt"

	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/bolt"
)

// Steps lead from each format to the next one: the format of a state is the
// number of them that it has seen. What an older step does is never changed, and
// it knows the form of its own time only.
var Steps = []bolt.Migration{promisedCopies}

// promisedCopies has each group of a placement say how many copies it is to
// have. Format 0 had placements that did not, and a quorum was taken of as many
// as there were.
func promisedCopies(tx state.Tx) error {
	const table = "indexes"
	changed := make(map[string][]byte)
	var bad error
	err := tx.Scan(table, nil, func(key, value []byte) bool {
		var next []byte
		if next, bad = withCopies(value); bad != nil {
			bad = fmt.Errorf("index %s: %w", key, bad)
		} else if next != nil {
			changed[string(key)] = next
		}
		return bad == nil
	})
	if bad != nil {
		return bad
	}
	for uid, value := range changed {
		if err := tx.Put(table, []byte(uid), value); err != nil {
			return err
		}
	}
	return err
}

// withCopies gives an index's record with the copies of its groups, nil where
// they are there already.
func withCopies(raw []byte) ([]byte, error) {
	var record, placement map[string]json.RawMessage
	if err := json.Unmarshal(raw, &record); err != nil {
		return nil, err
	}
	if len(record["placement"]) == 0 || string(record["placement"]) == "null" {
		return nil, nil
	}
	if err := json.Unmarshal(record["placement"], &placement); err != nil {
		return nil, err
	}
	var groups []struct {
		ID     string     `json:"id"`
		Copies int        `json:"copies"`
		Shards [][]string `json:"shards"`
	}
	if err := json.Unmarshal(placement["groups"], &groups); err != nil {
		return nil, err
	}
	changed := false
	for i := range groups {
		if groups[i].Copies > 0 {
			continue
		}
		for _, replicas := range groups[i].Shards {
			groups[i].Copies = max(groups[i].Copies, len(replicas))
		}
		changed = changed || groups[i].Copies > 0
	}
	if !changed {
		return nil, nil
	}
	var err error
	if placement["groups"], err = json.Marshal(groups); err != nil {
		return nil, err
	}
	if record["placement"], err = json.Marshal(placement); err != nil {
		return nil, err
	}
	return json.Marshal(record)
}
