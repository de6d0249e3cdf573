package search

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// medians times each request against each server in turn, so that what else
// the machine does hits all alike, and gives the median of each.
func medians(b *testing.B, urls []string, bodies []string) []time.Duration {
	b.Helper()
	took := make([][]time.Duration, len(urls))
	for _, body := range bodies {
		for i, u := range urls {
			start := time.Now()
			req, err := http.NewRequest(http.MethodPost, u+"/indexes/books/search", bytes.NewReader([]byte(body)))
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+testKey)
			req.Header.Set("Accept-Encoding", "identity")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			took[i] = append(took[i], time.Since(start))
		}
	}
	out := make([]time.Duration, len(urls))
	for i := range took {
		slices.Sort(took[i])
		out[i] = took[i][len(took[i])/2]
	}
	return out
}

func (f *fleet) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		q, failure := request.ParseSearch(body)
		if failure != nil {
			failure.Write(w)
			return
		}
		a, failure := f.reader.Search(req.Context(), Call{}, f.ix, q)
		if failure != nil {
			failure.Write(w)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(a.Body)
	})
}

// BenchmarkAgainstAReverseProxy tells how much slower than a bare server a
// reverse proxy is, and how much the reader.
func BenchmarkAgainstAReverseProxy(b *testing.B) {
	for _, bin := range binaries() {
		for name, nodes := range map[string][]string{"pass-through": {"a"}, "merged": {"a", "b", "c"}} {
			b.Run(name, func(b *testing.B) {
				f := newFleet(b, bin, [][]string{nodes}, 1)
				f.loadCorpus(3000)
				direct := f.single.url
				if len(nodes) == 1 { // the very node that the reader asks
					direct = f.nodes["a"].url
				}
				target, err := url.Parse(direct)
				if err != nil {
					b.Fatal(err)
				}
				proxy := httputil.NewSingleHostReverseProxy(target)
				proxy.Transport = node.Transport()
				proxied, read := httptest.NewServer(proxy), httptest.NewServer(f.handler())
				defer proxied.Close()
				defer read.Close()
				bodies := queries(200)
				urls := []string{direct, proxied.URL, read.URL}
				medians(b, urls, bodies)
				for b.Loop() {
					m := medians(b, urls, bodies)
					b.ReportMetric(float64(m[0].Microseconds()), "direct-µs")
					b.ReportMetric(float64(m[1])/float64(m[0]), "proxy/direct")
					b.ReportMetric(float64(m[2])/float64(m[1]), "reader/proxy")
				}
			})
		}
	}
}

// BenchmarkOverhead is what the reader itself takes for an answer of three
// nodes that answer at once.
func BenchmarkOverhead(b *testing.B) {
	s := newStand(b, [][]string{{"a", "b", "c"}}, 1, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, ids := s.search(context.Background(), Call{}, `{"q":"x"}`); ids == "" {
			b.Fatal("nothing found")
		}
	}
}
