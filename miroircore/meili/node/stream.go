package node

import (
	"context"
	"io"
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili/room"
)

// Stream calls a GET route whose answer is too large to be kept, and gives the
// answer to be read and closed. Whether it is whole its content has to tell. An
// answer other than success is an error of KindStatus.
func (c *Client) Stream(ctx context.Context, pathAndQuery string) (io.ReadCloser, error) {
	req, err := c.request(ctx, http.MethodGet, pathAndQuery, nil, c.keysToTry()[0])
	if err != nil {
		return nil, c.wrap(ctx, http.MethodGet, pathAndQuery, &Error{Kind: KindRequest, Err: err})
	}
	resp, err := c.rt.RoundTrip(req)
	if err != nil {
		return nil, c.wrap(ctx, http.MethodGet, pathAndQuery, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, err := read(resp, DefaultLimit, new(room.Room))
	if err != nil {
		return nil, c.wrap(ctx, http.MethodGet, pathAndQuery, err)
	}
	return nil, c.StatusError(http.MethodGet, pathAndQuery, &Response{Status: resp.StatusCode, Header: resp.Header, Body: text})
}
