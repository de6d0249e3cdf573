package access

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// The header and the claims of a token are refused in the words of the server's
// JSON library, which name the place. Broken JSON is told by decode; what is
// here tells values of a wrong kind.

// member is one member of a JSON object, with the offsets that errors point at.
type member struct {
	name                  string
	value                 json.RawMessage
	nameEnd, start, after int
}

// members cuts a JSON object into its members, repeated ones included.
func members(data []byte, expected string) ([]member, string) {
	value, syntax := decode.Parse(data)
	if syntax != nil {
		return nil, "JSON error: " + syntax.Error()
	}
	if value.Kind != decode.Object {
		raw := bytes.Trim(data, " \t\r\n")
		at := bytes.IndexByte(data, raw[0])
		if value.Kind != decode.Array {
			at += len(raw)
		}
		return nil, mismatch(raw, expected) + place(data, at)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil { // the opening brace
		return nil, "JSON error: " + err.Error()
	}
	var out []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, "JSON error: " + err.Error()
		}
		m := member{nameEnd: int(dec.InputOffset())}
		m.name, _ = name.(string)
		if err := dec.Decode(&m.value); err != nil {
			return nil, "JSON error: " + err.Error()
		}
		m.after = int(dec.InputOffset())
		m.start = m.after - len(m.value)
		out = append(out, m)
	}
	return out, ""
}

// place says where an offset is, by line and column.
func place(data []byte, at int) string {
	before := data[:at]
	line := bytes.Count(before, []byte{'\n'})
	column := at - (bytes.LastIndexByte(before, '\n') + 1)
	return " at line " + strconv.Itoa(line+1) + " column " + strconv.Itoa(column)
}

// mismatch says that raw is not what was expected.
func mismatch(raw []byte, expected string) string {
	return "JSON error: invalid type: " + describe(raw) + ", expected " + expected
}

func describe(raw []byte) string {
	switch raw[0] {
	case '{':
		return "map"
	case '[':
		return "sequence"
	case 'n':
		return "null"
	case 't', 'f':
		return "boolean `" + string(raw) + "`"
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		var b strings.Builder
		quote(&b, s)
		return "string " + b.String()
	}
	if bytes.ContainsAny(raw, ".eE") || len(raw) > 19 {
		f, err := strconv.ParseFloat(string(raw), 64)
		if err == nil {
			return "floating point `" + floatText(f) + "`"
		}
	}
	return "integer `" + string(raw) + "`"
}

func floatText(f float64) string {
	if f < 1e16 && f > -1e16 {
		text := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.ContainsRune(text, '.') {
			text += ".0"
		}
		return text
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// wrong is mismatch for a member: lists and objects are refused before they are
// read, all else after.
func (m *member) wrong(data []byte, expected string) string {
	at := m.after
	if m.value[0] == '[' || m.value[0] == '{' {
		at = m.start
	}
	return mismatch(m.value, expected) + place(data, at)
}

const algorithmNames = "`HS256`, `HS384`, `HS512`, `ES256`, `ES384`, `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `EdDSA`"

// headerTexts are the header's members that are text where they are given.
var headerTexts = map[string]bool{
	"typ": true, "cty": true, "jku": true, "kid": true, "x5u": true, "x5t": true, "x5t#S256": true, "enc": true,
	"zip": true, "url": true, "nonce": true,
}

// headerOthers are members of other kinds, which verification does not need.
var headerOthers = map[string]bool{"jwk": true, "x5c": true, "crit": true}

// parseHeader gives the algorithm that a token's header names.
func parseHeader(data []byte) (algorithm, reason string) {
	list, reason := members(data, "struct Header")
	if reason != "" {
		return "", reason
	}
	seen := map[string]bool{}
	late := "" // what is only found out when the whole object was read
	for i := range list {
		m := &list[i]
		known := m.name == "alg" || headerTexts[m.name] || headerOthers[m.name]
		if known && seen[m.name] {
			return "", "JSON error: duplicate field `" + m.name + "`" + place(data, m.nameEnd)
		}
		seen[m.name] = true
		switch {
		case m.name == "alg":
			if m.value[0] != '"' {
				return "", m.wrong(data, "variant identifier")
			}
			algorithm = unquoted(m.value)
			if !strings.Contains(algorithmNames, "`"+algorithm+"`") {
				return "", "JSON error: unknown variant `" + algorithm + "`, expected one of " + algorithmNames + place(data, m.after)
			}
		case headerTexts[m.name]:
			if m.value[0] != '"' && m.value[0] != 'n' {
				return "", m.wrong(data, "a string")
			}
		case headerOthers[m.name]:
		case m.value[0] != '"' && late == "":
			late = mismatch(m.value, "a string") + place(data, len(bytes.TrimRight(data, " \t\r\n")))
		}
	}
	if late == "" && !seen["alg"] {
		late = "JSON error: missing field `alg`" + place(data, len(bytes.TrimRight(data, " \t\r\n")))
	}
	return algorithm, late
}

// parseClaims reads what a tenant token says.
func parseClaims(data []byte) (*claims, string) {
	list, reason := members(data, "struct Claims")
	if reason != "" {
		return nil, reason
	}
	c := &claims{}
	seen := map[string]bool{}
	for i := range list {
		m := &list[i]
		known := m.name == "searchRules" || m.name == "exp" || m.name == "apiKeyUid"
		if known && seen[m.name] {
			return nil, "JSON error: duplicate field `" + m.name + "`" + place(data, m.nameEnd)
		}
		seen[m.name] = true
		reason := ""
		switch m.name {
		case "searchRules":
			reason = c.readRules(data, m)
		case "exp":
			reason = c.readExpiry(data, m)
		case "apiKeyUid":
			reason = c.readKeyUID(data, m)
		case "aud":
			c.audience = isAudience(m.value)
		}
		if reason != "" {
			return nil, reason
		}
	}
	for _, name := range []string{"searchRules", "apiKeyUid"} {
		if !seen[name] {
			return nil, "JSON error: missing field `" + name + "`" + place(data, len(bytes.TrimRight(data, " \t\r\n")))
		}
	}
	return c, ""
}

// isAudience says whether an aud claim reads as one: tokens made for an audience
// are not for Meilisearch.
func isAudience(raw json.RawMessage) bool {
	var many []string
	return raw[0] == '"' || raw[0] == '[' && json.Unmarshal(raw, &many) == nil
}

func (c *claims) readExpiry(data []byte, m *member) string {
	const expected = "i64"
	switch first := m.value[0]; {
	case first == 'n':
		return ""
	case first != '-' && (first < '0' || first > '9'):
		return m.wrong(data, expected)
	}
	at, err := strconv.ParseInt(string(m.value), 10, 64)
	if err == nil {
		c.expires = &at
		return ""
	}
	if _, err := strconv.ParseUint(string(m.value), 10, 64); err == nil {
		return "JSON error: invalid value: integer `" + string(m.value) + "`, expected " + expected + place(data, m.after)
	}
	return m.wrong(data, expected)
}

func (c *claims) readKeyUID(data []byte, m *member) string {
	if m.value[0] != '"' {
		return m.wrong(data, "a formatted UUID string")
	}
	text := unquoted(m.value)
	uid, ok := parseUUID(text)
	if !ok {
		return "JSON error: UUID parsing failed: " + uuidReason(text) + place(data, m.after)
	}
	c.keyUID = uid
	return ""
}

func (c *claims) readRules(data []byte, m *member) string {
	mismatch := "JSON error: data did not match any variant of untagged enum SearchRules" + place(data, m.after)
	r := &rules{}
	switch m.value[0] {
	case '[':
		var list []*string
		if json.Unmarshal(m.value, &list) != nil {
			return mismatch
		}
		names := make([]string, 0, len(list))
		for _, name := range list {
			if name == nil {
				return mismatch
			}
			names = append(names, *name)
		}
		r.patterns = newPatterns(names)
	case '{':
		list, reason := members(m.value, "")
		if reason != "" {
			return mismatch
		}
		var names []string
		place := map[string]int{}
		for _, rule := range list {
			filter, ok := readRule(rule.value)
			if !ok {
				return mismatch
			}
			if at, again := place[rule.name]; again { // the last one counts
				r.filters[at] = filter
				continue
			}
			place[rule.name] = len(names)
			names = append(names, rule.name)
			r.filters = append(r.filters, filter)
		}
		r.patterns = newPatterns(names)
	default:
		return mismatch
	}
	c.rules = r
	return ""
}

// readRule gives the filter of one rule: null, an object that may have one, or,
// as the server's library has it, a list of just the filter.
func readRule(raw json.RawMessage) (filter json.RawMessage, ok bool) {
	switch raw[0] {
	case 'n':
		return nil, true
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil || len(list) != 1 {
			return nil, false
		}
		filter = list[0]
	case '{':
		list, reason := members(raw, "")
		if reason != "" {
			return nil, false
		}
		seen := false
		for _, m := range list {
			if m.name != "filter" {
				continue
			}
			if seen {
				return nil, false
			}
			seen, filter = true, m.value
		}
	default:
		return nil, false
	}
	if len(filter) == 0 || filter[0] == 'n' {
		return nil, true
	}
	return filter, true
}

func unquoted(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// parseUUID reads the four forms in which the server takes a uuid.
func parseUUID(s string) (uuid.UUID, bool) {
	if len(s) == 38 && (s[0] != '{' || s[37] != '}') { // Go takes any two characters around it
		return uuid.UUID{}, false
	}
	if len(s) == 45 && !strings.HasPrefix(s, "urn:uuid:") { // and the prefix in any case
		return uuid.UUID{}, false
	}
	uid, err := uuid.Parse(s)
	return uid, err == nil
}

// uuidReason says why text is no uuid, as the server's library does.
func uuidReason(s string) string {
	body, offset, simple := s, 0, true
	if inner, ok := strings.CutPrefix(s, "{"); ok && strings.HasSuffix(inner, "}") {
		body, offset, simple = strings.TrimSuffix(inner, "}"), 1, false
	} else if inner, ok := strings.CutPrefix(s, "urn:uuid:"); ok {
		body, offset, simple = inner, len("urn:uuid:"), false
	}
	ends := []int{}
	for i, r := range body {
		switch {
		case r == '-':
			ends = append(ends, i)
		case !strings.ContainsRune("0123456789abcdefABCDEF", r):
			return "invalid character: found `" + string(r) + "` at " + strconv.Itoa(i+offset)
		}
	}
	if len(ends) == 0 && simple {
		return "invalid length: expected length 32 for simple format, found " + strconv.Itoa(len(s))
	}
	if len(ends) != 4 {
		return "invalid group count: expected 5, found " + strconv.Itoa(len(ends)+1)
	}
	starts, lengths := []int{0, 9, 14, 19, 24}, []int{8, 4, 4, 4, 12}
	group, found := 4, len(s)-starts[4]
	for i, end := range ends {
		if end != starts[i]+lengths[i] {
			group, found = i, end-starts[i]
			break
		}
	}
	return "invalid group length in group " + strconv.Itoa(group) + ": expected " + strconv.Itoa(lengths[group]) +
		", found " + strconv.Itoa(found)
}
