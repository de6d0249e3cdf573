package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

const shards = 64

// routeDocuments groups documents by node, their keys already found.
func routeDocuments(context.Context, *bench) (string, bool, error) {
	t := &cluster.Topology{Replication: 1, Groups: []cluster.Group{{ID: "g", Nodes: []cluster.Node{{ID: "a"}, {ID: "b"}, {ID: "c"}}}}}
	placed := cluster.Place(t, "bench", shards).Groups[0].Shards
	number := map[string]uint16{"a": 0, "b": 1, "c": 2}
	owners := make([][]uint16, shards)
	for shard, replicas := range placed {
		owners[shard] = []uint16{number[replicas[0]]}
	}
	var keys document.Keys
	for i := range 10_000 {
		keys.Add(strconv.AppendInt(nil, int64(i), 10))
	}
	var groups document.Groups
	groups.Group(&keys, owners, 3)
	least := time.Hour
	for range 10 {
		start := time.Now()
		groups.Group(&keys, owners, 3)
		least = min(least, time.Since(start))
	}
	allocations := testing.AllocsPerRun(10, func() { groups.Group(&keys, owners, 3) })
	return fmt.Sprintf("%d µs, %g allocations", least.Microseconds(), allocations), least <= 60*time.Microsecond && allocations == 0, nil
}

func spliceLines(context.Context, *bench) (string, bool, error) {
	return splice(lines(20_000), request.NDJSON)
}

func spliceArray(context.Context, *bench) (string, bool, error) {
	body := bytes.ReplaceAll(bytes.TrimSpace(lines(20_000)), []byte("\n"), []byte(","))
	return splice(append(append([]byte("["), body...), ']'), request.JSON)
}

// splice walks a body as a write does: find and check the documents, then write
// them with their hidden fields.
func splice(body []byte, format request.Format) (string, bool, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	best := 0.0
	for range 10 {
		start := time.Now()
		batch, err := scan(body, format)
		if err != nil {
			return "", false, err
		}
		err = batch.WriteShards(io.Discard, document.All, func(position int) uint64 { return document.Version(1, position) })
		if err != nil {
			return "", false, err
		}
		best = max(best, float64(len(body))/1e6/time.Since(start).Seconds())
	}
	return fmt.Sprintf("%.0f MB/s", best), best >= 400, nil
}

// scan finds the documents of a body.
func scan(body []byte, format request.Format) (*document.Batch, error) {
	batch, refused, failed := document.Scan(document.BytesBody(body), document.Options{Format: format, PrimaryKey: "id", Shards: shards})
	if refused != nil {
		return nil, refused
	}
	if failed != nil {
		return nil, failed
	}
	return batch, nil
}

// lines are documents such as a shop's, about 460 bytes each.
func lines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"id":%d,"title":"The %s %s","overview":"%s","genres":["%s","%s"],"price":%d.%02d,"in_stock":%v,"publisher":{"name":"Harbor House","city":"Lisbon"}}`+"\n",
			i, word(i), word(i/7), text(i), word(i/3), word(i/11), i%90, i%100, i%3 == 0)
	}
	return b.Bytes()
}

var vocabulary = bytes.Fields([]byte("amber anchor autumn bakery beacon bitter bridge bronze canyon castle clever copper coral crimson crystal dagger desert distant dragon dusty eagle early ember engine fallen feather field fierce forest forgotten fountain frozen garden ghost glacier golden harbor hidden hollow humble island ivory jewel journey jungle kingdom ladder lantern library lighthouse lonely lunar marble meadow midnight mirror misty mountain narrow noble northern orchard orchid palace paper pearl pilgrim planet prairie quarry quiet rabbit raven restless river rusty sailor salt scarlet secret shadow silent silver simple smoke solemn southern sparrow spider spring stormy strange summer swan tailor temple thirsty thunder tiger timber tower treasure tunnel valley velvet village violet wandering water weary western whisper willow window winter wolf wooden young"))

func word(i int) []byte { return vocabulary[(i*2654435761>>3)%len(vocabulary)] }

func text(i int) []byte {
	var b bytes.Buffer
	for n := range 38 {
		b.Write(word(i*31 + n*n + n))
		b.WriteByte(' ')
	}
	return b.Bytes()
}
