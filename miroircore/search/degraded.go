package search

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// degraded is the text of X-Miroir-Degraded: which shards are missing, and
// which are answered from a copy that is behind because there is no other.
func (g *gathered) degraded() string {
	stale := g.layout.None()
	for _, p := range g.parts {
		if p.behind {
			union(stale, p.leg.Shards)
		}
	}
	text := ""
	if g.missing.Len() > 0 {
		text += "; shards=" + numbers(g.missing)
	}
	if stale.Len() > 0 {
		text += "; stale=" + numbers(stale)
	}
	if text == "" {
		return ""
	}
	return "group=" + strings.Join(g.layout.Groups(), "+") + text
}

func numbers(shards plan.Set) string {
	var list []string
	for _, s := range shards.Shards() {
		list = append(list, strconv.Itoa(s))
	}
	return strings.Join(list, ",")
}

func shardList(missing plan.Set) string {
	list := missing.Shards()
	const most = 8
	text := make([]string, 0, most+1)
	for i, s := range list {
		if i == most {
			text = append(text, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		text = append(text, strconv.Itoa(s))
	}
	if len(list) == 1 {
		return "shard " + text[0]
	}
	return "shards " + strings.Join(text, ", ")
}
