// Package hit reads a node's answer to a search without decoding it. One pass
// over the bytes finds where each hit lies, how it ranks and what has to be
// left out of it before a client may see it; a hit is then written by copying
// the ranges between the omissions. There is no map and no decoded value per
// hit, and the pass validates what it walks over.
package hit

// Span is a range of an answer's bytes.
type Span struct{ From, To int32 }

// Empty reports whether the span holds nothing.
func (s Span) Empty() bool { return s.From >= s.To }

// edit replaces a range of the node's bytes, mostly with nothing.
type edit struct {
	span Span
	text string
}

// Want says what to read of each hit and what of it the client may see.
type Want struct {
	// Keep are the attributes a hit may show, as Meilisearch selects them; nil
	// shows all. It is needed only where more was asked of the node than the
	// client asked for.
	Keep []string
	// Formatted are the attributes _formatted may show; nil shows all.
	Formatted []string
	// Displayed are the attributes that may be displayed at all, nil for all.
	// The others' sort values are redacted and their matches left out.
	Displayed []string
	// Score and Details keep _rankingScore and _rankingScoreDetails, which are
	// otherwise read and left out.
	Score, Details bool
	// DropGeoDistance leaves _geoDistance out, where _geo was asked of the node
	// for the merge alone.
	DropGeoDistance bool
	// Distinct is the attribute of which to collect the values, "" for none.
	Distinct string
	// PrimaryKey is the attribute of which to find the value, "" for none.
	PrimaryKey string
	// Geo reads _geo.
	Geo bool
	// Version ranks documents, which carry no ranking details, by Sort and then
	// by their hidden version.
	Version bool
	Sort    []SortRule
	// Values makes, beside the ranking key, the list of score values by which
	// hits of different queries are compared.
	Values bool
	// Rules lists what each ranking rule told of the hit.
	Rules bool
}

// Rule is what one ranking rule told of a hit. A rule that sorts by a field or a
// place has the name sort.
type Rule struct {
	Name string
	// Count is of words matched, of Most, or of typos.
	Count, Most int
	Score       float64
}

// Hit is what the merge knows of one hit. Ranges refer to its answer.
type Hit struct {
	answer *Answer
	span   Span
	// tail is where the members begin that stand after _federation.
	tail        int32
	edits       Span // in answer.edits
	key         Span // in answer.keys
	geo         Span // in answer.geo
	distinct    Span // in answer.distinct
	values      Span // in answer.values
	rules       Span // in answer.rules
	id, version Span
	lat, lng    float64
	located     bool
	semantic    bool
	blank       bool
	// Score is _rankingScore, and -1 where the node gave none.
	Score float64
	// Pin is the position that a search rule gave the hit, -1 for none.
	Pin int
}

// GeoRule is one rule that sorts by distance to a point. A shard's own buckets
// of near points are not the buckets of the whole, so the merge makes them
// anew, from the hits' own places.
type GeoRule struct {
	// At is the offset in the ranking key where the rule stands.
	At       int32
	Lat, Lng float64
	Desc     bool
}

// Answer is a scanned answer of a node. It refers to the body, which must
// stay as it is for as long as the answer is used.
type Answer struct {
	Body []byte
	Hits []Hit
	// Total is estimatedTotalHits, totalHits or total, whichever is there; -1
	// where none is.
	Total int
	// Semantic is semanticHitCount, -1 where the node gave none.
	Semantic int

	// Parts of the answer that are read by others, empty where it lacks them.
	FacetDistribution, FacetStats, FacetHits, FacetsByIndex, QueryVector, Performance Span

	special  bool
	edits    []edit
	keys     []byte
	geo      []GeoRule
	distinct []string
	values   []Value
	rules    []Rule
	memos    []memo
}

// Bytes gives the bytes of a span of the body.
func (a *Answer) Bytes(s Span) []byte { return a.Body[s.From:s.To] }

// Special reports whether some hit cannot be ranked by its key alone, because
// it is pinned to a position or sorted by a distance.
func (a *Answer) Special() bool { return a.special }

// Key is the hit's rank, in bytes that compare as the hits do: the smaller
// comes first. Rules by distance are not in it.
func (h *Hit) Key() []byte { return h.answer.keys[h.key.From:h.key.To] }

// Geo are the rules by distance, in the order of their places in the key.
func (h *Hit) Geo() []GeoRule { return h.answer.geo[h.geo.From:h.geo.To] }

// Place is where the hit is, if it says so.
func (h *Hit) Place() (lat, lng float64, ok bool) { return h.lat, h.lng, h.located }

// Distinct are the normalised values of the distinct attribute.
func (h *Hit) Distinct() []string { return h.answer.distinct[h.distinct.From:h.distinct.To] }

// Blank reports whether a distinct value is an empty text, or nothing but space.
// An empty one is no value to the index; what compares documents takes it for one.
func (h *Hit) Blank() bool { return h.blank }

// Values are the hit's score values, where they were wanted.
func (h *Hit) Values() []Value { return h.answer.values[h.values.From:h.values.To] }

// Rules are what the ranking rules told of the hit, in their order, where that
// was wanted.
func (h *Hit) Rules() []Rule { return h.answer.rules[h.rules.From:h.rules.To] }

// ID is the primary key's value as it stands in the answer.
func (h *Hit) ID() []byte { return h.answer.Bytes(h.id) }

// Version is the hidden version's text, empty where the answer has none.
func (h *Hit) Version() []byte { return h.answer.Bytes(h.version) }

// Semantic reports whether the hit was found by a vector.
func (h *Hit) Semantic() bool { return h.semantic }

// Append appends the hit as the client may see it.
func (h *Hit) Append(dst []byte) []byte {
	return h.appendRange(dst, h.span.From, h.span.To)
}

// AppendWith appends the hit with one more member, at the place where
// Meilisearch puts what it adds to a document.
func (h *Hit) AppendWith(dst []byte, member []byte) []byte {
	dst = h.appendRange(dst, h.span.From, h.tail)
	switch dst[len(dst)-1] {
	case '{', ',':
	default:
		dst = append(dst, ',')
	}
	dst = append(dst, member...)
	mark := len(dst)
	dst = h.appendRange(dst, h.tail, h.span.To)
	if dst[mark] == '}' || dst[mark] == ',' {
		return dst
	}
	dst = append(dst, 0)
	copy(dst[mark+1:], dst[mark:])
	dst[mark] = ','
	return dst
}

func (h *Hit) appendRange(dst []byte, from, to int32) []byte {
	body := h.answer.Body
	for _, e := range h.answer.edits[h.edits.From:h.edits.To] {
		if e.span.To <= from || e.span.From >= to {
			continue
		}
		if e.span.From > from {
			dst = append(dst, body[from:e.span.From]...)
		}
		dst = append(dst, e.text...)
		from = min(e.span.To, to)
	}
	return append(dst, body[from:to]...)
}

// Size is how many bytes Append appends at most.
func (h *Hit) Size() int { return int(h.span.To - h.span.From) }
