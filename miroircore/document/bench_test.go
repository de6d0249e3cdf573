package document

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// benchmarkWrite takes a body in, finds its documents and reads what three
// nodes with a third of the shards each are sent. The rate is of the body.
func benchmarkWrite(b *testing.B, text []byte, format request.Format) {
	spool := testSpool(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		body, refused := spool.Accept(bytes.NewReader(text), "")
		if refused != nil {
			b.Fatal(refused)
		}
		batch, refused, failed := Scan(body, Options{Format: format, PrimaryKey: "id", Shards: 64, Spool: spool})
		if refused != nil || failed != nil {
			b.Fatal(refused, failed)
		}
		for node := range 3 {
			if _, err := io.Copy(io.Discard, batch.Reader(func(shard int) bool { return shard%3 == node }, 1)); err != nil {
				b.Fatal(err)
			}
		}
		_ = batch.Close()
	}
}

// movies writes documents as people have them: some texts, lists and numbers.
func movies(n int) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"title":"The title of film %d","overview":"A long enough text that tells what happens in the film, `+
			`who meets whom and why it all goes wrong in the end — as it always does.","genres":["Drama","Crime"],`+
			`"poster":"https://image.example.org/t/p/w500/%d.jpg","release_date":%d,"rating":%d.%d}`, i, i, i*7919, 800000000+i*86400, i%10, i%100)
	}
	b.WriteByte(']')
	return b.Bytes()
}

func BenchmarkWriteSmall(b *testing.B) { benchmarkWrite(b, movies(3), request.JSON) }
func BenchmarkWriteJSON(b *testing.B)  { benchmarkWrite(b, movies(2500), request.JSON) }
func BenchmarkWriteFile(b *testing.B)  { benchmarkWrite(b, movies(30_000), request.JSON) }
func BenchmarkWriteCSV(b *testing.B) {
	var text bytes.Buffer
	text.WriteString("id,title,overview,rating:number\n")
	for i := range 20_000 {
		fmt.Fprintf(&text, "%d,The title of film %d,\"A long text, with a comma, that tells what happens\",%d.5\n", i, i, i%10)
	}
	benchmarkWrite(b, text.Bytes(), request.CSV)
}

func BenchmarkScan(b *testing.B) {
	text := movies(2500)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, refused, failed := Scan(BytesBody(text), Options{PrimaryKey: "id", Shards: 64}); refused != nil || failed != nil {
			b.Fatal(refused, failed)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	text := movies(2500)
	batch := scanOf(b, text, request.JSON, false)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.Copy(io.Discard, batch.Reader(All, 1)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGroup routes 10,000 keys over 64 shards and three nodes, one copy.
func BenchmarkGroup(b *testing.B) {
	keys, owners := keysAndOwners(10_000, 64, 3, 1)
	var g Groups
	b.ReportAllocs()
	for b.Loop() {
		g.Group(keys, owners, 3)
	}
}

func BenchmarkStrip(b *testing.B) {
	batch := scanOf(b, movies(1), request.JSON, false)
	doc, err := io.ReadAll(batch.Reader(All, 1))
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, len(doc))
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		dst = Strip(dst[:0], doc)
	}
}
