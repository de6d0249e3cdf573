package engine

import (
	"encoding/json"
	"slices"
	"strings"
)

// embedder is one configured embedder. The double computes no embeddings: it
// knows those that documents and queries bring along.
type embedder struct {
	name       string
	source     string
	dimensions int
	binary     bool
	shift      *distribution
}

// distribution moves similarities that crowd around a mean.
type distribution struct{ Mean, Sigma float32 }

func (c *config) readEmbedders(raw json.RawMessage) error {
	if len(raw) == 0 {
		return nil
	}
	var w map[string]*struct {
		Source          string
		Dimensions      int
		BinaryQuantized bool
		Distribution    *distribution
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	for name, e := range w {
		if e == nil {
			continue
		}
		c.embedders = append(c.embedders, embedder{name, e.Source, e.Dimensions, e.BinaryQuantized, e.Distribution})
	}
	slices.SortFunc(c.embedders, func(a, b embedder) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (c *config) embedder(name string) (*embedder, bool) {
	for i := range c.embedders {
		if c.embedders[i].name == name {
			return &c.embedders[i], true
		}
	}
	return nil, false
}

// apply maps a similarity to a distribution with mean 0.5 and deviation 0.4.
func (d *distribution) apply(score float32) float32 {
	if d == nil || d.Sigma <= 0 {
		return score
	}
	factor := 0.4 / d.Sigma
	offset := 0.5 - factor*d.Mean
	score = factor*score + offset
	if score <= 0 {
		return 1.1920929e-7
	}
	return min(score, 1)
}
