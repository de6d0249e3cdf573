package caddymodule

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/merge/mergetest"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
	"github.com/miroir-gateway/miroir/miroircore/search/plan/plantest"
)

func TestModulesReachTheEngine(t *testing.T) {
	base := `{"master_key":"k","node_keys":["k"],` + twoNodes
	for name, c := range map[string]struct {
		config string
		policy plan.Policy
		merger merge.Merger
	}{
		"by default":  {``, plan.NewAdaptive(nil), merge.Details{}},
		"adaptive":    {`,"selection":{"policy":"adaptive"},"merger":{"merger":"details"}`, plan.NewAdaptive(nil), merge.Details{}},
		"round_robin": {`,"selection":{"policy":"round_robin"},"merger":{"merger":"rrf","k":7}`, plan.NewRoundRobin(), &merge.RRF{K: 7}},
		"random":      {`,"selection":{"policy":"random"},"merger":{"merger":"dfs","depth":9}`, plan.NewRandom(), &merge.DFS{Depth: 9}},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := provisioned(t, base+c.config+`}`)
			if err != nil {
				t.Fatal(err)
			}
			if reflect.TypeOf(app.config.Selection) != reflect.TypeOf(c.policy) || !reflect.DeepEqual(app.config.Merger, c.merger) {
				t.Errorf("the engine gets %T and %+v", app.config.Selection, app.config.Merger)
			}
		})
	}
}

// Every module of the two namespaces keeps to the suite of its interface, those
// of others that a build adds as well.
func TestModulesKeepToTheirInterfaces(t *testing.T) {
	for _, info := range caddy.GetModules("miroir.selection_policies") {
		t.Run(string(info.ID), func(t *testing.T) {
			module, ok := info.New().(SelectionPolicy)
			if !ok {
				t.Fatalf("%T chooses between no copies", info.New())
			}
			plantest.Policy(t, func(func() time.Time) plan.Policy { return module.Policy() })
		})
	}
	for _, info := range caddy.GetModules("miroir.mergers") {
		t.Run(string(info.ID), func(t *testing.T) {
			module, ok := info.New().(Merger)
			if !ok {
				t.Fatalf("%T orders no hits", info.New())
			}
			mergetest.Merger(t, module.Merger())
		})
	}
}

func TestReferenceNamesEachExtension(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "extensions.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"miroir.selection_policies", "miroir.mergers"} {
		for _, info := range caddy.GetModules(namespace) {
			if !strings.Contains(string(page), "`"+info.ID.Name()) {
				t.Errorf("docs/extensions.md does not name %s", info.ID)
			}
		}
	}
}
