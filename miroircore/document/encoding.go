package document

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// errEncoding tells that a body is not encoded as it says.
var errEncoding = errors.New("the body is not encoded as its Content-Encoding says")

// zstdWindow bounds the memory that a body can make its decoder take.
const zstdWindow = 8 << 20

// decoded gives the plain bytes of a body with the given Content-Encoding. An
// encoding that is not known is taken for none, as the server does.
func decoded(r io.Reader, encoding string) (io.ReadCloser, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "gzip":
		z, err := gzip.NewReader(r)
		return encoded(z, err)
	case "deflate":
		z, err := zlib.NewReader(bufio.NewReader(r))
		return encoded(z, err)
	case "br":
		return encoded(io.NopCloser(brotli.NewReader(r)), nil)
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return encoded(nil, err)
		}
		return encoded(z.IOReadCloser(), nil)
	default:
		return io.NopCloser(r), nil
	}
}

// encoded marks what goes wrong inside a decoder.
func encoded(r io.ReadCloser, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, decodeError(err)
	}
	return decoder{r}, nil
}

type decoder struct{ io.ReadCloser }

func (d decoder) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	return n, decodeError(err)
}

func decodeError(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("%w: %w", errEncoding, err)
}
