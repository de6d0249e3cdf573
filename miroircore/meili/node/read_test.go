package node

import (
	"net/http"
	"testing"
)

func TestTheMemoryOfAReleasedAnswerIsUsedAgain(t *testing.T) {
	const json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"n\":123}"
	c := clientOf(t, serveRaw(t, json))
	first, err := c.Call(t.Context(), http.MethodGet, "/", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := c.Call(t.Context(), http.MethodGet, "/", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	first.Release()
	first.Release() // does nothing more
	again, err := c.Call(t.Context(), http.MethodGet, "/", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if string(kept.Body) != `{"n":123}` || string(again.Body) != `{"n":123}` || &kept.Body[0] == &again.Body[0] {
		t.Errorf("an answer that was not released is %q, another %q", kept.Body, again.Body)
	}
	if first.Body != nil {
		t.Error("a released answer still has a body")
	}
}
