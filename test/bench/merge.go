package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/search"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

// ranked is what a made-up hit is ordered by.
type ranked struct {
	id, words, typos int
	proximity        float64
}

// answersOf makes what nodes answer to one search, each with hits in order.
// Documents are filled up so that a hit has about size bytes without what the
// ranking told of it.
func answersOf(nodes, hits, size int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	bodies := make([][]byte, nodes)
	filler := string(bytes.Repeat(text(7), 8))
	for n := range bodies {
		list := make([]ranked, hits)
		for i := range list {
			list[i] = ranked{i*nodes + n, 1 + r.IntN(3), r.IntN(3), float64(1+r.IntN(7)) / 7}
		}
		slices.SortFunc(list, func(a, b ranked) int {
			switch {
			case a.words != b.words:
				return b.words - a.words
			case a.typos != b.typos:
				return a.typos - b.typos
			case a.proximity != b.proximity:
				return int(b.proximity*7+0.5) - int(a.proximity*7+0.5)
			}
			return a.id - b.id
		})
		var b bytes.Buffer
		b.WriteString(`{"hits":[`)
		for i, h := range list {
			if i > 0 {
				b.WriteByte(',')
			}
			version := hidden.AppendVersion(nil, uint64(h.id))
			fmt.Fprintf(&b, `{"id":%d,"title":%q,"year":%d,"_miroir_shard":"⊰⊱","_miroir_version":%q,"_rankingScoreDetails":`+
				`{"words":{"order":0,"matchingWords":%d,"maxMatchingWords":3,"score":%v},"typo":{"order":1,"typoCount":%d,"maxTypoCount":3,"score":%v},`+
				`"proximity":{"order":2,"score":%v},"attributeRank":{"order":3,"score":0.9565217391304348},"wordPosition":{"order":4,"score":0.8095238095238095},`+
				`"exactness":{"order":5,"matchType":"noExactMatch","matchingWords":1,"maxMatchingWords":3,"score":0.3333333333333333},`+
				`"_miroir_version:asc":{"order":6,"value":%q}}}`,
				h.id, filler[:max(size-60, 1)], 1950+i%70, version, h.words, float64(h.words)/3, h.typos, float64(4-h.typos)/4, h.proximity, version)
		}
		fmt.Fprintf(&b, `],"query":"x","processingTimeMs":1,"limit":20,"offset":0,"estimatedTotalHits":%d,"requestUid":"x"}`, hits)
		bodies[n] = b.Bytes()
	}
	return bodies
}

// mergeThousands orders the hits of three nodes that were scanned before.
func mergeThousands(context.Context, *bench) (string, bool, error) {
	answers, err := scanned(answersOf(3, 1000, 160))
	if err != nil {
		return "", false, err
	}
	dst := make([]*hit.Hit, 0, 1000)
	least := leastOf(300, func() { dst = merge.Hits(dst[:0], answers, merge.Window{To: 1000}) })
	return fmt.Sprintf("%.1f µs", micro(least)), least <= 20*time.Microsecond, nil
}

// scanned scans all answers at once, as they come in.
func scanned(bodies [][]byte) ([]*hit.Answer, error) {
	answers, errs := make([]*hit.Answer, len(bodies)), make([]error, len(bodies))
	var wg sync.WaitGroup
	for i, body := range bodies {
		wg.Go(func() { answers[i], errs[i] = hit.Scan(body, &hit.Want{}) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// scanMergeEmit does all that is done to the hits of three nodes.
func scanMergeEmit(context.Context, *bench) (string, bool, error) {
	bodies := answersOf(3, 333, 460)
	var dst []*hit.Hit
	var out []byte
	var failure error
	once := func() {
		answers, err := scanned(bodies)
		if err != nil {
			failure = err
			return
		}
		dst = merge.Hits(dst[:0], answers, merge.Window{To: 999})
		out = out[:0]
		for _, h := range dst {
			out = h.Append(out)
		}
		for _, a := range answers {
			a.Release()
		}
	}
	least := leastOf(300, once)
	if failure != nil {
		return "", false, failure
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		once()
	}
	runtime.ReadMemStats(&after)
	garbage := float64(after.TotalAlloc-before.TotalAlloc) / 20 / 999
	return fmt.Sprintf("%.2f ms, %.0f B a hit", micro(least)/1000, garbage), least <= 500*time.Microsecond && garbage <= 1024, nil
}

func leastOf(n int, run func()) time.Duration {
	least := time.Hour
	for range n {
		start := time.Now()
		run()
		least = min(least, time.Since(start))
	}
	return least
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// instant is a transport of which the answers are there at once.
type instant map[string][]byte

func (answers instant) RoundTrip(r *http.Request) (*http.Response, error) {
	body := answers[r.URL.Host]
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: http.Header{"Content-Type": {jsonType}},
		ContentLength: int64(len(body)), Body: nopCloser{bytes.NewReader(body)}}, nil
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

// pageTime is the processor time of a page of 20 from three nodes, from the
// client's body to the answer's: all of the gateway but its HTTP.
func pageTime(ctx context.Context, _ *bench) (string, bool, error) {
	reader, ix, err := readerOf(answersOf(3, 20, 460))
	if err != nil {
		return "", false, err
	}
	best := time.Hour
	for range 10 {
		const pages = 500
		before, err := ownTime()
		if err != nil {
			return "", false, err
		}
		for range pages {
			q, refused := request.ParseSearch([]byte(`{"q":"three words here"}`))
			if refused != nil {
				return "", false, refused
			}
			answer, refused := reader.Search(ctx, search.Call{}, ix, q)
			if refused != nil {
				return "", false, refused
			}
			if len(answer.Body) < 20*400 {
				return "", false, fmt.Errorf("the page has %d bytes", len(answer.Body))
			}
		}
		after, err := ownTime()
		if err != nil {
			return "", false, err
		}
		best = min(best, (after-before)/pages)
	}
	return fmt.Sprintf("%.0f µs", micro(best)), best <= 100*time.Microsecond, nil
}

func readerOf(bodies [][]byte) (*search.Reader, *index.Index, error) {
	logical, err := settings.FromRaw(json.RawMessage(`{}`))
	if err != nil {
		return nil, nil, err
	}
	answers, clients := instant{}, map[string]*node.Client{}
	t := &cluster.Topology{Replication: 1, Groups: []cluster.Group{{ID: "g"}}}
	for i, id := range []string{"a", "b", "c"} {
		answers[id] = bodies[i]
		t.Groups[0].Nodes = append(t.Groups[0].Nodes, cluster.Node{ID: id})
		clients[id] = node.New(id, &url.URL{Scheme: "http", Host: id}, nil, answers)
	}
	ix := &index.Index{UID: "bench", Physical: "bench", PrimaryKey: "id", Shards: shards, Settings: logical, Placement: cluster.Place(t, "bench", shards)}
	return search.New(search.Options{
		Client:   func(id string) (*node.Client, bool) { c, ok := clients[id]; return c, ok },
		Readable: func(string, string) bool { return true },
	}), ix, nil
}

// ownTime is the processor time of this process.
func ownTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
