package adopt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// OldestSource is the oldest version of Meilisearch that can be adopted:
// earlier ones do not give documents by a list of their ids.
const OldestSource = "1.14.0"

// server is what one side has.
type server struct {
	version  string
	features map[string]bool
	keys     []meili.Key // the oldest first
	indexes  []meili.Index
	stats    map[string]meili.IndexStats
}

// index gives an index by its uid, or nil.
func (s *server) index(uid string) *meili.Index {
	i := slices.IndexFunc(s.indexes, func(ix meili.Index) bool { return ix.UID == uid })
	if i < 0 {
		return nil
	}
	return &s.indexes[i]
}

// survey reads what a side has, but for settings and documents.
func (s *side) survey(ctx context.Context, keys bool) (*server, error) {
	out := new(server)
	var version meili.Version
	err := s.get(ctx, "/version", &version)
	if err == nil {
		out.version = version.PkgVersion
		err = s.get(ctx, "/experimental-features", &out.features)
	}
	if err == nil && keys {
		out.keys, err = s.keys(ctx)
		if answer := node.AnswerOf(err); answer != nil && answer.Code == "missing_master_key" {
			err = nil // without one there are no keys
		}
	}
	if err == nil {
		out.indexes, err = s.indexes(ctx)
	}
	var stats meili.Stats
	if err == nil {
		err = s.get(ctx, "/stats", &stats)
		out.stats = stats.Indexes
	}
	return out, err
}

func (s *side) indexes(ctx context.Context) (all []meili.Index, err error) {
	err = s.try(ctx, func(ctx context.Context) (err error) {
		all, err = s.Indexes(ctx)
		return err
	})
	slices.SortFunc(all, func(a, b meili.Index) int {
		return cmp.Or(moment(a.CreatedAt).Compare(moment(b.CreatedAt)), cmp.Compare(a.UID, b.UID))
	})
	return all, err
}

// moment reads a date; what is none is the beginning of time.
func moment(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// keyPage is how many keys one request asks for.
const keyPage = 100

// keys lists the keys in the order they were made.
func (s *side) keys(ctx context.Context) (all []meili.Key, err error) {
	for {
		var page meili.Page[meili.Key]
		if err := s.get(ctx, fmt.Sprintf("/keys?offset=%d&limit=%d", len(all), keyPage), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Results...)
		if len(page.Results) < keyPage {
			slices.Reverse(all)
			return all, nil
		}
	}
}

// look asks whether the source is one that can be adopted, and says in words
// what to do where it is not.
func (a *adoption) look(ctx context.Context) error {
	s := a.source
	if err := s.once(ctx, s.Health); err != nil {
		return a.unlike(err)
	}
	var health json.RawMessage
	if err := s.once(ctx, func(ctx context.Context) error { return s.Get(ctx, "/_miroir/health", &health) }); err == nil {
		return fmt.Errorf("%s is a Miroir: have it write a dump (POST /dumps), start one Meilisearch from that, and import from there", a.From)
	}
	var version meili.Version
	if err := s.get(ctx, "/version", &version); err != nil {
		return a.unlike(err)
	}
	if cluster.CompareVersions(version.PkgVersion, OldestSource) < 0 || cluster.CompareVersions(version.PkgVersion, cluster.Below) >= 0 {
		return fmt.Errorf("%s is Meilisearch %s: a source must be at least %s and below %s; upgrade a copy of it and import from there",
			a.From, version.PkgVersion, OldestSource, cluster.Below)
	}
	var mark json.RawMessage
	err := s.get(ctx, "/indexes/miroir_fleet/documents/owner", &mark)
	if err == nil {
		return fmt.Errorf("%s is a node of a Miroir fleet: import from a server that belongs to none", a.From)
	}
	if answer := node.AnswerOf(err); answer == nil || answer.Status != http.StatusNotFound {
		return a.unlike(err)
	}
	return nil
}

// unlike says what is wrong with a source that does not answer as one.
func (a *adoption) unlike(err error) error {
	e, ok := errors.AsType[*node.Error](err)
	switch {
	case !ok:
		return err
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		return fmt.Errorf("%s refuses the key: give its master key, or a key that may read everything (actions *.get and keys.get on all indexes), with --key: %w", a.From, err)
	case e.Kind == node.KindRefused || e.Kind == node.KindTimeout:
		return fmt.Errorf("%s cannot be reached: %w", a.From, err)
	case e.Kind == node.KindMalformed || e.Kind == node.KindStatus && e.Answer == nil:
		return fmt.Errorf("%s does not answer as a Meilisearch does: %w", a.From, err)
	}
	return err
}

// wanted says whether an index is to be adopted.
func (a *adoption) wanted(uid string) bool {
	return len(a.Indexes) == 0 || slices.ContainsFunc(a.Indexes, func(pattern string) bool {
		return matches(pattern, uid)
	})
}

func matches(pattern, uid string) bool {
	ok, err := path.Match(pattern, uid)
	return err == nil && ok
}

// CheckPatterns refuses patterns of indexes that cannot be read.
func CheckPatterns(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("the pattern %q of indexes: %w", p, err)
		}
	}
	return nil
}
