package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// client speaks to a server over kept-alive connections.
type client struct {
	http *http.Client
	key  string
	gzip bool
}

func newClient(key string, gzip bool) *client {
	return &client{key: key, gzip: gzip, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}}
}

func (c *client) do(ctx context.Context, method, url, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", contentType)
	if c.gzip {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, answer)
	}
	return answer, err
}

// enqueue sends a write and gives its task.
func (c *client) enqueue(ctx context.Context, method, base, path, contentType string, body []byte) (uint32, error) {
	answer, err := c.do(ctx, method, base+path, contentType, body)
	if err != nil {
		return 0, err
	}
	var summary struct {
		TaskUID uint32 `json:"taskUid"`
	}
	return summary.TaskUID, json.Unmarshal(answer, &summary)
}

// wait waits until a task has succeeded.
func (c *client) wait(ctx context.Context, base string, task uint32) error {
	for ctx.Err() == nil {
		answer, err := c.do(ctx, http.MethodGet, fmt.Sprintf("%s/tasks/%d", base, task), "application/json", nil)
		if err != nil {
			return err
		}
		var t struct {
			Status string          `json:"status"`
			Error  json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(answer, &t); err != nil {
			return err
		}
		switch t.Status {
		case "succeeded":
			return nil
		case "failed", "canceled":
			return fmt.Errorf("task %d: %s", task, t.Error)
		}
		pause(10 * time.Millisecond)
	}
	return ctx.Err()
}

// load puts documents into an index and waits for them.
func (c *client) load(ctx context.Context, base, index string, documents []byte, chunk int) error {
	var last uint32
	for len(documents) > 0 {
		end := min(chunk, len(documents))
		if cut := bytes.IndexByte(documents[end:], '\n'); end < len(documents) && cut >= 0 {
			end += cut + 1
		} else {
			end = len(documents)
		}
		task, err := c.enqueue(ctx, http.MethodPost, base, "/indexes/"+index+"/documents?primaryKey=id", "application/x-ndjson", documents[:end])
		if err != nil {
			return err
		}
		last, documents = task, documents[end:]
	}
	return c.wait(ctx, base, last)
}

// target is a server that takes part in a comparison.
type target struct {
	client *client
	url    string
	body   func(i int) []byte
	method string
	path   string
	kind   string
}

// compare asks the targets in turn, so that what slows one slows all, from the
// given number of connections each, and gives the median time of each.
func compare(ctx context.Context, rounds, connections int, targets ...*target) ([]time.Duration, error) {
	times := make([][]time.Duration, len(targets))
	var mu sync.Mutex
	var failure error
	const turn = 50
	for round := range rounds/turn + 1 {
		for i, t := range targets {
			var wg sync.WaitGroup
			for worker := range connections {
				wg.Go(func() {
					for n := range turn {
						start := time.Now()
						_, err := t.client.do(ctx, t.method, t.url+t.path, t.kind, t.body(round*turn+n+worker*7))
						took := time.Since(start)
						mu.Lock()
						if err != nil && failure == nil {
							failure = err
						}
						if round > 0 { // the first round warms up
							times[i] = append(times[i], took)
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
		}
		if failure != nil {
			return nil, failure
		}
	}
	medians := make([]time.Duration, len(targets))
	for i := range times {
		slices.Sort(times[i])
		medians[i] = times[i][len(times[i])/2]
	}
	return medians, nil
}

// pause lets time pass: what is measured here happens in other processes, whose
// clocks cannot be handed in.
func pause(d time.Duration) { <-time.After(d) }
