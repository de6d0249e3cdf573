// Package filter reads Meilisearch's filter and sort expressions, and refuses
// bad ones in the server's words.
package filter

import (
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// Op is what an expression does.
type Op string

// The operations of expressions. And, Or and Not have children; the comparisons
// have an attribute and values; the geo operations have points.
const (
	And            Op = "and"
	Or             Op = "or"
	Not            Op = "not" // one child; IS NOT NULL, NOT IN and their like are Not of the plain form
	Equal          Op = "="
	NotEqual       Op = "!="
	Greater        Op = ">"
	GreaterOrEqual Op = ">="
	Less           Op = "<"
	LessOrEqual    Op = "<="
	Between        Op = "to" // two values, both included
	In             Op = "in"
	Exists         Op = "exists"
	Null           Op = "null"
	Empty          Op = "empty"
	Contains       Op = "contains"
	StartsWith     Op = "startswith"
	GeoRadius      Op = "geoRadius"  // one point, Radius, Resolution
	GeoBox         Op = "geoBox"     // top right, bottom left
	GeoPolygon     Op = "geoPolygon" // three points or more
	Vectors        Op = "vectors"    // Embedder and Vector
	Foreign        Op = "foreign"    // one child, on documents of the foreign index
)

// Token is a word of a filter and where it stands in the filter's text.
type Token struct {
	Text   string // unescaped
	Raw    string // as written, without its quotes
	Column int    // 1-based, in characters
	source string // the filter the token was read from
}

// Expr is a filter, or a part of one.
type Expr struct {
	Op       Op
	Attr     Token
	Keyword  Token // the CONTAINS or STARTS WITH of such an expression
	Values   []Token
	Children []*Expr

	Points     [][2]Token
	Radius     Token
	Resolution *Token

	Embedder *Token // of a vectors expression
	Vector   string // "", fragments, userProvided, documentTemplate, regenerate
	Fragment Token
}

// Parse reads a filter: text, or an array of texts and arrays of texts. A filter
// that says nothing gives nil. Errors have the code invalid_search_filter.
func Parse(raw json.RawMessage) (*Expr, *meili.Error) { return ParseAs("invalid_search_filter", raw) }

// ParseAs is Parse with the errors' code given.
func ParseAs(code string, raw json.RawMessage) (*Expr, *meili.Error) { return nil, nil }

// Walk visits e and all that is below it.
func (e *Expr) Walk(visit func(*Expr)) {}

// String writes the expression the way the server writes filters again.
func (e *Expr) String() string { return "" }

// Rules are what an expression is checked against.
type Rules struct {
	Index      string // names the index in messages; empty leaves the prefix out
	Code       string // of the errors; empty means invalid_search_filter
	Filterable []settings.Filterable
	Features   meili.Features
	Original   bool // messages show the filter as it was sent, not written again
}

// Check refuses an expression whose attributes or operators the rules do not allow.
func (e *Expr) Check(r Rules) *meili.Error { return nil }

// Sort is one sort criterion.
type Sort struct {
	Attr string // empty for a geo sort
	Desc bool
	Geo  *[2]float64
}

// ParseSort reads sort criteria. Errors have the code invalid_search_sort.
func ParseSort(criteria []string) ([]Sort, *meili.Error) { return nil, nil }

// SortRules are what sort criteria are checked against.
type SortRules struct {
	Index        string
	Code         string
	Sortable     []string
	RankingRules []string
}

// CheckSort refuses criteria on attributes that are not sortable.
func CheckSort(criteria []Sort, r SortRules) *meili.Error { return nil }
