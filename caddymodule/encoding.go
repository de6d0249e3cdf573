package caddymodule

import (
	"io"
	"slices"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// encoder compresses one answer and is then used for another.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// coding is one way of compressing answers.
type coding struct {
	name string
	pool *sync.Pool
}

// Levels are chosen for answers made while a client waits: most of the gain at
// a fraction of the time.
const (
	gzipLevel   = 4
	zlibLevel   = 4
	brotliLevel = 4
	zstdWindow  = 128 << 10
)

// codings in the order in which they are preferred where a client leaves the
// choice: the fastest for their gain first.
var codings = []coding{
	{"zstd", pool(func() encoder {
		return must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow), zstd.WithEncoderLevel(zstd.SpeedFastest)))
	})},
	{"gzip", pool(func() encoder { return must(gzip.NewWriterLevel(nil, gzipLevel)) })},
	{"br", pool(func() encoder { return brotli.NewWriterLevel(nil, brotliLevel) })},
	{"deflate", pool(func() encoder { return must(zlib.NewWriterLevel(nil, zlibLevel)) })},
}

var codingNames = func() []string {
	names := make([]string, len(codings))
	for i, c := range codings {
		names[i] = c.name
	}
	return names
}()

func pool(make func() encoder) *sync.Pool {
	return &sync.Pool{New: func() any { return make() }}
}

// must unwraps constructors that fail only for levels that do not exist.
func must[T encoder](e T, err error) encoder {
	if err != nil {
		panic(err)
	}
	return e
}

func codingOf(name string) (coding, bool) {
	i := slices.IndexFunc(codings, func(c coding) bool { return c.name == name })
	if i < 0 {
		return coding{}, false
	}
	return codings[i], true
}
