package engine

import (
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// kindOfSearch says what a search goes by and, when it is semantic, how.
type kindOfSearch struct {
	semantic bool // by vector only
	hybrid   bool // by words and by vector
	ratio    float32
	embedder *embedder
}

// kindOf decides as the real server does; the order of the cases matters.
func (ix *Index) kindOf(q *request.Search) (kindOfSearch, *meili.Error) {
	placeholder := q.Q == nil || strings.TrimSpace(*q.Q) == ""
	media := q.Media != nil
	var k kindOfSearch
	switch {
	case media && q.Vector != nil:
		return k, meili.NewError("invalid_search_media_and_vector", "Invalid request: both `media` and `vector` parameters are present.")
	case q.Hybrid == nil && (media || q.Vector != nil):
		return k, meili.NewError("missing_search_hybrid", "Invalid request: missing `hybrid` parameter when `vector` or `media` are present.")
	case q.Hybrid == nil || q.Hybrid.SemanticRatio == 0 || placeholder && !media && q.Vector == nil:
		return k, nil
	}
	k.ratio = q.Hybrid.SemanticRatio
	k.hybrid = !placeholder && k.ratio != 1
	k.semantic = !k.hybrid
	var err *meili.Error
	k.embedder, err = ix.findEmbedder(q.Hybrid.Embedder, "invalid_search_embedder", q.Vector)
	return k, err
}

func (ix *Index) findEmbedder(name, code string, vector []float32) (*embedder, *meili.Error) {
	e, ok := ix.cfg.embedder(name)
	if !ok {
		return nil, meili.NewError(code, "Cannot find embedder with name `%s`.", name)
	}
	if vector != nil && e.dimensions > 0 && len(vector) != e.dimensions {
		return nil, meili.NewError("invalid_vector_dimensions", "Invalid vector dimensions: expected: `%d`, found: `%d`.", e.dimensions, len(vector))
	}
	return e, nil
}

// execution is one query made ready to run on an index.
type execution struct {
	ix   *Index
	q    *request.Search
	kind kindOfSearch
	sort []filter.Sort

	distinct   *string // of the query or of the federation
	from       int
	length     int
	exhaustive bool
	filter     *filter.Expr
}

// outcome is what an execution found.
type outcome struct {
	ranked
	words       *matchingWords
	queryVector []float32
}

// prepare checks what can be checked before anything is looked up.
func (ix *Index) prepare(q *request.Search, expr *filter.Expr) (*execution, *meili.Error) {
	kind, err := ix.kindOf(q)
	if err != nil {
		return nil, err
	}
	x := &execution{ix: ix, q: q, kind: kind, distinct: q.Distinct, filter: expr}
	x.sort, err = filter.ParseSort(q.Sort)
	return x, err
}

// run executes the query.
func (x *execution) run() (outcome, *meili.Error) {
	switch {
	case x.kind.hybrid:
		return x.runHybrid()
	case x.kind.semantic:
		return x.once(vectorSearch, x.from, x.length)
	}
	return x.once(keywordSearch, x.from, x.length)
}

// once executes the query by words or by vector.
func (x *execution) once(kind searchKind, from, length int) (outcome, *meili.Error) {
	ix := x.ix
	c := ix.newSearchContext()
	if err := x.restrict(c); err != nil {
		return outcome{}, err
	}
	if x.distinct != nil {
		if err := ix.checkDistinct(*x.distinct); err != nil {
			return outcome{}, err
		}
	}
	universe, err := ix.filtered(x.filter, "invalid_search_filter", false)
	if err != nil {
		return outcome{}, err
	}
	var graph *queryGraph
	var terms []*termSubset
	if x.q.Q != nil && strings.TrimSpace(*x.q.Q) != "" && !x.kind.semantic {
		graph, terms = x.readQuery(c, &universe)
	}
	if err := filter.CheckSort(x.sort, filter.SortRules{Index: ix.uid, Sortable: ix.cfg.sortable, Displayed: ix.cfg.shown(), RankingRules: ix.cfg.rankingRules}); err != nil {
		return outcome{}, err
	}
	var out outcome
	o := ruleOptions{kind: kind, strategy: x.q.MatchingStrategy, sort: x.sort}
	if kind == vectorSearch {
		target, err := x.target()
		if err != nil {
			return outcome{}, err
		}
		o.vector = func() rankingRule {
			return &vectorRule{embedder: x.kind.embedder, target: target, limit: from + length}
		}
		if x.q.RetrieveVectors {
			out.queryVector = target
		}
		graph = nil
	} else if graph == nil {
		o.kind = placeholderSearch
	} else {
		universe.and(c.resolveReduced(graph, universe, x.q.MatchingStrategy))
	}
	s := bucketSort{
		c: c, rules: ix.rankingRules(o), distinct: x.distinctField(), from: from, length: length,
		threshold: x.q.RankingScoreThreshold, exhaustive: x.exhaustive, maxHits: ix.cfg.maxTotalHits,
	}
	out.ranked = s.run(universe, graph)
	if x.exhaustive && s.distinct >= 0 && kind != vectorSearch {
		out.candidates, _ = ix.distinctDocs(out.candidates, uint16(s.distinct))
	}
	out.words = newMatchingWords(nil)
	if kind != vectorSearch {
		out.words = newMatchingWords(terms)
	}
	return out, nil
}

// readQuery parses the text and takes what it excludes out of the universe. It
// gives no graph when nothing but exclusions is left.
func (x *execution) readQuery(c *searchContext, universe *docSet) (*queryGraph, []*termSubset) {
	p := c.parse(*x.q.Q)
	var ignored docSet
	for _, w := range p.negativeWords {
		ignored.or(c.wordDocs(derivedWord{w, true}))
	}
	for _, ph := range p.negativePhrases {
		ignored.or(c.phraseDocs(ph))
	}
	universe.sub(ignored)
	if len(p.terms) == 0 {
		return nil, nil
	}
	return c.graphOf(p.terms)
}

// resolveReduced gives the documents that match what of a query has to match.
func (c *searchContext) resolveReduced(g *queryGraph, universe docSet, strategy string) docSet {
	var drop docSet
	for _, group := range c.removalOrder(g, strategy) {
		drop.or(group)
	}
	reduced := g.clone()
	reduced.skip(drop)
	return c.resolve(reduced, universe)
}

// restrict limits the search to attributesToSearchOn.
func (x *execution) restrict(c *searchContext) *meili.Error {
	if x.q.AttributesToSearchOn == nil {
		return nil
	}
	fields := map[uint16]bool{}
	everywhere := false
	for _, attr := range x.q.AttributesToSearchOn {
		if attr == "*" {
			everywhere = true
			continue
		}
		if !x.restrictTo(fields, attr) {
			return x.ix.notSearchable(attr)
		}
	}
	if !everywhere {
		c.restricted = fields
	}
	return nil
}

func (x *execution) restrictTo(fields map[uint16]bool, attr string) bool {
	ix := x.ix
	if fid, ok := ix.fieldIDs[attr]; ok {
		if _, ok := ix.cfg.searchWeight(attr); ok {
			fields[fid] = true
			return true
		}
	}
	if strings.Contains(attr, "*") {
		matched := false
		for fid, name := range ix.fields {
			if _, ok := ix.cfg.searchWeight(name); ok && matchPattern(attr, name) {
				fields[uint16(fid)] = true
				matched = true
			}
		}
		if matched {
			return true
		}
	}
	return ix.cfg.searchable == nil || slices.Contains(ix.cfg.searchable, attr)
}

func (x *execution) distinctField() int {
	name := x.ix.cfg.distinct
	if x.distinct != nil {
		name = *x.distinct
	}
	if fid, ok := x.ix.fieldIDs[name]; ok && name != "" {
		return int(fid)
	}
	return -1
}

// target is the vector to search by. The double embeds nothing: without a
// vector a semantic search fails like one whose embedder cannot be reached.
func (x *execution) target() ([]float32, *meili.Error) {
	if x.q.Vector != nil {
		return x.q.Vector, nil
	}
	return nil, meili.NewError("vector_embedding_error", "Error while generating embeddings: user error: attempt to embed the following text in a configuration where embeddings must be user provided:\n  - `%s`", deref(x.q.Q))
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// page is which hits of a search are shown.
type page struct {
	paged       bool
	number      int
	hitsPerPage int
	offset      int
	limit       int
}

func pageOf(pageNumber, hitsPerPage *int, offset, limit int) page {
	p := page{paged: pageNumber != nil || hitsPerPage != nil, number: 1, hitsPerPage: 20, offset: offset, limit: limit}
	if !p.paged {
		return p
	}
	if pageNumber != nil {
		p.number = *pageNumber
	}
	if hitsPerPage != nil {
		p.hitsPerPage = *hitsPerPage
	}
	if p.number == 0 {
		p.offset, p.limit = 0, 0
	} else {
		p.offset, p.limit = (p.number-1)*p.hitsPerPage, p.hitsPerPage
	}
	return p
}

// required is how many hits have to be found to show the page.
func (p page) required() int { return p.offset + p.limit }

func (p page) pages(total int) int {
	if p.hitsPerPage == 0 {
		return 0
	}
	return (total + p.hitsPerPage - 1) / p.hitsPerPage
}

// Search answers a search. Like the real server it runs it as a federated
// search of one query, from the first hit on.
func (ix *Index) Search(q *request.Search) (*Result, *meili.Error) {
	expr, err := filter.Parse(q.Filter)
	if err != nil {
		return nil, err
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	x, err := ix.prepare(q, expr)
	if err != nil {
		return nil, err
	}
	p := pageOf(q.Page, q.HitsPerPage, q.Offset, q.Limit)
	x.length, x.exhaustive = min(p.required(), ix.cfg.maxTotalHits), p.paged
	out, err := x.run()
	if err != nil {
		return nil, err
	}
	res := &Result{Query: deref(q.Q), Hits: emptyHits}
	maker := ix.newHitMaker(q, out.words)
	semantic := 0
	for i := p.offset; i < min(len(out.docs), p.required()); i++ {
		if hasVector(out.scores[i]) {
			semantic++
		}
		res.Hits = append(res.Hits, maker.hit(out.docs[i], out.scores[i], nil))
	}
	if out.queryVector != nil {
		res.QueryVector = appendValue(nil, vectorF32(out.queryVector))
	}
	if x.kind.semantic || x.kind.hybrid {
		res.SemanticHitCount = &semantic
	}
	res.total(p, out.candidates.len())
	if len(q.Facets) > 0 {
		f, err := ix.facets(q.Facets, out.candidates)
		if err != nil {
			return nil, err
		}
		res.FacetDistribution, res.FacetStats = f.distributionJSON(), f.statsJSON()
	}
	return res, nil
}

func (r *Result) total(p page, total int) {
	if !p.paged {
		r.Limit, r.Offset, r.EstimatedTotalHits = &p.limit, &p.offset, &total
		return
	}
	pages := p.pages(total)
	r.HitsPerPage, r.Page, r.TotalPages, r.TotalHits = &p.hitsPerPage, &p.number, &pages, &total
}
