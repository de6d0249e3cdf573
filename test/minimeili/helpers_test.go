package minimeili_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/test/minimeili"
)

// client keeps no connections, so that none outlives its test.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// try sends a request; body is a text, sent as JSON, or empty.
func try(base, method, path, body string, header ...string) (*http.Response, []byte, error) {
	r, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	answer, err := io.ReadAll(response.Body)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	return response, answer, err
}

func ask(t *testing.T, m *minimeili.Server, method, path, body string, header ...string) (int, string) {
	t.Helper()
	response, answer, err := try(m.URL(), method, path, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// expect sends a request that has to be answered with a status.
func expect(t *testing.T, m *minimeili.Server, status int, method, path, body string, header ...string) string {
	t.Helper()
	got, answer := ask(t, m, method, path, body, header...)
	if got != status {
		t.Fatalf("%s %s: wants %d, got %d: %s\n%s", method, path, status, got, answer, m.Dump())
	}
	return answer
}

func ids(t *testing.T, docs []json.RawMessage) string {
	t.Helper()
	var list []string
	for _, doc := range docs {
		var d struct {
			ID json.RawMessage `json:"id"`
		}
		if err := json.Unmarshal(doc, &d); err != nil {
			t.Fatal(err)
		}
		list = append(list, string(bytes.Trim(d.ID, `"`)))
	}
	return strings.Join(list, " ")
}

func statuses(m *minimeili.Server) string {
	var list []string
	for _, task := range m.Tasks() {
		list = append(list, string(task.Status))
	}
	return strings.Join(list, " ")
}
