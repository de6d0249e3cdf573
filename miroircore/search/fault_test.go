package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// behaviour answers a request to a fake node.
type behaviour func(req *http.Request) (*http.Response, error)

// fake is a node without a network.
type fake struct {
	mu    sync.Mutex
	act   behaviour
	asked int
	last  context.Context
}

func (f *fake) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.asked++
	f.last = req.Context()
	act := f.act
	f.mu.Unlock()
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return act(req)
}

func (f *fake) set(act behaviour) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.act = act
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func respond(status int, body string) behaviour {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, ProtoMajor: 1, Header: http.Header{"Content-Type": {"application/json"}},
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

// found is a node's answer with one hit.
func found(id string) behaviour {
	return respond(200, fmt.Sprintf(`{"hits":[{"id":%q,"_rankingScoreDetails":{"_miroir_version:asc":{"order":0,"value":"⊰"}}}],"query":"","processingTimeMs":0,"limit":20,"offset":0,"estimatedTotalHits":1,"requestUid":"x"}`, id))
}

func refuse(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
}

func cut(*http.Request) (*http.Response, error) {
	body := `{"hits":[{"id":1}`
	return &http.Response{StatusCode: 200, ProtoMajor: 1, Header: http.Header{"Content-Type": {"application/json"}},
		ContentLength: int64(len(body)) + 10, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// slowly answers after a while, if anybody still waits.
func slowly(d time.Duration, then behaviour) behaviour {
	return func(req *http.Request) (*http.Response, error) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return then(req)
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
}

// stand is a reader over fake nodes.
type stand struct {
	*Reader
	nodes map[string]*fake
	ix    *index.Index
}

func newStand(t testing.TB, groups [][]string, copies int, change func(*Options)) *stand {
	t.Helper()
	logical, err := settings.FromRaw(json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{nodes: map[string]*fake{}, ix: &index.Index{UID: "books", Physical: "books", PrimaryKey: "id", Shards: 4,
		Settings: logical, Placement: layoutOf(groups, 4, copies)}}
	clients := map[string]*node.Client{}
	for _, g := range groups {
		for _, id := range g {
			s.nodes[id] = &fake{act: found(id)}
			clients[id] = node.New(id, &url.URL{Scheme: "http", Host: id}, nil, s.nodes[id])
		}
	}
	o := Options{
		Client:   func(id string) (*node.Client, bool) { c, ok := clients[id]; return c, ok },
		Readable: func(string, string) bool { return true },
		Tuning:   Tuning{NoHedge: true, Policy: fixed{}},
	}
	if change != nil {
		change(&o)
	}
	s.Reader = New(o)
	t.Cleanup(s.Close)
	return s
}

// fixed asks nodes in the order of their names.
type fixed struct{}

func (fixed) Rank(id string) float64                 { return float64(id[0]) }
func (fixed) Begin(string)                           {}
func (fixed) End(string, time.Duration, plan.Ending) {}

var _ plan.Policy = fixed{}

func (s *stand) search(ctx context.Context, call Call, body string) (*Answer, string) {
	q, err := request.ParseSearch([]byte(body))
	if err != nil {
		return nil, err.Error()
	}
	a, err := s.Search(ctx, call, s.ix, q)
	if err != nil {
		return nil, err.Code
	}
	var decoded struct {
		Hits []struct{ ID string }
	}
	if err := json.Unmarshal(a.Body, &decoded); err != nil {
		return a, err.Error()
	}
	var ids []string
	for _, h := range decoded.Hits {
		ids = append(ids, h.ID)
	}
	return a, strings.Join(ids, " ")
}

func TestANodeThatFailsIsReplacedWithinTheRequest(t *testing.T) {
	for name, act := range map[string]behaviour{
		"refused": refuse, "cut": cut, "garbage": respond(200, `{"hits":[{"id"}]}`), "not JSON": respond(200, `<html>`), "empty": respond(200, ``),
		"another answer": respond(200, `{"results":7}`), "500": respond(500, `{"code":"internal"}`), "503": respond(503, ``), "429": respond(429, `{"code":"x"}`),
		"403": respond(403, `{"message":"x","code":"invalid_api_key","type":"auth","link":""}`), "401": respond(401, `{}`), "408": respond(408, ``),
		"redirect": respond(302, ``), "no error in it": respond(400, `{}`),
		"no such index": respond(404, `{"message":"x","code":"index_not_found","type":"invalid_request","link":""}`),
		"silent":        slowly(time.Hour, found("a")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, [][]string{{"a"}, {"b"}}, 1, nil)
				s.nodes["a"].set(act)
				start := time.Now()
				a, ids := s.search(context.Background(), Call{Unavailable: "error"}, `{}`)
				if ids != "b" || a.Retries != 1 || a.Degraded != "" {
					t.Fatalf("got %q, %+v", ids, a)
				}
				if took := time.Since(start); took > 500*time.Millisecond {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestOneOfThreeShardsMovesToAnotherGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a", "b"}, {"c", "d"}}, 1, nil)
		s.nodes["b"].set(refuse)
		_, ids := s.search(context.Background(), Call{}, `{"limit":10}`)
		if ids != "a d" {
			t.Errorf("hits of %q", ids)
		}
	})
}

func TestARefusalIsSurfacedOnceAndNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a"}, {"b"}}, 1, nil)
		s.nodes["a"].set(respond(400, `{"message":"bad","code":"invalid_search_q","type":"invalid_request","link":"l"}`))
		if _, code := s.search(context.Background(), Call{}, `{}`); code != "invalid_search_q" {
			t.Errorf("got %q", code)
		}
		if s.nodes["b"].count() != 0 {
			t.Error("another copy was asked")
		}
	})
}

func TestMissingShardsAreReportedOrRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a", "b"}}, 1, nil)
		s.nodes["b"].set(refuse)
		a, ids := s.search(context.Background(), Call{Unavailable: "partial"}, `{}`)
		if ids != "a" || a.Degraded != "group=g0; shards=1,3" {
			t.Errorf("got %q, %+v", ids, a)
		}
		if _, code := s.search(context.Background(), Call{Unavailable: "error"}, `{}`); code != "miroir_unavailable_shards" {
			t.Errorf("got %q", code)
		}
		s.nodes["a"].set(respond(500, ``))
		if _, code := s.search(context.Background(), Call{Unavailable: "partial"}, `{}`); code != "miroir_unavailable_shards" {
			t.Errorf("with nobody left: %q", code)
		}
	})
}

func TestAnIndexThatNoNodeHasIsNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a"}, {"b"}}, 1, nil)
		for _, n := range s.nodes {
			n.set(respond(404, `{"message":"x","code":"index_not_found","type":"invalid_request","link":""}`))
		}
		if _, code := s.search(context.Background(), Call{}, `{}`); code != "index_not_found" {
			t.Errorf("got %q", code)
		}
	})
}

func TestTheFirstOfTwoCopiesToAnswerWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a"}, {"b"}}, 1, nil)
		s.nodes["a"].set(slowly(700*time.Millisecond, found("a")))
		s.nodes["b"].set(slowly(time.Minute, found("b")))
		start := time.Now()
		if _, ids := s.search(context.Background(), Call{}, `{}`); ids != "a" {
			t.Errorf("got %q", ids)
		}
		if took := time.Since(start); took != 700*time.Millisecond {
			t.Errorf("took %v: the slow copy held the answer up", took)
		}
	})
}

func TestALeavingClientEndsTheRequestsToNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a", "b"}, {"c", "d"}}, 1, nil)
		for _, n := range s.nodes {
			n.set(slowly(time.Hour, found("x")))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		if _, code := s.search(ctx, Call{}, `{}`); code != "internal" {
			t.Errorf("got %q", code)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

type ctxKey struct{}

func TestNodesSeeNothingOfTheClientsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a"}}, 1, nil)
		ctx := context.WithValue(context.Background(), ctxKey{}, "state")
		s.search(ctx, Call{RequestID: "id-1"}, `{}`)
		if s.nodes["a"].last.Value(ctxKey{}) != nil {
			t.Error("a value of the client's request reached the transport")
		}
		if node.RequestID(s.nodes["a"].last) != "id-1" {
			t.Error("the request id did not")
		}
	})
}

func TestIdenticalSearchesUnderWayShareOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a"}}, 1, func(o *Options) { o.FailoverAfter = time.Hour })
		s.nodes["a"].set(slowly(100*time.Millisecond, found("a")))
		uids := sync.Map{}
		var wg sync.WaitGroup
		first, leave := context.WithCancel(context.Background())
		for i := range 10 {
			ctx := context.Background()
			if i == 0 {
				ctx = first
			}
			wg.Go(func() {
				a, ids := s.search(ctx, Call{}, `{"q":"x"}`)
				if ids != "a" {
					t.Errorf("got %q", ids)
					return
				}
				var m struct{ RequestUID string }
				if err := json.Unmarshal(a.Body, &m); err != nil {
					t.Error(err)
				}
				uids.Store(m.RequestUID, true)
			})
			synctest.Wait() // so that the first is the one that runs the search
		}
		wg.Go(func() { s.search(context.Background(), Call{}, `{"q":"y"}`) })
		synctest.Wait()
		leave() // the one that runs the search goes away; the others still want it
		wg.Wait()
		n := 0
		uids.Range(func(any, any) bool { n++; return true })
		if asked := s.nodes["a"].count(); asked != 2 || n != 10 {
			t.Errorf("%d requests, %d uids", asked, n)
		}
	})
}

func TestAFailingNodeIsLeftAloneAndComesBackSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a"}, {"b"}}, 1, nil)
		a := s.nodes["a"]
		a.set(refuse)
		for range 20 {
			s.search(context.Background(), Call{}, `{}`)
		}
		if a.count() != breakAfter {
			t.Errorf("asked %d times", a.count())
		}
		a.set(found("a"))
		pause := time.NewTimer(2 * breakFirst)
		<-pause.C
		before := a.count()
		for range 1000 {
			s.search(context.Background(), Call{}, `{}`)
		}
		if n := a.count() - before; n < 20 || n > 400 {
			t.Errorf("of 1000 searches right after its return %d went to it", n)
		}
		pause.Reset(2 * returnAfter)
		<-pause.C
		before = a.count()
		for range 100 {
			s.search(context.Background(), Call{}, `{}`)
		}
		if n := a.count() - before; n != 100 {
			t.Errorf("in the end %d of 100 went to it", n)
		}
	})
}

func TestABrokenNodeIsAskedWhereThereIsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a"}}, 1, nil)
		s.nodes["a"].set(refuse)
		for range 20 {
			s.search(context.Background(), Call{}, `{}`)
		}
		s.nodes["a"].set(found("a"))
		if _, ids := s.search(context.Background(), Call{}, `{}`); ids != "a" {
			t.Errorf("got %q", ids)
		}
	})
}
