package search

import (
	"context"
	"net/http"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// Resolve finds the index of a logical uid, or says why the client gets none.
type Resolve func(uid string) (*index.Index, *meili.Error)

// queriesAtOnce bounds how many queries of a multi-search run at the same time.
const queriesAtOnce = 16

// MultiSearch answers several searches in one request, one by one or merged.
func (r *Reader) MultiSearch(ctx context.Context, call Call, resolve Resolve, q *request.MultiSearch) (*Answer, *meili.Error) {
	if q.Federation != nil {
		return r.federated(ctx, call, resolve, q)
	}
	answers := make([]*Answer, len(q.Queries))
	errs := make([]*meili.Error, len(q.Queries))
	r.each(ctx, len(q.Queries), func(ctx context.Context, i int) bool {
		answers[i], errs[i] = r.oneOf(ctx, call, resolve, q, i)
		return errs[i] == nil
	})
	size := 16
	for i := range q.Queries {
		if errs[i] != nil {
			return nil, errs[i]
		}
		size += len(answers[i].Body) + 1
	}
	out := &Answer{Status: http.StatusOK, Body: append(make([]byte, 0, size), `{"results":[`...)}
	for i, a := range answers {
		if i > 0 {
			out.Body = append(out.Body, ',')
		}
		out.Body = append(out.Body, a.Body...)
		out.add(a)
		a.Release()
	}
	out.Body = append(out.Body, "]}"...)
	return out, nil
}

// each runs something for each of n queries, several at once. The queries after
// one that failed are not begun, as the server would not run them.
func (r *Reader) each(ctx context.Context, n int, run func(ctx context.Context, i int) bool) {
	if n == 1 {
		run(ctx, 0)
		return
	}
	slots := make(chan struct{}, queriesAtOnce)
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := n
	for i := range n {
		slots <- struct{}{}
		mu.Lock()
		stop := failed < i
		mu.Unlock()
		if stop {
			break
		}
		wg.Go(func() {
			if !run(ctx, i) {
				mu.Lock()
				failed = min(failed, i)
				mu.Unlock()
			}
			<-slots
		})
	}
	wg.Wait()
}

// oneOf answers the i-th query.
func (r *Reader) oneOf(ctx context.Context, call Call, resolve Resolve, q *request.MultiSearch, i int) (*Answer, *meili.Error) {
	if err := q.Check(i); err != nil {
		return nil, err
	}
	query := &q.Queries[i]
	ix, err := resolve(query.IndexUID)
	if err != nil {
		return nil, inside(i, err)
	}
	a, err := r.Search(ctx, call, ix, query)
	if err != nil {
		return nil, inside(i, err)
	}
	return a, nil
}

// inside names the query that an error is about. An index that does not exist
// is no 404 here: the route does exist.
func inside(i int, e *meili.Error) *meili.Error {
	named := *request.Inside(i, e)
	named.Status = e.Status
	if e.Code == "index_not_found" {
		named.Status = http.StatusBadRequest
	}
	return &named
}

// add counts what another answer took, for logs and headers.
func (a *Answer) add(b *Answer) {
	a.Nodes = max(a.Nodes, b.Nodes)
	a.Retries += b.Retries
	a.stale = a.Stale() || b.Stale()
	if a.Degraded == "" {
		a.Degraded = b.Degraded
	}
}
