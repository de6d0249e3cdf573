package caddymodule

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

var largeBody = strings.Repeat(`{"id":1,"title":"a title"},`, 200)

// serveThrough answers with a body through an answer.
func serveThrough(t *testing.T, method, accept string, respond func(w http.ResponseWriter)) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	if accept != "" {
		r.Header.Set("Accept-Encoding", accept)
	}
	recorder := httptest.NewRecorder()
	a := newAnswer(recorder, r)
	respond(a)
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	return recorder.Result()
}

func respondJSON(status int, body string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestAnswersAreCompressedAsNegotiated(t *testing.T) {
	for accept, want := range map[string]string{
		"":                              "",
		"identity":                      "",
		"gzip":                          "gzip",
		"br":                            "br",
		"zstd":                          "zstd",
		"deflate":                       "deflate",
		"gzip, deflate, br, zstd":       "zstd",
		"gzip, br;q=0.9":                "gzip",
		"gzip;q=0.5, br;q=0.9":          "br",
		"gzip;q=0":                      "",
		"identity, gzip;q=0.5":          "",
		"snappy":                        "",
		"snappy, gzip;q=0.1":            "gzip",
		"GZIP":                          "gzip",
		"zstd;q=0, deflate;q=0.2, *":    "",
		"gzip;q=nonsense, deflate;q=.1": "gzip",
	} {
		t.Run(accept, func(t *testing.T) {
			r := serveThrough(t, http.MethodGet, accept, respondJSON(http.StatusOK, largeBody))
			if got := r.Header.Get("Content-Encoding"); got != want {
				t.Fatalf("encoding is %q, want %q", got, want)
			}
			if got := decode(t, r); got != largeBody {
				t.Errorf("body is %d bytes of something else", len(got))
			}
			if r.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("Vary is %q", r.Header.Values("Vary"))
			}
			if length := r.Header.Get("Content-Length"); (length == "") != (want != "") {
				t.Errorf("length is %q", length)
			}
		})
	}
}

func TestSomeAnswersAreLeftAsTheyAre(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		respond func(w http.ResponseWriter)
	}{
		"small":           {http.MethodGet, respondJSON(http.StatusOK, `{"hits":[]}`)},
		"head":            {http.MethodHead, respondJSON(http.StatusOK, largeBody)},
		"without content": {http.MethodGet, func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }},
		"encoded already": {http.MethodGet, func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "x-own")
			respondJSON(http.StatusOK, largeBody)(w)
		}},
		"picture": {http.MethodGet, func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, largeBody)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := serveThrough(t, c.method, "gzip", c.respond)
			if got := r.Header.Get("Content-Encoding"); got != "" && got != "x-own" {
				t.Errorf("encoding is %q", got)
			}
		})
	}
}

func TestEncodersAreUsedAgain(t *testing.T) {
	for _, name := range codingNames {
		for i := range 5 {
			body := strings.Repeat(name+strconv.Itoa(i)+" ", 500)
			r := serveThrough(t, http.MethodGet, name, respondJSON(http.StatusOK, body))
			if got := decode(t, r); got != body {
				t.Fatalf("%s, use %d: %d bytes of something else", name, i, len(got))
			}
		}
	}
}

func TestFlushSendsWhatWasWritten(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	recorder := httptest.NewRecorder()
	a := newAnswer(recorder, r)
	a.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(a, largeBody)
	if err := http.NewResponseController(a).Flush(); err != nil {
		t.Fatal(err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(recorder.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(largeBody))
	if _, err := io.ReadFull(reader, got); err != nil || string(got) != largeBody {
		t.Errorf("before the end %d bytes can be read: %v", len(got), err)
	}
}

func TestCopyIntoAnAnswerIsCompressed(t *testing.T) {
	r := serveThrough(t, http.MethodGet, "gzip", func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		if _, err := io.Copy(w, strings.NewReader(largeBody)); err != nil {
			t.Error(err)
		}
	})
	if r.Header.Get("Content-Encoding") != "gzip" || decode(t, r) != largeBody {
		t.Errorf("encoding is %q", r.Header.Get("Content-Encoding"))
	}
}

func decode(t *testing.T, r *http.Response) string {
	t.Helper()
	var reader io.Reader = r.Body
	var err error
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		reader, err = gzip.NewReader(r.Body)
	case "deflate":
		reader, err = zlib.NewReader(r.Body)
	case "br":
		reader = brotli.NewReader(r.Body)
	case "zstd":
		var decoder *zstd.Decoder
		decoder, err = zstd.NewReader(r.Body)
		if err == nil {
			defer decoder.Close()
			reader = decoder
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
