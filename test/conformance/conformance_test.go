// Package conformance holds the gateway to the recorded answers of a real
// Meilisearch, for every shape of a fleet.
package conformance

import (
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
	"github.com/miroir-gateway/miroir/test/recordings"
)

// documented are the scenarios that answer alike whatever the shape; the others
// rank documents, which is exact only where one node holds all of them.
var documented = []string{"indexes", "documents", "settings", "tasks", "keys", "misc"}

// ranked are the scenarios about search.
var ranked = []string{"search", "ranking", "multi", "vectors"}

func TestGatewayAnswersAsRecorded(t *testing.T) {
	for _, shape := range []struct {
		name      string
		fleet     fleet.Shape
		scenarios []string
	}{
		{"one", fleet.One, append(documented, ranked...)},
		{"copies", fleet.Copies, append(documented, ranked...)},
		{"groups", fleet.Groups, append(documented, ranked...)},
		{"pair", fleet.Shape{Groups: []int{2}, Replication: 1}, ranked},
		{"split", fleet.Split, ranked},
	} {
		known, err := recordings.ReadKnown("differences." + shape.name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		for _, scenario := range shape.scenarios {
			t.Run(shape.name+"/"+scenario, func(t *testing.T) {
				f := fleet.Start(t, shape.fleet)
				report := recordings.Replay(t, scenario, f.URL, fleet.MasterKey, recordings.Options{})
				t.Logf("%d of %d steps as recorded", report.Steps-len(report.Differences), report.Steps)
				report.Check(t, known)
			})
		}
	}
}
