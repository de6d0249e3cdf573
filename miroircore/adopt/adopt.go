// Package adopt brings an existing Meilisearch into the fleet: experimental
// features, keys, and indexes with their settings and documents.
//
// It keeps no state of its own. What is there already is found out by asking
// both sides, so that a run that was broken off, or that is repeated because the
// source has changed, sends what is missing and no more. Documents are read page
// by page; each page is compared with what the gateway has of the same ids; at
// the end both sides are summed up over the contents of all documents, and only
// equal sums count as done.
package adopt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// Options are what to adopt from where.
type Options struct {
	// Source is the server that is adopted, From its address as it is shown and
	// noted with the tasks of the import.
	Source *node.Client
	From   string
	// Target is the gateway, asked with all rights.
	Target *node.Client
	// Indexes are patterns of those wanted, as in a shell; none means all.
	Indexes []string
	// EmbedderKeys are the secrets of embedders, by index/embedder: a server does
	// not show them. WithoutKeys goes on where one is missing.
	EmbedderKeys map[string]string
	WithoutKeys  bool
	// SkipKeys leaves the API keys out.
	SkipKeys bool
	// Overwrite takes an index though others wrote to it on the gateway; Delete
	// removes what the source does not have.
	Overwrite, Delete bool
	// Rate bounds the documents a second, 0 for no bound.
	Rate int
	// Patience is for how long a side that does not answer is asked again; five
	// minutes if 0.
	Patience time.Duration
	// Progress is told how far things are, often; nil tells nobody.
	Progress func(Event)
}

const patience = 5 * time.Minute

// adoption is one import under way.
type adoption struct {
	Options
	source, target *side
}

func (o *Options) begin() *adoption {
	a := &adoption{Options: *o}
	if a.Progress == nil {
		a.Progress = func(Event) {}
	}
	if a.Patience == 0 {
		a.Patience = patience
	}
	a.source = &side{Client: o.Source, name: "the source", patience: a.Patience, tell: a.Progress}
	a.target = &side{Client: o.Target, name: "the gateway", patience: a.Patience, tell: a.Progress}
	return a
}

// metadata marks the tasks of an import, by which an index is known to have been
// written by it alone.
func (a *adoption) metadata() string { return "miroir import from " + a.From }

// Report is what came of an import.
type Report struct {
	// Features and Keys are what was turned on and made.
	Features []string  `json:"features"`
	Keys     int       `json:"keys"`
	Indexes  []*Result `json:"indexes"`
	// Notes are what the gateway did not take, in words.
	Notes []string `json:"notes"`
}

// Unequal counts the indexes that are not what the source has.
func (r *Report) Unequal() (n int) {
	for _, result := range r.Indexes {
		if !result.Equal {
			n++
		}
	}
	return n
}

// Run carries a plan out. The report is there with an error too: what was done
// stays, and the same plan drawn anew goes on from there.
func (p *Plan) Run(ctx context.Context) (*Report, error) {
	report := new(Report)
	if len(p.Problems) > 0 {
		return report, errors.New("the plan has problems: nothing was done")
	}
	a := p.adoption
	if err := a.turnOn(ctx, p.Features, report); err != nil {
		return report, err
	}
	if err := a.makeKeys(ctx, p.Keys, report); err != nil {
		return report, err
	}
	for _, ix := range p.Indexes {
		if err := a.create(ctx, ix); err != nil {
			return report, fmt.Errorf("create index %s: %w", ix.UID, err)
		}
	}
	for _, ix := range p.Indexes {
		result := &Result{UID: ix.UID}
		report.Indexes = append(report.Indexes, result)
		err := a.carry(ctx, ix, result)
		if err != nil && (node.AnswerOf(err) == nil || passing(err)) {
			result.Said = "not finished"
			return report, fmt.Errorf("index %s: %w", ix.UID, err)
		}
		if err != nil {
			result.Said = err.Error() // its own fault: the others go on
		}
	}
	return report, nil
}
