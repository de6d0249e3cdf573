package minimeili

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// call is a request being handled.
type call struct {
	*instance

	route  *route
	params []string
	r      *http.Request
	grant  *grant
	rest   time.Duration // how much longer its searches were to take than they did
}

// answer is what a request is answered. A nil body is an empty one.
type answer struct {
	status      int
	body        any // marshalled, but for json.RawMessage and plain
	contentType string
}

// plain is a body that is not JSON.
type plain string

func ok(body any) (answer, *meili.Error) { return answer{status: http.StatusOK, body: body}, nil }

func refuse(err *meili.Error) (answer, *meili.Error) { return answer{}, err }

// answer checks the rights and handles the call.
func (c *call) answer() answer {
	var err *meili.Error
	if c.route.action != "" {
		c.grant, err = c.authorize(c.r.Header, c.route.action, c.scope())
	}
	var a answer
	if err == nil {
		a, err = c.route.handle(c)
	}
	if err != nil {
		return answer{status: err.Status, body: err}
	}
	return a
}

// scope gives the index the path names, or nothing.
func (c *call) scope() string {
	if strings.HasPrefix(strings.TrimLeft(c.r.URL.Path, "/"), "indexes/") && len(c.params) > 0 {
		return c.params[0]
	}
	return ""
}

// indexUID gives the index the path names, checked.
func (c *call) indexUID() (string, *meili.Error) {
	return c.params[0], request.IndexUID(c.params[0])
}

// pack marshals the answer, and compresses it when the client would like that.
func (a answer) pack(accepted string) (body []byte, header http.Header) {
	header = make(http.Header)
	if a.body == nil {
		return nil, header
	}
	body, contentType := a.bytes()
	header.Set("Content-Type", contentType)
	if a.status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "10")
	}
	if encoding := acceptable(accepted); encoding != "" {
		header.Set("Vary", "accept-encoding")
		header.Set("Content-Encoding", encoding)
		return compress(body, encoding), header
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	return body, header
}

func (a answer) bytes() (body []byte, contentType string) {
	contentType = a.contentType
	if contentType == "" {
		contentType = "application/json"
	}
	switch b := a.body.(type) {
	case plain:
		return []byte(b), contentType
	case json.RawMessage:
		return b, contentType
	default:
		body, err := meili.Marshal(b)
		if err != nil { // every body is made of plain types
			panic(err)
		}
		return body, contentType
	}
}

// acceptable chooses among the encodings the standard library can write.
func acceptable(accept string) string {
	best := ""
	for part := range strings.SplitSeq(accept, ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(quality) == "q=0" {
			continue
		}
		switch strings.TrimSpace(name) {
		case "gzip":
			return "gzip"
		case "deflate":
			best = "deflate"
		}
	}
	return best
}

func compress(body []byte, encoding string) []byte {
	var b bytes.Buffer
	var w io.WriteCloser = zlib.NewWriter(&b)
	if encoding == "gzip" {
		w = gzip.NewWriter(&b)
	}
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// body reads the request's body, whatever its encoding, up to the limit.
func (c *call) body() ([]byte, *meili.Error) {
	reader := io.Reader(c.r.Body)
	var err error
	switch encoding := strings.ToLower(c.r.Header.Get("Content-Encoding")); encoding {
	case "gzip", "x-gzip":
		reader, err = gzip.NewReader(reader)
	case "deflate":
		reader, err = zlib.NewReader(reader)
	case "br", "zstd": // the standard library does not know them
		return nil, meili.NewError("unsupported_media_type", "minimeili does not read the encoding %s", encoding)
	}
	limit := c.config.bodyLimit
	var body []byte
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(reader, limit+1))
	}
	if err != nil {
		return nil, meili.IncompletePayload()
	}
	if int64(len(body)) > limit {
		return nil, meili.PayloadTooLarge(limit)
	}
	return body, nil
}

// json reads the body of a JSON route.
func (c *call) json() ([]byte, *meili.Error) {
	if err := request.CheckJSON(c.r.Header); err != nil {
		return nil, err
	}
	return c.body()
}
