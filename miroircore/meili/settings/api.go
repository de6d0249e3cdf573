// Package settings knows the settings of an index as Meilisearch has them: how
// a client's change is read and refused, how it is applied, how settings are
// shown, and which secrets in them are hidden.
package settings

import (
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Filterable is one rule of filterableAttributes, defaults filled in.
type Filterable struct {
	Patterns    []string
	FacetSearch bool
	Equality    bool
	Comparison  bool
}

// Localized is one rule of localizedAttributes.
type Localized struct {
	Patterns []string
	Locales  []string
}

// Embedder is what others than the settings themselves need of an embedder.
type Embedder struct {
	Name            string
	Source          string
	Dimensions      int // 0 when not set
	BinaryQuantized bool
	Raw             json.RawMessage // the whole embedder, secrets in clear
}

// Foreign is one foreign key.
type Foreign struct {
	Index string
	Field string
}

// Typo is typoTolerance, defaults filled in.
type Typo struct {
	Enabled             bool
	OneTypo             int
	TwoTypos            int
	DisableOnWords      []string
	DisableOnAttributes []string
	DisableOnNumbers    bool
}

// Settings are all settings of an index. A Settings is never changed once made;
// Patch.Apply makes a new one.
type Settings struct {
	values map[string]any
}

// Patch is a change of settings that passed all checks a request has to pass.
type Patch struct {
	fields []patchField
}

type patchField struct {
	name string
	set  any
}

// Default gives the settings of an index nobody has set anything on.
func Default() *Settings { return nil }

// FromRaw reads settings written by Raw.
func FromRaw(raw json.RawMessage) (*Settings, error) { return nil, nil }

// Names lists the settings' sub-routes.
func Names() []string { return nil }

// Key gives the name in the settings object of the sub-route name.
func Key(name string) string { return "" }

// Verb gives the method that writes the sub-route name: PUT or PATCH.
func Verb(name string) string { return "" }

// Parse reads the body of a change of several settings.
func Parse(body []byte) (*Patch, *meili.Error) { return nil, nil }

// ParseSub reads the body of a change of the sub-route name.
func ParseSub(name string, body []byte) (*Patch, *meili.Error) { return nil, nil }

// ResetSub is the change that sets the sub-route name back to its default.
func ResetSub(name string) *Patch { return nil }

// ResetAll is the change that sets everything back to its default.
func ResetAll() *Patch { return nil }

// Allowed refuses a change that needs an experimental feature that is off.
func (p *Patch) Allowed(f meili.Features) *meili.Error { return nil }

// Apply gives the settings s become by the change, or the error the task fails with.
func (p *Patch) Apply(s *Settings) (*Settings, *meili.Error) { return s, nil }

// Details is the change as a task's details show it, secrets redacted.
func (p *Patch) Details() json.RawMessage { return nil }

// Raw is the change as a request body, secrets in clear.
func (p *Patch) Raw() json.RawMessage { return nil }

// Has says whether the change touches the setting of that name in the settings object.
func (p *Patch) Has(key string) bool { return false }

// JSON is the settings as the settings route shows them, secrets redacted; the
// features that are on add their own settings.
func (s *Settings) JSON(f meili.Features) json.RawMessage { return nil }

// Sub is one setting as its sub-route shows it, secrets redacted.
func (s *Settings) Sub(name string) json.RawMessage { return nil }

// Raw is the settings with their secrets in clear, for nodes and for storage.
func (s *Settings) Raw() json.RawMessage { return nil }

// Clone gives a copy.
func (s *Settings) Clone() *Settings { return s }

// Displayed lists the displayed attributes.
func (s *Settings) Displayed() []string { return nil }

// Searchable lists the searchable attributes.
func (s *Settings) Searchable() []string { return nil }

// Filterable lists the rules of the filterable attributes.
func (s *Settings) Filterable() []Filterable { return nil }

// Sortable lists the sortable attributes.
func (s *Settings) Sortable() []string { return nil }

// RankingRules lists the ranking rules.
func (s *Settings) RankingRules() []string { return nil }

// StopWords lists the stop words.
func (s *Settings) StopWords() []string { return nil }

// NonSeparatorTokens lists the tokens that do not separate words.
func (s *Settings) NonSeparatorTokens() []string { return nil }

// SeparatorTokens lists the tokens that separate words besides the usual ones.
func (s *Settings) SeparatorTokens() []string { return nil }

// Dictionary lists the words that are never cut.
func (s *Settings) Dictionary() []string { return nil }

// Synonyms maps words to their synonyms.
func (s *Settings) Synonyms() map[string][]string { return nil }

// Distinct gives the distinct attribute, or nothing.
func (s *Settings) Distinct() string { return "" }

// ByAttribute says whether proximityPrecision is byAttribute.
func (s *Settings) ByAttribute() bool { return false }

// Typo gives the typo tolerance.
func (s *Settings) Typo() Typo { return Typo{} }

// MaxTotalHits gives pagination's limit.
func (s *Settings) MaxTotalHits() int { return 1000 }

// MaxValuesPerFacet gives faceting's limit.
func (s *Settings) MaxValuesPerFacet() int { return 100 }

// SortFacetValuesBy says how a field's facet values are ordered: alpha or count.
func (s *Settings) SortFacetValuesBy(field string) string { return "alpha" }

// Embedders lists the embedders by name.
func (s *Settings) Embedders() []Embedder { return nil }

// SearchCutoffMs gives the search's time limit, or 0 when none is set.
func (s *Settings) SearchCutoffMs() int { return 0 }

// Localized lists the rules of the localized attributes.
func (s *Settings) Localized() []Localized { return nil }

// FacetSearch says whether facets can be searched.
func (s *Settings) FacetSearch() bool { return true }

// PrefixSearch says whether words match by their prefix.
func (s *Settings) PrefixSearch() bool { return true }

// ForeignKeys lists the foreign keys.
func (s *Settings) ForeignKeys() []Foreign { return nil }

// Match says whether an attribute name matches a pattern with a star at an end,
// as filterableAttributes and facets have them.
func Match(pattern, attribute string) bool { return false }
