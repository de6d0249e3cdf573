package write

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// BenchmarkOneDocument measures the time to the 202 of a one-document write,
// beside that of one server without a gateway, on real servers where
// MEILISEARCH_BIN names the binary and on the double otherwise.
func BenchmarkOneDocument(b *testing.B) {
	start := func() *url.URL { return parse(b, double(b).URL()) }
	if bin := os.Getenv("MEILISEARCH_BIN"); bin != "" {
		start = func() *url.URL { return startReal(b, bin).url }
	}
	f := newFleet(b, 1, nil, []*url.URL{start()})
	f.ok(f.add("a", `[{"id":0}]`))
	client, _ := f.client("g0-n0")
	doc := func(i int) []byte { return fmt.Appendf(nil, `[{"id":%d,"title":"a document of one line"}]`, i) }
	measure := func(b *testing.B, send func(i int) error) {
		var took []time.Duration
		for i := 0; b.Loop(); i++ {
			began := time.Now()
			if err := send(i); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	}
	b.Run("direct", func(b *testing.B) {
		measure(b, func(i int) error {
			_, err := client.Enqueue(b.Context(), http.MethodPost, "/indexes/direct/documents?primaryKey=id", node.JSON(doc(i)))
			return err
		})
	})
	b.Run("gateway", func(b *testing.B) {
		measure(b, func(i int) error {
			_, err := f.w.Documents(b.Context(), creating, "a", &request.Documents{}, false, request.JSON, document.BytesBody(doc(i)))
			if err != nil {
				return err
			}
			return nil
		})
	})
}
