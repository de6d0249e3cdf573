package filter

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// kind is what is wrong with a filter.
type kind int

const (
	other kind = iota // the words say it all
	wantValue
	wantValueNotKeyword
	wantOperation
	malformed
	badEscapedNumber
	unclosed // words is the closing delimiter
	trailing
	wantBracket
	wantClosingBracket
	badListItem
	badForeign
	tooDeep
)

// fault is what is wrong with a filter and where. One that is fatal ends the
// reading; another lets the next alternative be tried.
type fault struct {
	kind     kind
	words    string
	from, to int
	source   string
	fatal    bool
}

func (f *fault) cut() *fault {
	if f != nil {
		f.fatal = true
	}
	return f
}

// message words the fault as the server does. text is the whole filter, in which
// the fault's place is counted; source is the part of it that is shown.
func (f *fault) message(text string) string {
	context := text[f.from:f.to]
	return at(f.text(context), column(text, f.from), utf8.RuneCountInString(context), f.source)
}

// at adds to a message the place it is about.
func at(message string, column, length int, source string) string {
	return message + "\n" + strconv.Itoa(column) + ":" + strconv.Itoa(column+length) + " " + source
}

// column counts the characters before pos on its line, from 1.
func column(text string, pos int) int {
	start := strings.LastIndexByte(text[:pos], '\n') + 1
	return 1 + utf8.RuneCountInString(text[start:pos])
}

const operations = "`=`, `!=`, `>=`, `>`, `<=`, `<`, `IN`, `NOT IN`, `TO`, `EXISTS`, `NOT EXISTS`, `IS NULL`, `IS NOT NULL`, " +
	"`IS EMPTY`, `IS NOT EMPTY`, `CONTAINS`, `NOT CONTAINS`, `STARTS WITH`, `NOT STARTS WITH`, `_geoRadius`, " +
	"`_geoBoundingBox` or `_geoPolygon`"

func (f *fault) text(context string) string {
	escaped := decode.EscapeDebug(context)
	nothing := strings.TrimSpace(context) == ""
	switch f.kind {
	case wantValue, wantValueNotKeyword:
		switch {
		case nothing:
			return "Was expecting a value but instead got nothing."
		case f.kind == wantValue:
			return "Was expecting a value but instead got `" + escaped + "`."
		}
		return "Was expecting a value but instead got `" + escaped + "`, which is a reserved keyword. To use `" + escaped +
			"` as a field name or a value, surround it by quotes."
	case wantOperation:
		if nothing {
			return "Was expecting an operation " + operations + " but instead got nothing."
		}
		return "Was expecting an operation " + operations + " at `" + escaped + "`."
	case malformed:
		return "Malformed value: `" + escaped + "`."
	case badEscapedNumber:
		return "Found an invalid escaped sequence number: `" + escaped + "`."
	case unclosed:
		return "Expression `" + escaped + "` is missing the following closing delimiter: `" + f.words + "`."
	case trailing:
		return "Found unexpected characters at the end of the filter: `" + escaped +
			"`. You probably forgot an `OR` or an `AND` rule."
	case wantBracket:
		return "Expected `[` after `IN` keyword."
	case wantClosingBracket:
		return "Expected matching `]` after the list of field names given to `IN[`"
	case badListItem:
		return "Expected only comma-separated field names inside `IN[..]` but instead found `" + escaped + "`."
	case badForeign:
		return "Was expecting a field name and an condition inside `_foreign(..)` filter but instead found `" + escaped + "`."
	case tooDeep:
		return "The filter exceeded the maximum depth limit. Try rewriting the filter so that it contains fewer nested conditions."
	}
	return f.words
}
