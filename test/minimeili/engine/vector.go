package engine

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// vectorStore holds the embeddings of one embedder.
type vectorStore struct{ docs map[uint32]*embeddings }

// embeddings are a document's vectors for one embedder.
type embeddings struct {
	vectors    [][]float32
	given      bool // vectors were named, if only to say that there are none
	regenerate bool
}

// docVectors are what a change brings for each embedder.
type docVectors map[string]*embeddings

func (v *vectorStore) remove(docid uint32) { delete(v.docs, docid) }

func (s *store) vectorsOf(name string) *vectorStore {
	v := s.vectors[name]
	if v == nil {
		v = &vectorStore{docs: map[uint32]*embeddings{}}
		s.vectors[name] = v
	}
	return v
}

// embeddingsOf gives the embeddings of one embedder, to read.
func (s *store) embeddingsOf(name string) map[uint32]*embeddings {
	if v := s.vectors[name]; v != nil {
		return v.docs
	}
	return nil
}

// takeVectors moves the vectors of configured embedders out of a document.
func (ix *Index) takeVectors(c *change) (docVectors, *meili.Error) {
	v, ok := c.body.get("_vectors")
	if !ok {
		return nil, nil
	}
	o, ok := v.(*object)
	if !ok {
		if v == nil {
			c.body.remove("_vectors")
			return nil, nil
		}
		if len(ix.cfg.embedders) == 0 {
			return nil, nil
		}
		return nil, meili.NewError("invalid_vectors_type", "The `_vectors` field in the document with id: `%s` is not an object. Was expecting an object with a key for each embedder with manually provided vectors, but instead got `%s`", c.id, appendValue(nil, v))
	}
	taken, rest := docVectors{}, &object{}
	for _, m := range o.members {
		e, ok := ix.cfg.embedder(m.key)
		if !ok {
			rest.members = append(rest.members, m)
			continue
		}
		emb, err := e.parse(c.id, m.value)
		if err != nil {
			return nil, err
		}
		taken[m.key] = emb
	}
	if len(rest.members) == 0 {
		c.body.remove("_vectors")
	} else {
		c.body.set("_vectors", rest)
		ix.fieldID("_vectors")
	}
	return taken, nil
}

func (e *embedder) parse(id string, v any) (*embeddings, *meili.Error) {
	bad := func(what string) *meili.Error {
		return meili.NewError("invalid_vectors_type", "Bad embedder configuration in the document with id: `%s`. %s", id, what)
	}
	emb := &embeddings{given: true}
	switch t := v.(type) {
	case nil:
		return emb, nil
	case *object:
		regenerate, ok := t.get("regenerate")
		if !ok {
			return nil, bad("Missing field `._vectors." + e.name + ".regenerate`\n  - note: `._vectors." + e.name + "` must be an array of floats, an array of arrays of floats, or an object with field `regenerate`")
		}
		emb.regenerate, _ = regenerate.(bool)
		v, emb.given = t.get("embeddings")
		if v == nil {
			return emb, nil
		}
	}
	a, ok := v.([]any)
	if !ok {
		kind := map[bool]string{true: "string", false: "boolean"}[isString(v)]
		if _, ok := v.(number); ok {
			kind = "integer"
		}
		return nil, bad("Expected `._vectors." + e.name + "` to be an array of floats, an array of arrays of floats, or an object with at least the field `regenerate`, but got the " + kind + " `" + string(appendValue(nil, v)) + "`")
	}
	if len(a) > 0 {
		if _, flat := a[0].(number); flat {
			a = []any{a}
		}
	}
	for _, row := range a {
		numbers, _ := row.([]any)
		vec := make([]float32, 0, len(numbers))
		for _, n := range numbers {
			f, ok := n.(number)
			if !ok {
				return nil, bad("Invalid value type at `._vectors." + e.name + "`: expected a number, but found `" + string(appendValue(nil, n)) + "`")
			}
			vec = append(vec, float32(f.f))
		}
		if e.dimensions > 0 && len(vec) != e.dimensions {
			return nil, meili.NewError("invalid_vector_dimensions", "Invalid vector dimensions in document with id `%s` in `._vectors.%s`.\n  - note: embedding #0 has dimensions %d\n  - note: embedder `%s` requires %d", id, e.name, len(vec), e.name, e.dimensions)
		}
		emb.vectors = append(emb.vectors, vec)
	}
	return emb, nil
}

func isString(v any) bool { _, ok := v.(string); return ok }

// keepVectors completes what takeVectors took with what a document that exists
// has: a document without _vectors keeps its own. It gives whether an embedder
// lacks vectors that the document should have brought.
func (ix *Index) keepVectors(c *change, taken docVectors, e *embedder) (lacks bool) {
	emb := taken[e.name]
	if c.missing {
		return emb == nil || !emb.given && emb.regenerate
	}
	old := ix.embeddingsOf(e.name)[c.docid]
	if emb != nil && emb.given || old == nil {
		return emb == nil
	}
	if emb != nil && emb.regenerate {
		return true
	}
	taken[e.name] = old
	return emb == nil && old.regenerate && !sameContent(ix.docs[c.docid].body, c.body)
}

// sameContent compares documents without their vectors.
func sameContent(a, b *object) bool {
	a, b = &object{members: slices.Clone(a.members)}, &object{members: slices.Clone(b.members)}
	a.remove("_vectors")
	b.remove("_vectors")
	return equalValue(a, b)
}

// lackOfVectors is the failure of a batch whose documents bring no vectors.
func (ix *Index) lackOfVectors(e *embedder, first string, n int) *meili.Error {
	others := ""
	if n > 1 {
		others = fmt.Sprintf(" and at least %d other document(s)", n-1)
	}
	return meili.NewError("vector_embedding_error", "While embedding documents for embedder `%[1]s`: no vectors provided for document `%[2]s`%[3]s\n"+
		"- Note: `%[1]s` has `source: userProvided`, so documents must provide embeddings as an array in `_vectors.%[1]s`.\n"+
		"- Hint: opt-out for a document with `_vectors.%[1]s: null`", e.name, first, others)
}

// putVectors stores what takeVectors took; embedders that got nothing forget the document.
func (ix *Index) putVectors(docid uint32, taken docVectors) {
	for _, e := range ix.cfg.embedders {
		s := ix.vectorsOf(e.name)
		if emb, ok := taken[e.name]; ok {
			if e.binary {
				for _, v := range emb.vectors {
					quantize(v)
				}
			}
			s.docs[docid] = emb
		} else {
			delete(s.docs, docid)
		}
	}
}

// quantize keeps one bit of each number of a vector: whether it is positive.
func quantize(v []float32) {
	for i, f := range v {
		if f > 0 {
			v[i] = 1
		} else {
			v[i] = 0
		}
	}
}

// bitDistance is the share of bits that differ. Bits are stored by 64, and those
// that are not used count.
func bitDistance(a, b []float32) float32 {
	differ := 0
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			differ++
		}
	}
	return float32(differ) / float32((len(a)+63)/64*64)
}

// mergeVectors merges the _vectors of an update into those of the document.
func mergeVectors(into *object, update any) any {
	old, _ := into.get("_vectors")
	o, okOld := old.(*object)
	u, okNew := update.(*object)
	if !okOld || !okNew {
		return update
	}
	merged := &object{members: slices.Clone(o.members)}
	for _, m := range u.members {
		merged.set(m.key, m.value)
	}
	return merged
}

// json is the explicit form of embeddings.
func (e *embeddings) json() *object {
	rows := []any{}
	regenerate := true
	if e != nil {
		for _, v := range e.vectors {
			rows = append(rows, vectorJSON(v))
		}
		regenerate = e.regenerate
	}
	return &object{members: []member{{"embeddings", rows}, {"regenerate", regenerate}}}
}

func vectorJSON(v []float32) []any {
	row := make([]any, len(v))
	for i, f := range v {
		row[i] = floatNumber(float64(f))
	}
	return row
}

// changeEmbedders moves vectors between documents and stores when embedders are
// added or removed. Every document must have vectors for an embedder that is added.
func (ix *Index) changeEmbedders(before, after []embedder) *meili.Error {
	var brought []change
	for i := range after {
		if e := &after[i]; !slices.ContainsFunc(before, func(b embedder) bool { return b.name == e.name }) {
			lacking, err := ix.vectorsFor(e)
			if err != nil {
				return err
			}
			if len(lacking) > 0 {
				return ix.lackOfVectors(e, lacking[0], len(lacking))
			}
		}
	}
	for _, e := range before {
		if !slices.ContainsFunc(after, func(a embedder) bool { return a.name == e.name }) {
			ix.returnVectors(e.name)
		}
	}
	for _, d := range ix.docs {
		if d == nil {
			continue
		}
		if _, ok := d.body.get("_vectors"); ok {
			brought = append(brought, change{id: d.id, docid: d.docid, body: d.body})
		}
	}
	for i := range brought {
		taken, err := ix.takeVectors(&brought[i])
		if err != nil {
			return err
		}
		for name, emb := range taken {
			ix.vectorsOf(name).docs[brought[i].docid] = emb
		}
	}
	return nil
}

// vectorsFor lists the documents that bring no vectors for an embedder.
func (ix *Index) vectorsFor(e *embedder) (lacking []string, err *meili.Error) {
	for _, d := range ix.docs {
		if d == nil || e.source != "userProvided" {
			continue
		}
		v, _ := d.body.get("_vectors")
		o, _ := v.(*object)
		if o == nil {
			o = &object{}
		}
		entry, ok := o.get(e.name)
		if !ok {
			lacking = append(lacking, d.id)
			continue
		}
		emb, err := e.parse(d.id, entry)
		if err != nil {
			return nil, err
		}
		if !emb.given && emb.regenerate {
			lacking = append(lacking, d.id)
		}
	}
	return lacking, nil
}

// returnVectors gives documents the vectors back that they brought for an
// embedder that goes.
func (ix *Index) returnVectors(name string) {
	for docid, emb := range ix.embeddingsOf(name) {
		if emb.regenerate {
			continue
		}
		d := ix.docs[docid]
		vectors, _ := d.body.get("_vectors")
		o, ok := vectors.(*object)
		if !ok {
			o = &object{}
		}
		given := emb.json()
		slices.Reverse(given.members)
		o.set(name, given)
		slices.SortFunc(o.members, func(a, b member) int { return cmp.Compare(a.key, b.key) })
		d.body.set("_vectors", o)
		ix.fieldID("_vectors")
		ix.sortFields(d.body)
	}
	delete(ix.vectors, name)
}

// vectorF32 is a vector written with the digits of single precision.
func vectorF32(v []float32) []any {
	row := make([]any, len(v))
	for i, f := range v {
		row[i] = number{formatFloatBits(float64(f), 32), float64(f)}
	}
	return row
}
