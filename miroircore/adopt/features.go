package adopt

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// elsewhere are the experimental features that mean nothing to a fleet, with
// what to do instead.
var elsewhere = map[string]string{
	"chatCompletions":    "chats and the chat settings of indexes are not taken; give chats a server of their own, with its search here",
	"dynamicSearchRules": "dynamic search rules are not taken",
	"network":            "the fleet is the network",
	"logsRoute":          "nodes log by themselves",
	"renderRoute":        "templates are rendered by nodes",
	"vectorStore":        "",
}

func (p *Plan) planFeatures(source, target *server) {
	for _, name := range slices.Sorted(maps.Keys(source.features)) {
		if !source.features[name] || target.features[name] {
			continue
		}
		why, stays := elsewhere[name]
		_, known := target.features[name]
		switch {
		case stays && why != "":
			p.note("the experimental feature %s stays off: %s", name, why)
		case stays:
		case !known:
			p.note("the experimental feature %s is unknown to the gateway and stays off", name)
		default:
			p.Features = append(p.Features, name)
		}
	}
}

func (a *adoption) turnOn(ctx context.Context, features []string, report *Report) error {
	if len(features) == 0 {
		return nil
	}
	on := map[string]bool{}
	for _, name := range features {
		on[name] = true
	}
	if err := a.target.do(ctx, http.MethodPatch, "/experimental-features", on, nil); err != nil {
		return fmt.Errorf("turn experimental features on: %w", err)
	}
	report.Features = features
	return nil
}
