package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili/room"
)

// firstRead is how much is set aside for an answer before any of it arrived: a
// length that lies must not cost the memory it names.
const firstRead = 1 << 20

// read gives the whole body of an answer or the reason why it is not whole.
func read(resp *http.Response, limit int64, space *room.Room) ([]byte, error) {
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, &Error{Kind: KindMalformed, Err: fmt.Errorf("the answer is encoded as %q, which was not asked for", encoding)}
	}
	length := resp.ContentLength
	if length > limit {
		return nil, &Error{Kind: KindTooLarge, Err: fmt.Errorf("the answer has %d bytes, more than %d", length, limit)}
	}
	// Nothing but the end of the connection would say where such a body ends, so
	// a cut one would pass for a whole one.
	if length < 0 && resp.ProtoMajor < 2 && len(resp.TransferEncoding) == 0 {
		return nil, &Error{Kind: KindCut, Err: errors.New("the answer has neither a length nor chunks")}
	}
	buf := bytes.NewBuffer(space.Of(int(min(max(length, 512)+bytes.MinRead, firstRead))))
	if _, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1)); err != nil {
		return nil, err
	}
	text := buf.Bytes()
	if int64(len(text)) > limit {
		return nil, &Error{Kind: KindTooLarge, Err: fmt.Errorf("the answer has more than %d bytes", limit)}
	}
	if length >= 0 && int64(len(text)) != length {
		return nil, io.ErrUnexpectedEOF
	}
	return text, whole(resp, text)
}

// whole looks at both ends of a JSON answer. It costs nothing and finds one
// that something on the way has cut and given a fitting length.
func whole(resp *http.Response, text []byte) error {
	if resp.StatusCode == http.StatusNoContent || resp.StatusCode >= 300 && len(text) == 0 {
		return nil
	}
	if len(text) == 0 {
		return &Error{Kind: KindMalformed, Err: errors.New("the answer is empty")}
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	trimmed := bytes.TrimSpace(text)
	if len(trimmed) > 0 {
		switch trimmed[0] {
		case '{':
			if trimmed[len(trimmed)-1] == '}' {
				return nil
			}
		case '[':
			if trimmed[len(trimmed)-1] == ']' {
				return nil
			}
		default:
			if json.Valid(trimmed) {
				return nil
			}
		}
	}
	return &Error{Kind: KindMalformed, Err: errors.New("the answer is not a whole JSON text")}
}
