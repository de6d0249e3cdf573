package recordings_test

import (
	"os"
	"testing"

	"github.com/miroir-gateway/miroir/test/minimeili"
	"github.com/miroir-gateway/miroir/test/recordings"
)

// target is a kind of server the recordings are held against.
type target struct {
	name  string
	start func(t *testing.T) string
}

func targets() []target {
	all := []target{{"minimeili", func(t *testing.T) string {
		return minimeili.Run(t, minimeili.WithMasterKey(recordings.MasterKey), minimeili.WithDumpDir(t.TempDir())).URL()
	}}}
	if binary := os.Getenv(realBinary); binary != "" {
		all = append(all, target{"meilisearch", func(t *testing.T) string { return startReal(t, binary) }})
	}
	return all
}

func TestEveryStepAnswersAsRecorded(t *testing.T) {
	for _, target := range targets() {
		known, err := recordings.ReadKnown("differences." + target.name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		for _, scenario := range recordings.Scenarios() {
			t.Run(target.name+"/"+scenario, func(t *testing.T) {
				report := recordings.Replay(t, scenario, target.start(t), recordings.MasterKey, recordings.Options{})
				t.Logf("%d of %d steps as recorded", report.Steps-len(report.Differences), report.Steps)
				report.Check(t, known)
			})
		}
	}
}
