package adopt

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// Plan is what an import is going to do.
type Plan struct {
	// Source and Target are the versions of both sides.
	Source string `json:"source"`
	Target string `json:"target"`
	// Features are the experimental features to turn on.
	Features []string     `json:"features"`
	Keys     []KeyPlan    `json:"keys"`
	Indexes  []*IndexPlan `json:"indexes"`
	// Problems keep the plan from being carried out; Notes are what the gateway
	// does not take, and what else an operator should know.
	Problems []string `json:"problems"`
	Notes    []string `json:"notes"`

	adoption *adoption
}

// IndexPlan is what is to be done with one index.
type IndexPlan struct {
	UID        string `json:"uid"`
	PrimaryKey string `json:"primaryKey"`
	// Documents are those of the source, Here those that the gateway has; New says
	// that it does not have the index.
	Documents uint64 `json:"documents"`
	Here      uint64 `json:"here"`
	New       bool   `json:"new"`
	// Settings are the names of those that differ.
	Settings []string `json:"settings"`

	change settingsChange
	named  bool // the index here has a primary key
}

// Draw looks at both sides and gives the plan. It changes nothing.
func Draw(ctx context.Context, o Options) (*Plan, error) {
	a := o.begin()
	if err := a.look(ctx); err != nil {
		return nil, err
	}
	source, err := a.source.survey(ctx, !a.SkipKeys)
	if err != nil {
		return nil, a.unlike(err)
	}
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	target, err := a.target.survey(ctx, !a.SkipKeys)
	if err != nil {
		return nil, fmt.Errorf("looking at what the gateway has: %w", err)
	}
	p := &Plan{Source: source.version, Target: target.version, adoption: a}
	p.planFeatures(source, target)
	p.planKeys(source, target)
	if err := p.planIndexes(ctx, source, target); err != nil {
		return nil, err
	}
	return p, p.noteOthers(ctx)
}

// ready asks whether the fleet can be written to.
func (a *adoption) ready(ctx context.Context) error {
	if err := a.target.once(ctx, a.target.Health); err != nil {
		return fmt.Errorf("the fleet is not ready; `caddy miroir status` says why: %w", err)
	}
	return nil
}

func (p *Plan) problem(format string, args ...any) {
	p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
}

func (p *Plan) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

func (p *Plan) planIndexes(ctx context.Context, source, target *server) error {
	a := p.adoption
	for _, ix := range source.indexes {
		if !a.wanted(ix.UID) {
			continue
		}
		planned := &IndexPlan{UID: ix.UID, Documents: source.stats[ix.UID].NumberOfDocuments, New: true}
		if ix.PrimaryKey != nil {
			planned.PrimaryKey = *ix.PrimaryKey
		}
		p.Indexes = append(p.Indexes, planned)
		if err := request.IndexUID(ix.UID); err != nil {
			p.problem("index %s: %s Rename it, or leave it out with --index", ix.UID, err.Message)
			continue
		}
		p.reserved(ix.UID, source.stats[ix.UID])
		if here := target.index(ix.UID); here != nil {
			planned.New, planned.Here = false, target.stats[ix.UID].NumberOfDocuments
			if err := p.compare(ctx, planned, here); err != nil {
				return err
			}
		}
		if err := p.planSettings(ctx, planned); err != nil {
			return err
		}
	}
	if len(p.Indexes) == 0 {
		p.note("no index of %s is to be imported: it has %d", a.From, len(source.indexes))
	}
	for _, pattern := range a.Indexes {
		if !slices.ContainsFunc(source.indexes, func(ix meili.Index) bool { return matches(pattern, ix.UID) }) {
			p.problem("%s has no index %s", a.From, pattern)
		}
	}
	return nil
}

// reserved finds documents that no gateway can take, by their fields.
func (p *Plan) reserved(uid string, stats meili.IndexStats) {
	var names []string
	for name := range stats.FieldDistribution {
		if strings.HasPrefix(name, hidden.Prefix) && !strings.Contains(name, ".") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		p.problem("index %s: %d documents have the field %s; names that start with %s are the gateway's: rename it at the source, or leave the index out with --index",
			uid, stats.FieldDistribution[name], name, hidden.Prefix)
	}
}

// compare looks at an index that the gateway has already.
func (p *Plan) compare(ctx context.Context, planned *IndexPlan, here *meili.Index) error {
	planned.named = here.PrimaryKey != nil
	if planned.named && *here.PrimaryKey != planned.PrimaryKey {
		p.problem("index %s has the primary key %q here and %q at the source: delete it here (DELETE /indexes/%[1]s), or leave it out with --index",
			planned.UID, *here.PrimaryKey, planned.PrimaryKey)
		return nil
	}
	if planned.Here == 0 || p.adoption.Overwrite {
		return nil
	}
	other, err := p.adoption.others(ctx, planned.UID)
	if err == nil && other != "" {
		p.problem("index %s: %s: delete it here (DELETE /indexes/%[1]s), leave it out with --index, or make its documents those of the source with --overwrite",
			planned.UID, other)
	}
	return err
}

// listed is how many of the last writes of an index are looked at.
const listed = 1000

// others says who else than an import from this source has written documents of
// an index, "" where nobody has: what clients have written must not be lost by
// running an import once too often.
func (a *adoption) others(ctx context.Context, uid string) (string, error) {
	var page meili.TaskPage
	q := node.TaskQuery{IndexUIDs: []string{uid}, Limit: listed,
		Types: []meili.TaskType{meili.TypeDocumentAdditionOrUpdate, meili.TypeDocumentDeletion, meili.TypeDocumentEdition}}
	if err := a.target.get(ctx, "/tasks?"+q.String(), &page); err != nil {
		return "", fmt.Errorf("asking who wrote to index %s: %w", uid, err)
	}
	ours := false
	for i := range page.Results {
		t := &page.Results[i]
		switch {
		case t.Status == meili.StatusFailed || t.Status == meili.StatusCanceled:
		case t.CustomMetadata == nil || *t.CustomMetadata != a.metadata():
			return fmt.Sprintf("it was written to by others than this import (task %d)", t.UID), nil
		default:
			ours = true
		}
	}
	if !ours {
		return "it was there before, and no task says that it comes from " + a.From, nil
	}
	return "", nil
}

// noteOthers names what a server may have and the gateway does not take.
func (p *Plan) noteOthers(ctx context.Context) error {
	s := p.adoption.source
	var hooks meili.Page[meili.Webhook]
	if err := s.get(ctx, "/webhooks", &hooks); absent(err) != nil {
		return fmt.Errorf("looking for webhooks: %w", err)
	}
	for _, hook := range hooks.Results {
		if u, err := url.Parse(hook.URL); err == nil {
			p.note("the webhook to %s is not taken, since its secrets are not shown: make it here (POST /webhooks) when clients have moved", u.Host)
		}
	}
	var tasks meili.TaskPage
	q := node.TaskQuery{Statuses: []meili.TaskStatus{meili.StatusEnqueued, meili.StatusProcessing}, Limit: 1}
	if err := s.get(ctx, "/tasks?"+q.String(), &tasks); absent(err) != nil {
		return fmt.Errorf("looking for tasks under way: %w", err)
	}
	if tasks.Total > 0 {
		p.note("the source has %d tasks under way: import again when they have ended", tasks.Total)
	}
	return nil
}

// absent forgives that a route does not exist, or that the key may not use it.
func absent(err error) error {
	if answer := node.AnswerOf(err); answer != nil && answer.Status < http.StatusInternalServerError {
		return nil
	}
	if node.KindOf(err) == node.KindStatus {
		return nil
	}
	return err
}
