package parity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// server is something that speaks Meilisearch's language.
type server struct {
	url, key string
	client   *http.Client
}

func newServer(t testing.TB, url, key string) *server {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &server{url: url, key: key, client: &http.Client{Transport: transport, Timeout: 5 * time.Minute}}
}

func (s *server) call(method, path string, body any) (*answer, error) {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, s.url+path, payload)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.key)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a, err := newAnswer(response.StatusCode, raw)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %.200s", method, path, err, raw)
	}
	return a, nil
}

// write sends a write and waits until it is done.
func (s *server) write(method, path string, body any) error {
	a, err := s.call(method, path, body)
	if err != nil {
		return err
	}
	if a.status != http.StatusAccepted {
		return fmt.Errorf("%s %s: %d %s", method, path, a.status, a.raw)
	}
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		task, err := s.call(http.MethodGet, fmt.Sprintf("/tasks/%v", a.body["taskUid"]), nil)
		if err != nil {
			return err
		}
		switch task.body["status"] {
		case "succeeded":
			return nil
		case "failed", "canceled":
			return fmt.Errorf("%s %s: %s", method, path, task.raw)
		}
	}
	return fmt.Errorf("%s %s: not done after five minutes", method, path)
}

// load makes a set's index.
func (s *server) load(t testing.TB, one *set) {
	t.Helper()
	if err := s.write(http.MethodPost, "/indexes", object{"uid": one.name, "primaryKey": "id"}); err != nil {
		t.Fatal(err)
	}
	if err := s.write(http.MethodPatch, "/indexes/"+one.name+"/settings", one.settings); err != nil {
		t.Fatal(err)
	}
	const chunk = 2000
	for i := 0; i < len(one.documents); i += chunk {
		part := one.documents[i:min(i+chunk, len(one.documents))]
		if err := s.write(http.MethodPost, "/indexes/"+one.name+"/documents", part); err != nil {
			t.Fatal(err)
		}
	}
}

// ask sends a query about a set.
func (s *server) ask(one *set, q *query) (*answer, error) {
	path := "/indexes/" + one.name + q.path
	if q.path == "/multi-search" {
		path = q.path
	}
	return s.call(http.MethodPost, path, q.body)
}

// ranks tells how each hit of a search ranks: hits of which it says the same are
// in no order.
func (s *server) ranks(one *set, q *query) (map[string]string, error) {
	out := map[string]string{}
	if q.path != "/search" {
		return out, nil
	}
	body := object{}
	for name, value := range q.body {
		switch name {
		case "offset", "limit", "page", "hitsPerPage", "distinct":
		default:
			body[name] = value
		}
	}
	body["limit"], body["showRankingScoreDetails"] = 1000, true
	a, err := s.ask(one, &query{path: q.path, body: body})
	if err != nil {
		return nil, err
	}
	list, _ := a.body["hits"].([]any)
	for i, id := range a.ids() {
		details, err := json.Marshal(list[i].(map[string]any)["_rankingScoreDetails"])
		if err != nil {
			return nil, err
		}
		out[id] = string(details)
	}
	return out, nil
}
