package merge

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
)

// bodies makes the answers of nodes to one search, in order each.
func bodies(nodes, hits, size int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([][]byte, nodes)
	for n := range out {
		type one struct {
			words, typo int
			prox        float64
			version     string
		}
		all := make([]one, hits)
		for i := range all {
			all[i] = one{words: 1 + r.IntN(3), typo: r.IntN(3), prox: float64(1+r.IntN(7)) / 7,
				version: string(hidden.AppendVersion(nil, uint64(i*nodes+n)))}
		}
		sort.Slice(all, func(i, j int) bool {
			a, b := all[i], all[j]
			switch {
			case a.words != b.words:
				return a.words > b.words
			case a.typo != b.typo:
				return a.typo < b.typo
			case a.prox != b.prox:
				return a.prox > b.prox
			}
			return a.version < b.version
		})
		var b strings.Builder
		b.WriteString(`{"hits":[`)
		for i, h := range all {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"id":%d,"title":%q,"year":%d,"_miroir_shard":"⊰⊱","_miroir_version":%q,"_rankingScoreDetails":`+
				`{"words":{"order":0,"matchingWords":%d,"maxMatchingWords":3,"score":%v},"typo":{"order":1,"typoCount":%d,"maxTypoCount":3,"score":%v},`+
				`"proximity":{"order":2,"score":%v},"attributeRank":{"order":3,"score":0.9565217391304348},"wordPosition":{"order":4,"score":0.8095238095238095},`+
				`"exactness":{"order":5,"matchType":"noExactMatch","matchingWords":1,"maxMatchingWords":3,"score":0.3333333333333333},`+
				`"_miroir_version:asc":{"order":6,"value":%q}}}`,
				i*nodes+n, strings.Repeat("word ", size/5), 1950+i%70, h.version, h.words, float64(h.words)/3, h.typo, float64(4-h.typo)/4, h.prox, h.version)
		}
		fmt.Fprintf(&b, `],"query":"x","processingTimeMs":1,"limit":20,"offset":0,"estimatedTotalHits":%d,"requestUid":"x"}`, hits)
		out[n] = []byte(b.String())
	}
	return out
}

func BenchmarkMerge3x1000Take1000(b *testing.B) {
	answers := make([]*hit.Answer, 0, 3)
	for _, body := range bodies(3, 1000, 50) {
		a, err := hit.Scan(body, &hit.Want{})
		if err != nil {
			b.Fatal(err)
		}
		answers = append(answers, a)
	}
	dst := make([]*hit.Hit, 0, 1000)
	b.ReportAllocs()
	for b.Loop() {
		dst = Hits(dst[:0], answers, Window{To: 1000})
	}
}

func benchmarkPage(b *testing.B, hits, size, take int) {
	all := bodies(3, hits, size)
	total := 0
	for _, x := range all {
		total += len(x)
	}
	b.SetBytes(int64(total))
	b.ReportAllocs()
	var out []byte
	var dst []*hit.Hit
	answers := make([]*hit.Answer, 3)
	for b.Loop() {
		for i, body := range all {
			a, err := hit.Scan(body, &hit.Want{})
			if err != nil {
				b.Fatal(err)
			}
			answers[i] = a
		}
		dst = Hits(dst[:0], answers, Window{To: take})
		out = out[:0]
		for _, h := range dst {
			out = h.Append(out)
		}
		for _, a := range answers {
			a.Release()
		}
	}
	b.ReportMetric(float64(total)/float64(3*hits), "B/hit")
}

func BenchmarkScanMergeEmit3x333(b *testing.B) { benchmarkPage(b, 333, 50, 999) }

func BenchmarkScanMergeEmit3x333Longer(b *testing.B) { benchmarkPage(b, 333, 460, 999) }

func BenchmarkScanMergeEmitPageOf20(b *testing.B) { benchmarkPage(b, 20, 460, 20) }
