package request

import (
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

var optionsFields = decode.NewFields(
	decode.Field[FederationOptions]{Name: "weight", Code: "invalid_multi_search_weight",
		Read: func(o *FederationOptions, in decode.In) *meili.Error {
			if err := in.Float(&o.Weight); err != nil {
				return err
			}
			if o.Weight < 0 {
				return in.Invalid("the value of `weight` is invalid, expected a positive float (>= 0.0).")
			}
			return nil
		}},
	decode.Field[FederationOptions]{Name: "remote", Code: "invalid_multi_search_remote",
		Read: option(func(o *FederationOptions) **string { return &o.Remote }, readString)},
	decode.Field[FederationOptions]{Name: "queryPosition", Code: "invalid_multi_search_query_position",
		Read: option(func(o *FederationOptions) **int { return &o.QueryPosition }, readInt)},
)

func readFederationOptions(in decode.In, dst *FederationOptions) *meili.Error {
	dst.Weight = 1
	return optionsFields.Read(dst, in)
}

var federationFields = decode.NewFields(
	decode.Field[Federation]{Name: "limit", Code: "invalid_search_limit",
		Read: value(func(f *Federation) *int { return &f.Limit }, readInt)},
	decode.Field[Federation]{Name: "offset", Code: "invalid_search_offset",
		Read: value(func(f *Federation) *int { return &f.Offset }, readInt)},
	decode.Field[Federation]{Name: "page", Code: "invalid_search_page",
		Read: option(func(f *Federation) **int { return &f.Page }, readInt)},
	decode.Field[Federation]{Name: "hitsPerPage", Code: "invalid_search_hits_per_page",
		Read: option(func(f *Federation) **int { return &f.HitsPerPage }, readInt)},
	decode.Field[Federation]{Name: "facetsByIndex", Code: "invalid_multi_search_facets_by_index", Read: readFacetsByIndex},
	decode.Field[Federation]{Name: "mergeFacets", Code: "invalid_multi_search_merge_facets",
		Read: option(func(f *Federation) **MergeFacets { return &f.MergeFacets }, readMergeFacets)},
	decode.Field[Federation]{Name: "distinct", Code: "invalid_search_distinct",
		Read: option(func(f *Federation) **string { return &f.Distinct }, readString)},
	decode.Field[Federation]{Name: "showPerformanceDetails", Code: "invalid_search_show_performance_details",
		Read: value(func(f *Federation) *bool { return &f.ShowPerformanceDetails }, readBool)},
	decode.Field[Federation]{Name: "personalize", Code: "invalid_search_personalize",
		Read: option(func(f *Federation) **string { return &f.Personalize }, readPersonalize)},
)

func readFacetsByIndex(f *Federation, in decode.In) *meili.Error {
	f.FacetsByIndex = nil
	err := in.EachMember(func(name string, member decode.In) *meili.Error {
		if !validUID(name) {
			return in.Invalid(`the key "` + name + "\" could not be deserialized into the key type " +
				"`meilisearch_types::index_uid::IndexUid`")
		}
		facets := IndexFacets{Index: name}
		f.FacetsByIndex = append(f.FacetsByIndex, facets)
		if member.Null() {
			return nil
		}
		return member.Strings(&f.FacetsByIndex[len(f.FacetsByIndex)-1].Facets)
	})
	slices.SortFunc(f.FacetsByIndex, func(a, b IndexFacets) int { return strings.Compare(a.Index, b.Index) })
	return err
}

var mergeFields = decode.NewFields(
	decode.Field[MergeFacets]{Name: "maxValuesPerFacet", Code: "invalid_multi_search_max_values_per_facet",
		Read: option(func(m *MergeFacets) **int { return &m.MaxValuesPerFacet }, readInt)},
)

func readMergeFacets(in decode.In, dst *MergeFacets) *meili.Error { return mergeFields.Read(dst, in) }

var multiFields = decode.NewFields(
	decode.Field[MultiSearch]{Name: "queries", Missing: "-", Read: func(m *MultiSearch, in decode.In) *meili.Error {
		m.Queries = make([]Search, 0, len(in.Value.Elems))
		return in.Each(func(_ int, in decode.In) *meili.Error {
			query := newSearch()
			query.inMulti = true
			err := queryFields.Read(&query, in)
			m.Queries = append(m.Queries, query)
			return err
		})
	}},
	decode.Field[MultiSearch]{Name: "federation",
		Read: option(func(m *MultiSearch) **Federation { return &m.Federation }, func(in decode.In, f *Federation) *meili.Error {
			f.Limit = DefaultLimit
			return federationFields.Read(f, in)
		})},
)

// ParseMultiSearch reads the body of a multi-search. It leaves what queries may
// not say in a federated search, or only in one, to Check.
func ParseMultiSearch(body []byte) (*MultiSearch, *meili.Error) {
	return parse(body, multiFields, MultiSearch{})
}

// Inside tells in which query of a multi-search an error arose.
func Inside(query int, err *meili.Error) *meili.Error {
	return meili.NewError(err.Code, "Inside `.queries[%d]`: %s", query, err.Message)
}

// Check refuses what the i-th query may not say. The server makes these checks
// of a federated search after it has read the filters of all queries; those of
// another search before it runs the query.
func (m *MultiSearch) Check(i int) *meili.Error {
	var err *meili.Error
	if m.Federation == nil {
		err = m.Queries[i].checkPlain()
	} else {
		err = m.Queries[i].checkFederated(m.Federation)
	}
	if err != nil {
		return Inside(i, err)
	}
	return nil
}

func (s *Search) checkPlain() *meili.Error {
	if s.FederationOptions == nil {
		return nil
	}
	return meili.NewError("invalid_multi_search_federation_options",
		"Using `federationOptions` is not allowed in a non-federated search.\n - Hint: remove `federationOptions` "+
			"from the query or add `federation` to the request.")
}

func (s *Search) checkFederated(f *Federation) *meili.Error {
	remove := "\n - Hint: remove `%s` from the query or remove `federation` from the request"
	if field := s.paging(); field != "" {
		return meili.NewError("invalid_multi_search_query_pagination",
			"Using pagination options is not allowed in federated queries."+remove+
				"\n - Hint: pass `federation.limit` and `federation.offset` for pagination in federated search", field)
	}
	if len(s.Facets) > 0 {
		return meili.NewError("invalid_multi_search_query_facets",
			"Using facet options is not allowed in federated queries."+remove+
				"\n - Hint: pass `federation.facetsByIndex.%s: %s` for facets in federated search",
			"facets", s.IndexUID, debugStrings(s.Facets))
	}
	if s.Personalize != nil {
		return meili.NewError("invalid_multi_search_query_personalization",
			"Using `.personalize` is not allowed in federated queries."+remove+
				"\n - Hint: pass `federation.personalize` for personalization in federated search", "personalize")
	}
	if s.UseNetwork != nil && *s.UseNetwork && s.FederationOptions != nil && s.FederationOptions.Remote != nil {
		return meili.NewError("invalid_multi_search_federation_options",
			"Using `.useNetwork` is not allowed as the same time as `.federationOptions.remote`.\n  - Hint: to perform an "+
				"explicit query against a remote, remove `.useNetwork`.\n  - Hint: to automatically perform queries against "+
				"the entire network, remove `.federationOptions.remote`.")
	}
	if s.sent.performance {
		return meili.NewError("invalid_multi_search_query_show_performance_details",
			"Using `.showPerformanceDetails` is not allowed in federated queries."+remove, "showPerformanceDetails")
	}
	if s.Distinct != nil && f.Distinct != nil {
		return meili.NewError("invalid_multi_search_distinct",
			"Using `distinct` options is not allowed in federated queries when it also appears in `.federation.distinct`."+
				remove+"\n  - Note: `distinct` at the query level is discouraged in federated search.", "distinct")
	}
	return nil
}

// paging names the first paging field that was sent, if any was.
func (s *Search) paging() string {
	switch {
	case s.sent.offset:
		return "offset"
	case s.sent.limit:
		return "limit"
	case s.Page != nil:
		return "page"
	case s.HitsPerPage != nil:
		return "hitsPerPage"
	}
	return ""
}

// debugStrings writes a list of strings the way Rust prints one for debugging.
func debugStrings(list []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, s := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(decode.Debug(s))
	}
	b.WriteByte(']')
	return b.String()
}
