package search

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// prepared is a search that was checked against the logical settings, and what
// nodes are asked in its place: they know more attributes than clients do.
type prepared struct {
	ix     *index.Index
	client *request.Search // as the client sent it
	tenant json.RawMessage

	paged    bool
	from, to int // the hits wanted, capped by maxTotalHits

	displayed []string // nil means all
	distinct  string
	geo       bool
	federated bool // the hits are merged with those of other queries
	order     ordering
	only      json.RawMessage // narrows the search further, nil for not

	pass, merge         request.Search // what a node that has all is asked, and one that has a part
	passWant, mergeWant hit.Want
}

// prepare checks a search and rewrites it for the nodes.
func (r *Reader) prepare(ix *index.Index, q *request.Search, tenant json.RawMessage) (*prepared, *meili.Error) {
	if q.UseNetwork != nil && *q.UseNetwork && !r.o.Features().Get("network") {
		return nil, meili.FeatureNotEnabled("passing `useNetwork` in a search query", "network")
	}
	p := &prepared{ix: ix, client: q, tenant: tenant}
	p.displayed = displayed(ix.Settings)
	p.window()
	if err := r.checkFilter(ix, q.Filter, "invalid_search_filter", false); err != nil {
		return nil, err
	}
	if err := p.checkSort(); err != nil {
		return nil, err
	}
	if err := checkFacets(ix, q.Facets); err != nil {
		return nil, err
	}
	p.distinct = ix.Settings.Distinct()
	if q.Distinct != nil {
		p.distinct = *q.Distinct
		if err := checkDistinct(ix, p.distinct); err != nil {
			return nil, err
		}
	}
	p.rewrite()
	return p, nil
}

// displayed gives the displayed attributes, nil where all are.
func displayed(s *settings.Settings) []string {
	list := s.Displayed()
	if list == nil || slices.Contains(list, "*") {
		return nil
	}
	if len(list) == 0 {
		return []string{}
	}
	return list
}

func (p *prepared) window() {
	q, most := p.client, p.ix.Settings.MaxTotalHits()
	p.paged = q.Page != nil || q.HitsPerPage != nil
	if !p.paged {
		p.from, p.to = q.Offset, saturated(q.Offset, q.Limit)
	} else {
		page, size := p.page()
		if page > 0 {
			p.to = saturatedTimes(page, size)
			p.from = p.to - min(size, p.to)
		}
	}
	p.from, p.to = min(p.from, most), min(p.to, most)
}

func (p *prepared) page() (page, size int) {
	page, size = 1, 20
	if p.client.Page != nil {
		page = *p.client.Page
	}
	if p.client.HitsPerPage != nil {
		size = *p.client.HitsPerPage
	}
	return page, size
}

const maxInt = int(^uint(0) >> 1)

func saturated(a, b int) int {
	if a > maxInt-b {
		return maxInt
	}
	return a + b
}

func saturatedTimes(a, b int) int {
	if b != 0 && a > maxInt/b {
		return maxInt
	}
	return a * b
}

// checkFilter refuses a filter that the logical settings do not allow; nodes
// would allow more.
func (r *Reader) checkFilter(ix *index.Index, raw json.RawMessage, code string, original bool) *meili.Error {
	if len(raw) == 0 {
		return nil
	}
	expr, err := filter.ParseAs(code, raw)
	if err != nil || expr == nil {
		return err
	}
	rules := filter.Rules{Index: ix.UID, Code: code, Filterable: ix.Settings.Filterable(), Original: original}
	if original {
		rules.Index = ""
	}
	rules.Features = r.o.Features()
	return expr.Check(rules)
}

func (p *prepared) checkSort() *meili.Error {
	if len(p.client.Sort) == 0 {
		return nil
	}
	criteria, err := filter.ParseSort(p.client.Sort)
	if err != nil {
		return err
	}
	p.geo = slices.ContainsFunc(p.client.Sort, func(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), "_geoPoint(") })
	return filter.CheckSort(criteria, filter.SortRules{Index: p.ix.UID, Code: "invalid_search_sort",
		Sortable: p.ix.Settings.Sortable(), Displayed: p.displayed, RankingRules: p.ix.Settings.RankingRules()})
}

// patterns lists the filterable patterns as messages do, of which those of
// attributes that are not displayed are left out.
func patterns(ix *index.Index, facetSearch, all bool) (list []string, some bool) {
	shown := displayed(ix.Settings)
	for _, f := range ix.Settings.Filterable() {
		if facetSearch && !f.FacetSearch || !facetSearch && !all && !f.Equality && !f.Comparison {
			continue
		}
		for _, name := range f.Patterns {
			if !all && shown != nil && !slices.Contains(shown, name) {
				some = true
				continue
			}
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), some
}

// filterable reports whether a client may filter by an attribute or count its
// values.
func filterable(ix *index.Index, attribute string) bool {
	rule, _ := settings.MatchFilterable(ix.Settings.Filterable(), attribute)
	return rule != nil && (rule.Equality || rule.Comparison || rule.FacetSearch) && !strings.HasPrefix(attribute, hidden.Prefix)
}

func checkFacets(ix *index.Index, facets []string) *meili.Error {
	for _, name := range facets {
		if name == "*" || strings.Contains(name, "*") && !strings.HasPrefix(name, hidden.Prefix) || filterable(ix, name) {
			continue
		}
		const code = "invalid_search_facets"
		list, _ := patterns(ix, false, true)
		if len(list) == 0 {
			return meili.NewError(code, "Invalid facet distribution: Pattern `%s` is not filterable. This index does not have configured filterable attributes.", name)
		}
		return meili.NewError(code, "Invalid facet distribution: Pattern `%s` is not filterable. Available filterable attributes patterns are: `%s`.",
			name, strings.Join(list, ", "))
	}
	return nil
}

func checkDistinct(ix *index.Index, attribute string) *meili.Error {
	if attribute == ix.Settings.Distinct() || filterable(ix, attribute) {
		return nil
	}
	list, some := patterns(ix, false, false)
	names := strings.Join(list, ", ")
	if some {
		names += ", <..hidden-attributes>"
	}
	message := "Available filterable attributes patterns are: `" + names + "`."
	if len(list) == 0 {
		message = "This index does not have configured filterable attributes."
	}
	return meili.NewError("invalid_search_distinct", "%s", "Index `"+ix.UID+"`: Attribute `"+attribute+
		"` is not filterable and thus, cannot be used as distinct attribute. "+message)
}

// rewrite makes the searches that nodes are sent.
func (p *prepared) rewrite() {
	q := *p.client
	q.UseNetwork, q.FederationOptions, q.IndexUID = nil, nil, ""
	q.AttributesToRetrieve = p.shown(q.AttributesToRetrieve)
	q.AttributesToHighlight = p.shownOnly(q.AttributesToHighlight, false)
	q.AttributesToCrop = p.shownOnly(q.AttributesToCrop, true)
	if p.distinct != "" {
		q.Distinct = &p.distinct
	}
	p.pass = q
	p.passWant = hit.Want{Displayed: p.displayed, Distinct: p.distinct, Score: q.ShowRankingScore, Details: q.ShowRankingScoreDetails}

	p.merge, p.mergeWant = q, p.passWant
	p.mergeWant.Geo = p.geo
	m := &p.merge
	m.ShowRankingScoreDetails = true
	if q.RankingScoreThreshold != nil {
		m.ShowRankingScore = true
	}
	p.extend(m)
	if p.paged {
		one, size := 1, p.to
		m.Page, m.HitsPerPage = &one, &size
		p.countDistinct(m)
	} else {
		m.Offset, m.Limit = 0, p.to
		if p.from >= p.to {
			m.Limit = 0
		}
	}
}

// shown gives the attributes to retrieve: Meilisearch's intersection with the
// displayed ones is by name.
func (p *prepared) shown(list []string) []string {
	if list == nil || slices.Contains(list, "*") {
		return p.displayed
	}
	out := []string{}
	for _, name := range list {
		if !strings.HasPrefix(name, hidden.Prefix) && (p.displayed == nil || slices.Contains(p.displayed, name)) {
			out = append(out, name)
		}
	}
	return out
}

// shownOnly gives the attributes to highlight or, where a length may follow
// each, to crop.
func (p *prepared) shownOnly(list []string, lengths bool) []string {
	if list == nil {
		return nil
	}
	var out []string
	for _, item := range list {
		name, length := item, ""
		if i := strings.LastIndexByte(item, ':'); lengths && i >= 0 {
			name, length = item[:i], item[i:]
		}
		switch {
		case strings.HasPrefix(name, hidden.Prefix):
		case p.displayed == nil || slices.Contains(p.displayed, name):
			out = append(out, item)
		case name == "*":
			for _, d := range p.displayed {
				out = append(out, d+length)
			}
		}
	}
	return out
}

// extend asks for the attributes that the merge needs besides what the client
// asked for, and notes what of it to leave out again.
func (p *prepared) extend(m *request.Search) {
	asked := m.AttributesToRetrieve
	if asked == nil {
		return
	}
	extended := slices.Clone(asked)
	need := func(name string) bool {
		if name == "" || covered(asked, name) {
			return false
		}
		extended = append(extended, name)
		return true
	}
	more := need(p.distinct)
	if p.geo && need("_geo") {
		p.mergeWant.DropGeoDistance, more = true, true
	}
	if !more {
		return
	}
	m.AttributesToRetrieve = extended
	p.mergeWant.Keep = asked
	formatted := slices.Concat(asked, m.AttributesToHighlight)
	for _, item := range m.AttributesToCrop {
		if i := strings.LastIndexByte(item, ':'); i >= 0 {
			item = item[:i]
		}
		formatted = append(formatted, item)
	}
	if !slices.Contains(formatted, "*") {
		p.mergeWant.Formatted = formatted
	}
}

// covered reports whether an attribute is among others, or inside one of them.
func covered(list []string, name string) bool {
	for _, l := range list {
		if strings.HasPrefix(name, l) && (len(name) == len(l) || name[len(l)] == '.') {
			return true
		}
	}
	return false
}

// countDistinct asks for the distinct attribute's values as well: pages are
// counted in full, and values that several nodes have count once.
func (p *prepared) countDistinct(m *request.Search) {
	if p.distinct == "" || slices.Contains(m.Facets, p.distinct) || slices.Contains(m.Facets, "*") {
		return
	}
	m.Facets = append(slices.Clone(m.Facets), p.distinct)
}

// body writes a search for a leg, with the filters that go with it.
func (p *prepared) body(q *request.Search, leg plan.Leg) []byte {
	out := *q
	out.Filter = joinFilters(p.client.Filter, p.tenant, shardFilter(leg, p.ix.Shards), p.only)
	return out.AppendJSON(make([]byte, 0, 512+len(out.Filter)))
}

// shardFilter is the filter that narrows a request to a leg's shards, nil where
// none is needed.
func shardFilter(leg plan.Leg, shards int) json.RawMessage {
	if !leg.Filter {
		return nil
	}
	return filterText(hidden.ShardFilter(leg.Shards.Shards(), shards))
}

// joinFilters makes one filter that holds where all do. An array holds where
// all its elements do, but an array inside it where any does, so arrays are
// joined by their elements.
func joinFilters(filters ...json.RawMessage) json.RawMessage {
	var only json.RawMessage
	n := 0
	out := []byte{'['}
	for _, f := range filters {
		f = bytes.TrimSpace(f)
		if len(f) == 0 || string(f) == "null" || string(f) == `""` {
			continue
		}
		inner := f
		if f[0] == '[' {
			if inner = bytes.TrimSpace(f[1 : len(f)-1]); len(inner) == 0 {
				continue
			}
		}
		if n++; n == 1 {
			only = f
		} else {
			out = append(out, ',')
		}
		out = append(out, inner...)
	}
	if n <= 1 {
		return only
	}
	return append(out, ']')
}
