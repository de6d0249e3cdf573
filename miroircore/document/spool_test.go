package document

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

func TestLargeBodiesLieInAFileThatGoesAway(t *testing.T) {
	spool := testSpool(t)
	text := list(3000, 60)
	body, refused := spool.Accept(bytes.NewReader(text), "")
	if refused != nil {
		t.Fatal(refused)
	}
	if body.file == nil || body.Size() != int64(len(text)) {
		t.Fatalf("a body of %d bytes is in memory", len(text))
	}
	got, err := io.ReadAll(body.Open())
	if err != nil || !bytes.Equal(got, text) {
		t.Fatalf("read back %d bytes, %v", len(got), err)
	}
	batch, refused, failed := Scan(body, Options{PrimaryKey: "id", Shards: 64})
	if refused != nil || failed != nil || batch.Count != 3000 {
		t.Fatal(refused, failed)
	}
	if n := len(checkOutput(t, batch)); n != 3000 {
		t.Errorf("%d documents", n)
	}
	open := batch.Reader(All, 1)
	if err := batch.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(open); err == nil {
		t.Error("a reader of a closed batch reads on")
	}
	if left, err := os.ReadDir(spool.dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// incomplete is what the server says of a body that is cut or not encoded as it says.
const incomplete = "The provided payload is incomplete and cannot be parsed"

func TestSpoolLimitsAndDecodes(t *testing.T) {
	spool, err := NewSpool(t.TempDir(), 3<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 4096, memoryLimit - 1, memoryLimit, memoryLimit + 1, 2*memoryLimit + 5, 3 << 20} {
		text := make([]byte, size)
		for i := range text {
			text[i] = byte(i * 7)
		}
		body, refused := spool.Accept(iotest.HalfReader(bytes.NewReader(text)), "")
		if refused != nil {
			t.Fatalf("%d bytes: %v", size, refused)
		}
		if got, err := io.ReadAll(body.Open()); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes: read back %d, %v", size, len(got), err)
		}
		_ = body.Close()
	}
	want := "The provided payload reached the size limit. The maximum accepted payload size is 3 MiB."
	for _, size := range []int{3<<20 + 1, 9 << 20} {
		if _, refused := spool.Accept(bytes.NewReader(make([]byte, size)), ""); refused == nil || refused.Status != 413 || refused.Message != want {
			t.Errorf("%d bytes: %v", size, refused)
		}
	}
	for name, encode := range encoders {
		for _, size := range []int{10, 2 << 20, 4 << 20} {
			text := bytes.Repeat([]byte("abcdefgh"), size/8)
			packed := encode(text)
			body, refused := spool.Accept(bytes.NewReader(packed), name)
			if size > 3<<20 { // though what was sent is small
				if refused == nil || refused.Code != "payload_too_large" {
					t.Errorf("%s: %v", name, refused)
				}
				continue
			}
			if refused != nil {
				t.Fatalf("%s: %v", name, refused)
			}
			if got, err := io.ReadAll(body.Open()); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s: read back %d bytes, %v", name, len(got), err)
			}
			_ = body.Close()
			if _, refused := spool.Accept(bytes.NewReader(packed[:len(packed)-3]), name); refused == nil || refused.Message != incomplete {
				t.Errorf("%s cut: %v", name, refused)
			}
		}
		if _, refused := spool.Accept(strings.NewReader(`[{"id":1}]`), name); refused == nil || refused.Message != incomplete {
			t.Errorf("%s that is none: %v", name, refused)
		}
	}
	if body, refused := spool.Accept(strings.NewReader("x"), "lzma"); refused != nil || body.Size() != 1 {
		t.Errorf("an unknown encoding: %v", refused)
	}
	cut := io.MultiReader(strings.NewReader("[{"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, refused := spool.Accept(cut, ""); refused == nil || refused.Code != "bad_request" {
		t.Errorf("cut: %v", refused)
	}
	if left, _ := os.ReadDir(spool.dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

var encoders = map[string]func([]byte) []byte{
	"gzip":    func(b []byte) []byte { return pack(b, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }) },
	"deflate": func(b []byte) []byte { return pack(b, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }) },
	"br":      func(b []byte) []byte { return pack(b, func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) }) },
	"zstd": func(b []byte) []byte {
		return pack(b, func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
			if err != nil {
				panic(err)
			}
			return z
		})
	},
}

func pack(text []byte, writer func(io.Writer) io.WriteCloser) []byte {
	var b bytes.Buffer
	w := writer(&b)
	if _, err := w.Write(text); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestSpoolErrorsNameTheirCause(t *testing.T) {
	spool := &Spool{dir: "/nonexistent/folder", limit: 10 << 20}
	_, refused := spool.Accept(bytes.NewReader(make([]byte, 2<<20)), "")
	if refused == nil || refused.Code != "internal" {
		t.Errorf("no folder: %v", refused)
	}
	if err := intakeError(fmt.Errorf("writing: %w", errors.Join(ErrFull, io.ErrShortWrite))); err.Status != 507 {
		t.Errorf("full: %v", err)
	}
}
