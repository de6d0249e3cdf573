package recordings

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// T is the part of testing.TB a replay needs, so that no test framework is
// imposed on its users.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Options changes how a scenario is replayed. The zero value is fine.
type Options struct {
	// Client sends the requests; nil means a client of its own.
	Client *http.Client
	// Timeout bounds the wait for one answer or one task; zero means a minute.
	Timeout time.Duration
	// Before is called ahead of every step, with its number.
	Before func(step int)
}

// Difference is a step whose answer is not the recorded one.
type Difference struct {
	Scenario string
	Step     int
	Request  string
	Note     string
	Detail   string
}

// String gives the difference in one line.
func (d Difference) String() string {
	note := ""
	if d.Note != "" {
		note = " (" + d.Note + ")"
	}
	return fmt.Sprintf("%s %d: %s%s: %s", d.Scenario, d.Step, d.Request, note, d.Detail)
}

// Report is what a replay found.
type Report struct {
	Scenario    string
	Steps       int
	Differences []Difference
}

// Replay runs a scenario against the server at baseURL, which has to be empty
// and to use MasterKey as its master key (key is the one sent where the
// recording used the master key). It returns every step that differs; only a
// server that cannot be talked to at all fails t.
func Replay(t T, scenario, baseURL, key string, options Options) Report {
	t.Helper()
	steps, err := Load(scenario)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if options.Timeout == 0 {
		options.Timeout = time.Minute
	}
	if options.Client == nil {
		transport := &http.Transport{DisableCompression: true}
		defer transport.CloseIdleConnections()
		options.Client = &http.Client{Transport: transport}
	}
	p := player{base: strings.TrimRight(baseURL, "/"), key: key, options: options}
	report := Report{Scenario: scenario, Steps: len(steps)}
	for i := range steps {
		step := &steps[i]
		if options.Before != nil {
			options.Before(step.Step)
		}
		detail, err := p.play(step)
		if err != nil {
			t.Fatalf("%s %d: %s: %v", scenario, step.Step, step.describe(), err)
		}
		if detail != "" {
			report.Differences = append(report.Differences, Difference{
				Scenario: scenario, Step: step.Step, Request: step.describe(), Note: step.Note, Detail: detail,
			})
		}
	}
	return report
}

type player struct {
	base, key string
	options   Options
}

func (p *player) play(step *Step) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.options.Timeout)
	defer cancel()
	request := step.Request
	ask := p.send
	if step.Wait != nil {
		request = &Request{Method: http.MethodGet, Path: fmt.Sprintf("/tasks/%d", *step.Wait)}
		ask = p.poll
	}
	status, body, err := ask(ctx, request)
	if err != nil {
		return "", err
	}
	return difference(step, request, status, body), nil
}

// difference compares one answer with the recorded one.
func difference(step *Step, request *Request, status int, body []byte) string {
	if status != step.Status {
		return fmt.Sprintf("wants status %d, got %d with %s", step.Status, status, clip(body))
	}
	if string(step.Body) == "null" && !(request.Method == http.MethodGet && status == http.StatusOK) {
		if len(body) != 0 {
			return fmt.Sprintf("wants an empty body, got %s", clip(body))
		}
		return ""
	}
	want, err := parseValue(step.Body)
	if err != nil {
		return "the recording is not JSON: " + err.Error()
	}
	got, err := parseValue(body)
	if err != nil {
		return fmt.Sprintf("the answer is not JSON: %v: %s", err, clip(body))
	}
	return compare(step.Compare, want, got)
}

// poll asks for a task until it ended.
func (p *player) poll(ctx context.Context, request *Request) (int, []byte, error) {
	const pause = 5 * time.Millisecond
	for {
		status, body, err := p.send(ctx, request)
		unfinished := bytes.Contains(body, []byte(`"status":"enqueued"`)) || bytes.Contains(body, []byte(`"status":"processing"`))
		if err != nil || status != http.StatusOK || !unfinished {
			return status, body, err
		}
		select {
		case <-ctx.Done():
			return 0, nil, fmt.Errorf("the task does not end: %w", ctx.Err())
		case <-time.After(pause):
		}
	}
}

func (p *player) send(ctx context.Context, r *Request) (int, []byte, error) {
	payload, err := r.bytes()
	if err != nil {
		return 0, nil, err
	}
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(payload)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, p.base+r.Path, body)
	if err != nil {
		return 0, nil, err
	}
	if r.Body != nil {
		// What the recording client sent when told of no type.
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, text := range r.Headers {
		request.Header.Set(name, text)
	}
	switch r.Auth {
	case "":
		request.Header.Set("Authorization", "Bearer "+p.key)
	case "none":
	default:
		request.Header.Set("Authorization", "Bearer "+r.Auth)
	}
	response, err := p.options.Client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	answer, err := io.ReadAll(response.Body)
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if response.StatusCode >= http.StatusBadRequest {
		// A server that refuses a request before it has read its body closes the
		// connection a moment later: the next request is to take another.
		p.options.Client.CloseIdleConnections()
	}
	return response.StatusCode, answer, err
}

func clip(body []byte) string {
	const most = 500
	if len(body) > most {
		return string(body[:most]) + "…"
	}
	return string(body)
}
