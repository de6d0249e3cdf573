package minimeili

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/test/minimeili/engine"
)

// metadata is what a search answers of itself when it is asked to.
type metadata struct {
	Query      *string `json:"query,omitempty"`
	QueryUID   string  `json:"queryUid"`
	IndexUID   string  `json:"indexUid"`
	PrimaryKey string  `json:"primaryKey,omitempty"`
}

// measured runs a search, which lasts as long as the instance is told to.
func (c *call) measured(search func()) (elapsed time.Duration, ms int64) {
	start := time.Now()
	search()
	elapsed = time.Since(start)
	if rest := c.config.serviceTime - elapsed; rest > 0 {
		c.rest += rest
		elapsed += rest
	}
	return elapsed, elapsed.Milliseconds()
}

func performance(elapsed time.Duration) json.RawMessage {
	text := elapsed.Round(10 * time.Nanosecond).String()
	return json.RawMessage(`{"wait in queue":"0.00µs","search":"` + text + `"}`)
}

func (c *call) wantsMetadata() bool {
	value := c.r.Header.Get("Meili-Include-Metadata")
	return strings.EqualFold(value, "true") || value == "1"
}

func (c *call) search() (answer, *meili.Error) {
	var q *request.Search
	var err *meili.Error
	if c.r.Method == http.MethodGet {
		q, err = request.ParseSearchQuery(c.r.URL.RawQuery)
	} else {
		var body []byte
		if body, err = c.json(); err == nil {
			q, err = request.ParseSearch(body)
		}
	}
	if err != nil {
		return refuse(err)
	}
	uid, err := c.indexUID()
	if err != nil {
		return refuse(err)
	}
	result, err := c.searchIn(uid, q)
	if err != nil {
		return refuse(err)
	}
	return ok(result)
}

// searchIn answers one query on one index.
func (c *call) searchIn(uid string, q *request.Search) (*engine.Result, *meili.Error) {
	if err := c.checkQuery(q); err != nil {
		return nil, err
	}
	ix, err := c.index(uid)
	if err == nil {
		err = q.CheckHybrid()
	}
	if err != nil {
		return nil, err
	}
	q.Filter = both(q.Filter, c.grant.within(uid))
	var result *engine.Result
	elapsed, ms := c.measured(func() { result, err = ix.engine.Search(q) })
	if err != nil {
		return nil, err
	}
	result.ProcessingTimeMs = ms
	result.RequestUID = requestUID(c.config.now())
	if c.wantsMetadata() {
		result.Metadata = metadata{q.Q, requestUID(c.config.now()), uid, ix.engine.PrimaryKey()}
	}
	if q.ShowPerformanceDetails {
		result.PerformanceDetails = performance(elapsed)
	}
	return result, nil
}

// checkQuery refuses what needs a feature that is off.
func (c *call) checkQuery(q *request.Search) *meili.Error {
	if q.Media != nil {
		if err := c.need("multimodal", "passing `media` in a search query"); err != nil {
			return err
		}
	}
	if q.UseNetwork != nil {
		return c.need("network", "passing `useNetwork` in a search query")
	}
	return nil
}

// both joins two filters, either of which may be missing.
func both(a, b json.RawMessage) json.RawMessage {
	if len(b) == 0 {
		return a
	}
	if len(a) == 0 {
		return b
	}
	return json.RawMessage("[" + elements(a) + "," + elements(b) + "]")
}

// elements gives what stands between the brackets of an array, or the value.
func elements(raw json.RawMessage) string {
	text := strings.TrimSpace(string(raw))
	if strings.HasPrefix(text, "[") {
		return text[1 : len(text)-1]
	}
	return text
}

func (c *call) facetSearch() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	q, err := request.ParseFacetSearch(body)
	if err != nil {
		return refuse(err)
	}
	ix, err := c.pathIndex()
	if err == nil {
		err = q.CheckHybrid()
	}
	if err != nil {
		return refuse(err)
	}
	q.Filter = both(q.Filter, c.grant.within(c.params[0]))
	var result *engine.FacetResult
	_, ms := c.measured(func() { result, err = ix.engine.FacetSearch(q) })
	if err != nil {
		return refuse(err)
	}
	result.ProcessingTimeMs = ms
	return ok(result)
}

func (c *call) similar() (answer, *meili.Error) {
	var q *request.Similar
	var err *meili.Error
	if c.r.Method == http.MethodGet {
		q, err = request.ParseSimilarQuery(c.r.URL.RawQuery)
	} else {
		var body []byte
		if body, err = c.json(); err == nil {
			q, err = request.ParseSimilar(body)
		}
	}
	if err != nil {
		return refuse(err)
	}
	ix, err := c.pathIndex()
	if err != nil {
		return refuse(err)
	}
	var result *engine.SimilarResult
	elapsed, ms := c.measured(func() { result, err = ix.engine.Similar(q, c.grant.within(c.params[0])) })
	if err != nil {
		return refuse(err)
	}
	result.ProcessingTimeMs = ms
	if q.ShowPerformanceDetails {
		result.PerformanceDetails = performance(elapsed)
	}
	return ok(result)
}

// inside says of an error which query of a multi-search it comes from.
func inside(i int, err *meili.Error) *meili.Error {
	told := *err
	told.Message = fmt.Sprintf("Inside `.queries[%d]`: %s", i, err.Message)
	if told.Code == "index_not_found" {
		told.Status = http.StatusBadRequest
	}
	return &told
}

// queryResult is the answer to one query of a multi-search.
type queryResult struct {
	IndexUID string `json:"indexUid"`
	*engine.Result
}

func (c *call) multiSearch() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	m, err := request.ParseMultiSearch(body)
	if err != nil {
		return refuse(err)
	}
	for i := range m.Queries {
		if !c.grant.allows(m.Queries[i].IndexUID) {
			return refuse(inside(i, meili.InvalidAPIKey()))
		}
	}
	if m.Federation != nil {
		return c.federated(m)
	}
	results := make([]queryResult, len(m.Queries))
	for i := range m.Queries {
		q := &m.Queries[i]
		if err := m.Check(i); err != nil {
			return refuse(err)
		}
		result, err := c.searchIn(q.IndexUID, q)
		if err != nil {
			return refuse(inside(i, err))
		}
		results[i] = queryResult{q.IndexUID, result}
	}
	return ok(struct {
		Results []queryResult `json:"results"`
	}{results})
}

func (c *call) federated(m *request.MultiSearch) (answer, *meili.Error) {
	for i := range m.Queries {
		q := &m.Queries[i]
		if err := c.checkQuery(q); err != nil {
			return refuse(inside(i, err))
		}
		q.Filter = both(q.Filter, c.grant.within(q.IndexUID))
		if _, err := filter.Parse(q.Filter); err != nil {
			return refuse(inside(i, err))
		}
	}
	for i := range m.Queries {
		if err := m.Check(i); err != nil {
			return refuse(err)
		}
	}
	var result *engine.FederatedResult
	var err *meili.Error
	elapsed, ms := c.measured(func() { result, err = engine.Federate(m, c.engineOf) })
	if err != nil {
		return refuse(err)
	}
	result.ProcessingTimeMs = ms
	result.RequestUID = requestUID(c.config.now())
	if c.wantsMetadata() {
		all := make([]metadata, len(m.Queries))
		for i := range m.Queries {
			q := &m.Queries[i]
			all[i] = metadata{q.Q, requestUID(c.config.now()), q.IndexUID, c.engineOf(q.IndexUID).PrimaryKey()}
		}
		result.Metadata = all
	}
	if m.Federation.ShowPerformanceDetails {
		result.PerformanceDetails = performance(elapsed)
	}
	return ok(result)
}

func (c *call) engineOf(uid string) *engine.Index {
	ix, err := c.index(uid)
	if err != nil {
		return nil
	}
	return ix.engine
}
