package caddymodule

import (
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
)

// minCompressed is the smallest body that is compressed: below it the headers
// and the time cost more than the bytes that are saved.
const minCompressed = 512

// answer is the writer that the engine answers to. It compresses for the
// client, and remembers the status for the metrics. An answer that is encoded
// already is left alone, and an `encode` directive that stands before Miroir
// sees an encoded answer and leaves that alone.
type answer struct {
	*caddyhttp.ResponseWriterWrapper
	coding coding

	status  int
	encoder encoder
	// open is false while another handler answers through this writer.
	open bool
}

func newAnswer(w http.ResponseWriter, r *http.Request) *answer {
	a := &answer{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, open: true}
	if r.Method == http.MethodHead {
		return a
	}
	for _, name := range encode.AcceptedEncodings(r, codingNames) {
		if name == "identity" || name == "*" {
			break // asked for as it is at least as much as any coding behind it
		}
		if c, ok := codingOf(name); ok {
			a.coding = c
			break
		}
	}
	return a
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if !a.open || a.status >= http.StatusOK {
		a.ResponseWriter.WriteHeader(status)
		return
	}
	a.status = status
	if status >= http.StatusOK {
		a.choose(status)
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if !a.open {
		return a.ResponseWriter.Write(p)
	}
	if a.status < http.StatusOK {
		a.WriteHeader(http.StatusOK)
	}
	if a.encoder != nil {
		return a.encoder.Write(p)
	}
	return a.ResponseWriter.Write(p)
}

// ReadFrom keeps an io.Copy into an answer from going round the encoder.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	if a.open {
		return io.Copy(writerOnly{a}, r)
	}
	return a.ResponseWriterWrapper.ReadFrom(r)
}

type writerOnly struct{ io.Writer }

// FlushError sends what is written so far, for http.ResponseController.
func (a *answer) FlushError() error {
	if a.encoder != nil {
		if err := a.encoder.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// choose decides, before the header goes out, whether the body is compressed.
func (a *answer) choose(status int) {
	h := a.Header()
	if status == http.StatusNoContent || status == http.StatusNotModified ||
		h.Get("Content-Encoding") != "" || !compressible(h.Get("Content-Type")) || tooSmall(h.Get("Content-Length")) {
		return
	}
	if !slices.ContainsFunc(h["Vary"], func(v string) bool { return strings.EqualFold(v, "Accept-Encoding") }) {
		h.Add("Vary", "Accept-Encoding")
	}
	if a.coding.pool == nil {
		return
	}
	h.Del("Content-Length")
	h.Set("Content-Encoding", a.coding.name)
	a.encoder = a.coding.pool.Get().(encoder)
	a.encoder.Reset(a.ResponseWriter)
}

// tooSmall says whether a known length is not worth compressing. An unknown
// one belongs to a body that is written in pieces, and those are large.
func tooSmall(length string) bool {
	n, err := strconv.Atoi(length)
	return err == nil && n < minCompressed
}

func compressible(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasPrefix(kind, "text/") || kind == "application/json" || kind == "application/x-ndjson")
}

// close ends the compressed body and gives the encoder back.
func (a *answer) close() error {
	if a.encoder == nil {
		return nil
	}
	err := a.encoder.Close()
	a.encoder.Reset(nil)
	a.coding.pool.Put(a.encoder)
	a.encoder = nil
	return err
}
