// Package recordings holds what a real Meilisearch answered to several hundred
// requests, and replays them against any server that claims to speak its API:
// the real one, the test double, the gateway.
package recordings

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
)

// MasterKey is the master key of the server the recordings were made on. Keys
// and tenant tokens inside the recordings derive from it, so a replay only
// works on a server started with the same one.
const MasterKey = "masterKeyForTheTests0"

//go:embed data/*.jsonl
var data embed.FS

// scenarios lists the recordings in the order they were made.
var scenarios = []string{
	"indexes", "documents", "search", "ranking", "settings",
	"tasks", "keys", "multi", "vectors", "misc",
}

// Scenarios returns the names of the recordings. Each one starts on an empty
// server.
func Scenarios() []string { return append([]string(nil), scenarios...) }

// Step is one line of a recording: a request and its answer, or a wait for a
// task and the finished task.
type Step struct {
	Step    int             `json:"step"`
	Note    string          `json:"note"`
	Wait    *uint32         `json:"wait"`
	Request *Request        `json:"request"`
	Status  int             `json:"status"`
	Body    json.RawMessage `json:"body"`
	Compare Mode            `json:"compare"`
}

// Request is what a step sends.
type Request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	// Body is sent byte for byte, but a JSON string is sent as the text it holds.
	Body json.RawMessage `json:"body"`
	// Auth is empty for the master key, "none" for no key, else the key itself.
	Auth string `json:"auth"`
}

// Mode says how close an answer has to be to the recorded one.
type Mode string

// The modes of comparison. The status is compared in all of them.
const (
	// Exact compares the whole body, the order of fields included.
	Exact Mode = "exact"
	// Hits compares hits, their order, their content, totals and facets; what
	// surrounds them (timings, ids of the request) is left out.
	Hits Mode = "hits"
	// Shape compares names and types, not values.
	Shape Mode = "shape"
)

// Load reads the steps of a scenario.
func Load(scenario string) ([]Step, error) {
	file, err := data.ReadFile("data/" + scenario + ".jsonl")
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	var steps []Step
	lines := bufio.NewScanner(bytes.NewReader(file))
	lines.Buffer(nil, len(file)+1)
	for lines.Scan() {
		var step Step
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			return nil, fmt.Errorf("scenario %s, line %d: %w", scenario, len(steps)+1, err)
		}
		steps = append(steps, step)
	}
	return steps, lines.Err()
}

// bytes gives the payload as it goes over the wire.
func (r *Request) bytes() ([]byte, error) {
	if len(r.Body) == 0 {
		return nil, nil
	}
	if r.Body[0] != '"' {
		return r.Body, nil
	}
	var text string
	if err := json.Unmarshal(r.Body, &text); err != nil {
		return nil, err
	}
	return []byte(text), nil
}

// describe names a step in a report.
func (s *Step) describe() string {
	if s.Wait != nil {
		return fmt.Sprintf("wait for task %d", *s.Wait)
	}
	return s.Request.Method + " " + s.Request.Path
}
