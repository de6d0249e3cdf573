package document

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// unfit says what the server does not like about a document after it took in
// all of them: values that cannot be read, places and vectors of another form.
func (p *parser) unfit(id, text []byte) *meili.Error {
	if p.scan.doubtful {
		if err := p.unreadable(text); err != nil {
			return err
		}
	}
	if p.geo.field != nil && p.o.Geo {
		if message := misplaced(string(id), p.w.buf[p.geo.start:p.geo.end]); message != "" {
			return meili.NewError("invalid_document_geo_field", "%s", p.ofIndex(message))
		}
	}
	if p.vectors.field != nil {
		return p.misvectored(string(id), p.w.buf[p.vectors.start:p.vectors.end])
	}
	return nil
}

// ofIndex says which index a message is about, as far as that is known.
func (p *parser) ofIndex(message string) string {
	if p.o.Index == "" {
		return message
	}
	return "Index `" + p.o.Index + "`: " + message
}

// unreadable looks for a value that is well formed but cannot be read. The
// server fails such a document's task with an internal error; a node that did
// so would look like a node in trouble.
func (p *parser) unreadable(text []byte) *meili.Error {
	for m := (members{text: text, i: 1}); m.next(); {
		c := checker{text: m.value, strict: true}
		f := c.build()
		if f == nil {
			continue
		}
		seen := string(m.value[:f.at])
		line := 1 + strings.Count(seen, "\n")
		column := len(seen) - (strings.LastIndexByte(seen, '\n') + 1)
		return meili.NewError("internal", "%s", p.ofIndex(fmt.Sprintf("internal: %s at line %d column %d.", f.reason, line, column)))
	}
	return nil
}

// misplaced says what is wrong with a _geo field, or "".
func misplaced(id string, value []byte) string {
	quoted := string(meili.AppendString(nil, id))
	switch value[0] {
	case 'n':
		return ""
	case '{':
	default:
		return fmt.Sprintf("The `_geo` field in the document with the id: `%s` is not an object. Was expecting an object "+
			"with the `_geo.lat` and `_geo.lng` fields but instead got `%s`.", quoted, render(nil, value))
	}
	lat, lng, others := coordinates(dedupe(value))
	switch {
	case lat == nil && lng == nil:
		return "Could not find latitude nor longitude in the document with the id: `" + quoted +
			"`. Was expecting `_geo.lat` and `_geo.lng` fields."
	case lat == nil:
		return "Could not find latitude in the document with the id: `" + quoted + "`. Was expecting a `_geo.lat` field."
	case lng == nil:
		return "Could not find longitude in the document with the id: `" + quoted + "`. Was expecting a `_geo.lng` field."
	case others != "":
		return "The `_geo` field in the document with the id: `" + quoted + "` contains the following unexpected fields: `" + others + "`."
	}
	badLat, badLng := !finite(lat), !finite(lng)
	switch {
	case badLat && badLng:
		return fmt.Sprintf("Could not parse latitude nor longitude in the document with the id: `%s`. Was expecting finite "+
			"numbers but instead got `%s` and `%s`.", quoted, render(nil, lat), render(nil, lng))
	case badLat:
		return fmt.Sprintf("Could not parse latitude in the document with the id: `%s`. Was expecting a finite number "+
			"but instead got `%s`.", quoted, render(nil, lat))
	case badLng:
		return fmt.Sprintf("Could not parse longitude in the document with the id: `%s`. Was expecting a finite number "+
			"but instead got `%s`.", quoted, render(nil, lng))
	}
	return ""
}

// coordinates takes a place apart. What is neither latitude nor longitude is
// given as the object that remains: in the order that is left by taking the two
// out, each time moving the last member to the gap.
func coordinates(place []byte) (lat, lng []byte, others string) {
	type member struct {
		name  string
		value []byte
	}
	var all []member
	for m := (members{text: place, i: 1}); m.next(); {
		name, _ := unescape(nil, m.name)
		all = append(all, member{string(name), m.value})
	}
	remove := func(name string) []byte {
		at := slices.IndexFunc(all, func(m member) bool { return m.name == name })
		if at < 0 {
			return nil
		}
		value := all[at].value
		all[at] = all[len(all)-1]
		all = all[:len(all)-1]
		return value
	}
	lat, lng = remove("lat"), remove("lng")
	if len(all) == 0 {
		return lat, lng, ""
	}
	out := []byte{'{'}
	for i, m := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(meili.AppendString(out, m.name), ':')
		out = render(out, m.value)
	}
	return lat, lng, string(append(out, '}'))
}

// finite says whether a value is a finite number, or a text of one.
func finite(value []byte) bool {
	switch c := value[0]; {
	case c == '"':
		text, ok := unescape(nil, value[1:len(value)-1])
		if !ok {
			return false
		}
		f, ok := parseFloat(string(text))
		return ok && f-f == 0 // neither infinite nor not a number
	default:
		return c == '-' || isDigit(c)
	}
}

// parseFloat reads a number as the server's language does: infinities and not a
// number by name in any case, a sign, no hexadecimal digits, no underscores. One
// that is too large is infinite.
func parseFloat(text string) (float64, bool) {
	switch strings.ToLower(strings.TrimLeft(text, "+-")) {
	case "inf", "infinity", "nan":
		if strings.HasPrefix(text, "+-") || strings.HasPrefix(text, "-+") || strings.HasPrefix(text, "--") || strings.HasPrefix(text, "++") {
			return 0, false
		}
	default:
		if strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789.eE+-", r) }) {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && f-f == 0 {
		return 0, false
	}
	return f, true
}
