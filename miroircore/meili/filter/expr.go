// Package filter reads Meilisearch's filter and sort expressions, and refuses
// bad ones in the server's words.
package filter

import (
	"strings"
	"unicode/utf8"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Op is what an expression does.
type Op string

// The operations of expressions. And, Or and Not have children; the comparisons
// have an attribute and values; the geo operations have points. There is no
// operation for IS NOT NULL, NOT IN and their like: they are Not of the plain form.
const (
	And            Op = "and"
	Or             Op = "or"
	Not            Op = "not" // one child
	Equal          Op = "="
	NotEqual       Op = "!="
	Greater        Op = ">"
	GreaterOrEqual Op = ">="
	Less           Op = "<"
	LessOrEqual    Op = "<="
	Between        Op = "to" // two values, both included
	In             Op = "in" // any number of values
	Exists         Op = "exists"
	Null           Op = "null"
	Empty          Op = "empty"
	Contains       Op = "contains"
	StartsWith     Op = "startswith"
	GeoRadius      Op = "geoRadius"  // one point, Radius and perhaps Resolution
	GeoBox         Op = "geoBox"     // two points: top right, bottom left
	GeoPolygon     Op = "geoPolygon" // three points or more
	Vectors        Op = "vectors"    // Embedder, Vector and Fragment
	Foreign        Op = "foreign"    // one child, about documents of the foreign index
)

// Token is a word of a filter and where it stands in the filter's text.
type Token struct {
	Text   string // without quotes and escapes
	Raw    string // as written, without its quotes
	Column int    // from 1, in characters
	source string // the filter the token was read from
}

// fault is an error about the token.
func (t *Token) fault(code, message string) *meili.Error {
	return meili.NewError(code, "%s", at(message, t.Column, utf8.RuneCountInString(t.Raw), t.source))
}

// Expr is a filter, or a part of one. It is never changed once made.
type Expr struct {
	Op       Op
	Attr     Token // also of a foreign expression
	Values   []Token
	Children []*Expr
	Keyword  Token // CONTAINS or STARTS WITH, where that was written

	Points     [][2]Token // latitude and longitude
	Radius     Token
	Resolution *Token

	Embedder *Token // of a vectors expression; nil means any
	Vector   string // empty, or fragments, userProvided, documentTemplate or regenerate
	Fragment Token
}

// Join gives an expression that holds when all of the given ones do; nil ones
// are left out.
func Join(exprs ...*Expr) *Expr {
	var all []*Expr
	for _, e := range exprs {
		if e != nil {
			all = append(all, e)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &Expr{Op: And, Children: all}
}

// Walk visits e and all that is below it.
func (e *Expr) Walk(visit func(*Expr)) {
	if e == nil {
		return
	}
	visit(e)
	for _, child := range e.Children {
		child.Walk(visit)
	}
}

// String writes the expression the way the server writes filters again. It
// reads back as the same expression.
func (e *Expr) String() string {
	if e == nil {
		return ""
	}
	return string(e.append(nil))
}

// names are how operations are written between attribute and value.
var names = map[Op]string{
	Equal: "=", NotEqual: "!=", Greater: ">", GreaterOrEqual: ">=", Less: "<", LessOrEqual: "<=",
	Between: "TO", In: "IN", Exists: "EXISTS", Null: "IS NULL", Empty: "IS EMPTY",
	Contains: "CONTAINS", StartsWith: "STARTS WITH",
}

func (e *Expr) append(dst []byte) []byte {
	switch e.Op {
	case Not:
		return append(e.Children[0].append(append(dst, "NOT ("...)), ')')
	case And, Or:
		for i, child := range e.Children {
			if i > 0 {
				dst = append(dst, ' ')
				dst = append(dst, strings.ToUpper(string(e.Op))...)
				dst = append(dst, ' ')
			}
			dst = append(child.append(append(dst, '(')), ')')
		}
		return dst
	case Vectors:
		return e.appendVectors(dst)
	case GeoRadius, GeoBox, GeoPolygon:
		return e.appendGeo(dst)
	case Foreign:
		dst = meili.AppendString(append(dst, "_foreign("...), e.Attr.Text)
		return append(e.Children[0].append(append(dst, ", "...)), ')')
	}
	return e.appendComparison(dst)
}

func (e *Expr) appendComparison(dst []byte) []byte {
	dst = append(meili.AppendString(dst, e.Attr.Text), ' ')
	switch e.Op {
	case Between:
		dst = append(meili.AppendString(dst, e.Values[0].Text), " TO "...)
		return meili.AppendString(dst, e.Values[1].Text)
	case In:
		dst = append(dst, "IN ["...)
		for i := range e.Values {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = meili.AppendString(dst, e.Values[i].Text)
		}
		return append(dst, ']')
	}
	dst = append(dst, names[e.Op]...)
	if len(e.Values) > 0 {
		dst = meili.AppendString(append(dst, ' '), e.Values[0].Text)
	}
	return dst
}

func (e *Expr) appendVectors(dst []byte) []byte {
	dst = append(dst, "_vectors"...)
	if e.Embedder != nil {
		dst = meili.AppendString(append(dst, '.'), e.Embedder.Text)
	}
	if e.Vector != "" {
		dst = append(append(dst, '.'), e.Vector...)
	}
	if e.Vector == "fragments" {
		dst = meili.AppendString(append(dst, '.'), e.Fragment.Text)
	}
	return append(dst, " EXISTS"...)
}

func (e *Expr) appendGeo(dst []byte) []byte {
	if e.Op == GeoRadius {
		dst = append(dst, "_geoRadius("...)
		words := []string{e.Points[0][0].Text, e.Points[0][1].Text, e.Radius.Text}
		if e.Resolution != nil {
			words = append(words, e.Resolution.Text)
		}
		return append(append(dst, strings.Join(words, ", ")...), ')')
	}
	word := "_geoBoundingBox("
	if e.Op == GeoPolygon {
		word = "_geoPolygon("
	}
	dst = append(dst, word...)
	for i, point := range e.Points {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, "["+point[0].Text+", "+point[1].Text+"]"...)
	}
	return append(dst, ')')
}
