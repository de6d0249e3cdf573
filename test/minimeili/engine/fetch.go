package engine

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// Get gives a document with the given fields (nil: all of them).
func (ix *Index) Get(id string, fields []string, vectors bool) (json.RawMessage, bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	docid, ok := ix.ids[id]
	if !ok {
		return nil, false
	}
	return ix.render(ix.docs[docid], fields, vectors), true
}

// render is a document as the document routes show it.
func (ix *Index) render(d *document, fields []string, vectors bool) json.RawMessage {
	doc := &object{members: slices.Clone(d.body.members)}
	if vectors {
		doc.set("_vectors", ix.vectorsJSON(d))
	} else {
		doc.remove("_vectors")
	}
	if fields != nil && !slices.Contains(fields, "*") {
		keep := map[string]bool{}
		for _, f := range fields {
			keep[f] = true
		}
		doc = selectFields(doc, keep)
	}
	return appendValue(nil, doc)
}

// Fetch gives a page of documents: in the order of their internal ids, or sorted.
func (ix *Index) Fetch(r *request.DocumentsFetch) (*DocumentsResult, *meili.Error) {
	expr, err := filter.ParseAs("invalid_document_filter", r.Filter)
	if err != nil {
		return nil, err
	}
	sorts, err := filter.ParseSort(r.Sort)
	if err != nil {
		err = meili.NewError("invalid_document_sort", "%s", err.Message)
		return nil, err
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	candidates := ix.all.clone()
	if r.IDs != nil {
		candidates = docSet{}
		for _, id := range r.IDs {
			if docid, ok := ix.ids[id]; ok {
				candidates.add(docid)
			}
		}
	}
	if expr != nil {
		set, err := ix.filtered(expr, "invalid_document_filter", true)
		if err != nil {
			return nil, err
		}
		candidates.and(set)
	}
	order, err := ix.ordered(candidates, sorts)
	if err != nil {
		return nil, err
	}
	out := &DocumentsResult{Results: emptyHits, Offset: r.Offset, Limit: r.Limit, Total: candidates.len()}
	for i := r.Offset; i < len(order) && len(out.Results) < r.Limit; i++ {
		out.Results = append(out.Results, ix.render(ix.docs[order[i]], r.Fields, r.RetrieveVectors))
	}
	return out, nil
}

func (ix *Index) notSortable(attr string) *meili.Error {
	names := slices.Sorted(slices.Values(ix.cfg.sortable))
	if len(names) == 0 {
		return meili.NewError("invalid_document_sort", "Attribute `%s` is not sortable. This index does not have configured sortable attributes.", attr)
	}
	return meili.NewError("invalid_document_sort", "Attribute `%s` is not sortable. Available sortable attributes are: `%s`.", attr, strings.Join(names, ", "))
}

// Stats gives the index's figures.
func (ix *Index) Stats() Stats {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	s := Stats{Documents: len(ix.ids), HasEmbedders: len(ix.cfg.embedders) > 0}
	counts := map[string]int{}
	for _, d := range ix.docs {
		if d == nil {
			continue
		}
		s.RawSize += int64(d.size)
		for _, m := range d.body.members {
			if m.key != "_vectors" {
				counts[m.key]++
			}
		}
	}
	o := &object{}
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		o.members = append(o.members, member{name, intNumber(counts[name])})
	}
	s.FieldDistribution = appendValue(nil, o)
	var embedded docSet
	for _, e := range ix.cfg.embedders {
		for docid, emb := range ix.embeddingsOf(e.name) {
			s.Embeddings += len(emb.vectors)
			if len(emb.vectors) > 0 {
				embedded.add(docid)
			}
		}
	}
	s.EmbeddedDocuments = embedded.len()
	return s
}
