package document

import (
	"io"
	"runtime"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// repeated gives a text again and again, up to a length.
type repeated struct {
	text []byte
	at   int
	left int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.left)], r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	r.left -= n
	return n, nil
}

// TestABodyOf100MBTakesLittleMemory counts all that is ever allocated on the
// way of a large body, which is more than is in use at any time.
func TestABodyOf100MBTakesLittleMemory(t *testing.T) {
	doc := `{"id":"abcdefgh","title":"a document that is rather small"}` + "\n"
	size := 100_000_000 / len(doc) * len(doc)
	spool := testSpool(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	body, refused := spool.Accept(&repeated{text: []byte(doc), left: size}, "")
	if refused != nil {
		t.Fatal(refused)
	}
	batch, refused, failed := Scan(body, Options{Format: request.NDJSON, PrimaryKey: "id", Shards: 64})
	if refused != nil || failed != nil {
		t.Fatal(refused, failed)
	}
	defer batch.Close()
	n, err := io.Copy(io.Discard, batch.Reader(All, 1))
	if err != nil || n != batch.Size(All) || batch.Count != size/len(doc) {
		t.Fatalf("%d bytes of %d, %v, %d documents", n, batch.Size(All), err, batch.Count)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("%d MiB were allocated", used>>20)
	} else {
		t.Logf("%.1f MiB were allocated for %d documents", float64(used)/(1<<20), batch.Count)
	}
}
