package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// client speaks to the gateway as any client of Meilisearch would.
type client struct{ url, key string }

// call sends a request and decodes the answer's JSON. It gives the headers.
func (c *client) call(ctx context.Context, method, path string, body []byte, into any) (http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, content)
	}
	if into == nil {
		return response.Header, nil
	}
	return response.Header, json.Unmarshal(content, into)
}

// poll is how often something that is waited for is asked about.
const poll = 50 * time.Millisecond

// ready waits until the gateway can read every shard.
func (c *client) ready(ctx context.Context) error {
	for {
		_, err := c.call(ctx, http.MethodGet, "/_miroir/ready", nil, nil)
		if err == nil {
			return nil
		}
		if waitErr := pause(ctx); waitErr != nil {
			return fmt.Errorf("the gateway does not get ready: %w", err)
		}
	}
}

// noticed waits until the gateway knows that a node is down. Until then a write
// cannot tell the node from one that is slow.
func (c *client) noticed(ctx context.Context, id string) error {
	for {
		var nodes struct {
			Results []struct{ ID, Status string }
		}
		if _, err := c.call(ctx, http.MethodGet, "/_miroir/nodes", nil, &nodes); err != nil {
			return err
		}
		for _, n := range nodes.Results {
			if n.ID == id && n.Status == "down" {
				return nil
			}
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("node %s is not known to be down: %w", id, err)
		}
	}
}

// write sends a write and waits until its task has succeeded.
func (c *client) write(ctx context.Context, method, path string, body []byte) (http.Header, error) {
	var accepted struct{ TaskUID int }
	headers, err := c.call(ctx, method, path, body, &accepted)
	if err != nil {
		return nil, err
	}
	for {
		var task struct {
			Status string
			Error  json.RawMessage
		}
		if _, err := c.call(ctx, http.MethodGet, fmt.Sprintf("/tasks/%d", accepted.TaskUID), nil, &task); err != nil {
			return nil, err
		}
		switch task.Status {
		case "succeeded":
			return headers, nil
		case "failed", "canceled":
			return nil, fmt.Errorf("task %d: %s: %s", accepted.TaskUID, task.Status, task.Error)
		}
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("task %d is %s: %w", accepted.TaskUID, task.Status, err)
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(poll):
		return nil
	}
}

// result is what a search found.
type result struct {
	Hits []struct {
		ID        int
		Package   string
		Name      string
		Signature string
	}
	EstimatedTotalHits int
}

func (c *client) search(ctx context.Context, index, query string) (*result, http.Header, error) {
	body, err := json.Marshal(map[string]any{"q": query, "limit": 3})
	if err != nil {
		return nil, nil, err
	}
	r := new(result)
	headers, err := c.call(ctx, http.MethodPost, "/indexes/"+index+"/search", body, r)
	return r, headers, err
}
