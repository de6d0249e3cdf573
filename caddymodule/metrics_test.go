package caddymodule

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/miroir-gateway/miroir/miroircore/metrics"
)

func TestMetricsAreDocumented(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	described := make(chan *prometheus.Desc, 100)
	for _, c := range metrics.New().Collectors() {
		c.Describe(described)
	}
	close(described)
	name := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	count := 0
	for d := range described {
		found := name.FindStringSubmatch(d.String())
		if found == nil {
			t.Fatalf("cannot read %s", d)
		}
		row := regexp.MustCompile("(?m)^\\| `" + found[1] + "` \\| [a-z]+ \\| ?" + strings.ReplaceAll(found[2], ",", ", ") + " ?\\|")
		if !row.Match(content) {
			t.Errorf("docs/metrics.md lacks %s with labels {%s}", found[1], found[2])
		}
		count++
	}
	if rows := strings.Count(string(content), "\n| `miroir_"); rows != count {
		t.Errorf("docs/metrics.md has %d metrics, there are %d", rows, count)
	}
}

// Every configuration of a process has a registry of its own.
func TestCollectorsGoIntoEachRegistryAndTwiceIntoOne(t *testing.T) {
	for range 2 {
		registry := prometheus.NewPedanticRegistry()
		for range 2 {
			if err := registerCollectors(registry); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := registry.Gather(); err != nil {
			t.Error(err)
		}
	}
}
