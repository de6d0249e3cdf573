package search

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// degraded is the text of X-Miroir-Degraded.
func (g *gathered) degraded() string {
	if g.missing.Len() == 0 {
		return ""
	}
	var numbers []string
	for _, s := range g.missing.Shards() {
		numbers = append(numbers, strconv.Itoa(s))
	}
	return "group=" + strings.Join(g.layout.Groups(), "+") + "; shards=" + strings.Join(numbers, ",")
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
