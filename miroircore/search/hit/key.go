package hit

import (
	"bytes"
	"encoding/binary"
	"math"
)

// appendFloat appends a number so that the bytes compare as the numbers do.
func appendFloat(dst []byte, f float64, desc bool) []byte {
	u := math.Float64bits(f + 0) // -0 is 0
	if u>>63 == 1 {
		u = ^u
	} else {
		u |= 1 << 63
	}
	if desc {
		u = ^u
	}
	return binary.BigEndian.AppendUint64(dst, u)
}

// appendText appends a text so that the bytes compare as the texts do, even
// where one begins another: a zero is escaped and an end is marked.
func appendText(dst, text []byte, desc bool) []byte {
	mark := len(dst)
	for {
		i := bytes.IndexByte(text, 0)
		if i < 0 {
			break
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, 0, 0xFF)
		text = text[i+1:]
	}
	dst = append(dst, text...)
	dst = append(dst, 0, 0)
	if desc {
		for i := mark; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}

// SortRule is one criterion by which documents were sorted.
type SortRule struct {
	Path string
	Desc bool
	// Geo is the point to which the distance counts, nil to sort by Path.
	Geo *[2]float64
}

// sortKey makes the key of a document: nodes tell how a search hit ranks, but
// not how a document was sorted.
func (s *scanner) sortKey(h *Hit) {
	for _, rule := range s.want.Sort {
		if rule.Geo != nil {
			s.a.geo = append(s.a.geo, GeoRule{At: int32(len(s.a.keys)) - h.key.From, Lat: rule.Geo[0], Lng: rule.Geo[1], Desc: rule.Desc})
			continue
		}
		var best leaf
		found := false
		c := cursor{b: s.b, i: int(h.span.From)}
		c.descend(rule.Path, func(l leaf) {
			if !found || l.before(best, rule.Desc) {
				best, found = l, true
			}
		})
		switch {
		case !found:
			s.a.keys = append(s.a.keys, markNull)
		case best.isText:
			s.a.keys = appendText(append(s.a.keys, markText), []byte(best.text), rule.Desc)
		default:
			s.a.keys = appendFloat(append(s.a.keys, markNumber), best.number, rule.Desc)
		}
	}
	s.a.keys = append(s.a.keys, s.a.Bytes(h.version)...)
}

// before reports whether a document is placed by l rather than by m when it
// has both: by a number if it has one, by the smallest or the greatest.
func (l leaf) before(m leaf, desc bool) bool {
	switch {
	case l.isText != m.isText:
		return m.isText
	case l.isText:
		return (l.text < m.text) != desc && l.text != m.text
	}
	return (l.number < m.number) != desc && l.number != m.number
}
