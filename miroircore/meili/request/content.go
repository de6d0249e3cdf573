package request

import (
	"net/http"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Format is how the documents of a body are written.
type Format int

// The formats of documents.
const (
	JSON Format = iota
	NDJSON
	CSV
)

// String names the format as messages do.
func (f Format) String() string { return [...]string{"json", "ndjson", "csv"}[f] }

const (
	jsonType      = "`application/json`"
	documentTypes = "`application/json`, `application/x-ndjson`, `text/csv`"
)

// CheckJSON refuses a request whose Content-Type is not JSON.
func CheckJSON(h http.Header) *meili.Error {
	sent, ok := contentType(h)
	if !ok {
		return missingType(jsonType)
	}
	_, subtype, valid := parseMIME(sent)
	base, suffix, _ := strings.Cut(subtype, "+")
	if valid && (subtype == "json" || base == "json" || strings.HasSuffix("+"+suffix, "+json")) {
		return nil
	}
	return invalidType(sent, jsonType)
}

// DocumentFormat gives the format that Content-Type names. A csvDelimiter goes
// with CSV only.
func DocumentFormat(h http.Header, p *Documents) (Format, *meili.Error) {
	sent, ok := contentType(h)
	if !ok {
		return 0, missingType(documentTypes)
	}
	kind, subtype, valid := parseMIME(sent)
	if !valid {
		return 0, invalidType(sent, documentTypes)
	}
	format, name := JSON, kind+"/"+subtype
	switch name {
	case "application/json":
	case "application/x-ndjson":
		format = NDJSON
	case "text/csv":
		return CSV, nil
	default:
		return 0, invalidType(name, documentTypes)
	}
	if p != nil && p.hasDelimiter {
		return 0, meili.NewError("invalid_content_type", "The Content-Type `%s` does not support the use of a csv delimiter. "+
			"The csv delimiter can only be used with the Content-Type `text/csv`.", name)
	}
	return format, nil
}

func contentType(h http.Header) (string, bool) {
	values, ok := h["Content-Type"]
	if !ok || len(values) == 0 {
		return "", false
	}
	return values[0], true
}

func missingType(accepted string) *meili.Error {
	return meili.NewError("missing_content_type",
		"A Content-Type header is missing. Accepted values for the Content-Type header are: %s", accepted)
}

func invalidType(sent, accepted string) *meili.Error {
	return meili.NewError("invalid_content_type",
		"The Content-Type `%s` is invalid. Accepted values for the Content-Type header are: %s", sent, accepted)
}

// parseMIME gives the type and the subtype, in lower case, of a media type.
// Parameters are not looked into.
func parseMIME(s string) (kind, subtype string, ok bool) {
	essence, _, _ := strings.Cut(s, ";")
	kind, subtype, ok = strings.Cut(strings.TrimRight(essence, " \t"), "/")
	if !ok || !isToken(kind) || !isToken(subtype) {
		return "", "", false
	}
	return strings.ToLower(kind), strings.ToLower(subtype), true
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&-^_.+%*'`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
