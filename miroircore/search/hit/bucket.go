package hit

import "bytes"

// nearby is how far points may lie apart for Meilisearch to put them into one
// bucket, in metres.
const nearby = 1.0

// SameBucket reports whether two hits rank alike but for their versions. Where no
// rule ranks them but the version, no two do.
func (h *Hit) SameBucket(o *Hit) bool {
	a, b := h.unversioned(), o.unversioned()
	if !bytes.Equal(a, b) || len(h.Geo()) != len(o.Geo()) {
		return false
	}
	for _, rule := range h.Geo() {
		if h.located != o.located {
			return false
		}
		d := Metres(rule.Lat, rule.Lng, h.lat, h.lng) - Metres(rule.Lat, rule.Lng, o.lat, o.lng)
		if h.located && (d > nearby || d < -nearby) {
			return false
		}
	}
	return len(a) > 0 || len(h.Geo()) > 0
}

// unversioned is the key without the version, which is last in it: a mark, the text
// and two zeros.
func (h *Hit) unversioned() []byte {
	key := h.Key()
	if end := len(key) - len(h.Version()) - 3; len(h.Version()) > 0 && end >= 0 && bytes.Equal(key[end+1:len(key)-2], h.Version()) {
		return key[:end]
	}
	return key
}
