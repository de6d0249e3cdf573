package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Get calls a GET route and decodes its answer into out. An answer other than
// success is an error of KindStatus.
func (c *Client) Get(ctx context.Context, pathAndQuery string, out any) error {
	return c.Do(ctx, http.MethodGet, pathAndQuery, nil, out)
}

// Do calls a route and decodes its answer into out, if out is not nil. An
// answer other than success is an error of KindStatus.
func (c *Client) Do(ctx context.Context, method, pathAndQuery string, body *Body, out any) error {
	resp, err := c.Call(ctx, method, pathAndQuery, body, 0)
	if err != nil {
		return err
	}
	if !resp.OK() {
		return c.StatusError(method, pathAndQuery, resp)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(resp.Body, out); err != nil {
		return c.wrap(ctx, method, pathAndQuery, &Error{Kind: KindMalformed, Err: err})
	}
	return nil
}

// StatusError gives an answer other than success as an error of KindStatus.
func (c *Client) StatusError(method, pathAndQuery string, resp *Response) *Error {
	path, _, _ := strings.Cut(pathAndQuery, "?")
	e := &Error{Node: c.id, Op: method + " " + path, Kind: KindStatus, Status: resp.Status}
	answer := &meili.Error{Status: resp.Status}
	if json.Unmarshal(resp.Body, answer) == nil && answer.Code != "" {
		e.Answer = answer
	}
	return e
}

// Health asks whether the node is available.
func (c *Client) Health(ctx context.Context) error {
	var health struct {
		Status string `json:"status"`
	}
	if err := c.Get(ctx, "/health", &health); err != nil {
		return err
	}
	if health.Status != "available" {
		return &Error{Node: c.id, Op: "GET /health", Kind: KindMalformed, Err: fmt.Errorf("the node says that it is %q", health.Status)}
	}
	return nil
}

// Version asks for the node's version.
func (c *Client) Version(ctx context.Context) (*meili.Version, error) {
	out := new(meili.Version)
	if err := c.Get(ctx, "/version", out); err != nil {
		return nil, err
	}
	if out.PkgVersion == "" {
		return nil, &Error{Node: c.id, Op: "GET /version", Kind: KindMalformed, Err: errors.New("no version in the answer")}
	}
	return out, nil
}

// TaskQuery selects tasks; a zero field selects by nothing.
type TaskQuery struct {
	UIDs      []uint32
	IndexUIDs []string
	Statuses  []meili.TaskStatus
	Types     []meili.TaskType
	// From is the uid to begin with, Limit how many to give (20 by the node if 0).
	From  *uint32
	Limit int
	// Reverse lists from old to new.
	Reverse bool
}

// String gives the query as the tasks route takes it, without a question mark.
func (q TaskQuery) String() string {
	values := url.Values{}
	if len(q.UIDs) > 0 {
		uids := make([]string, len(q.UIDs))
		for i, uid := range q.UIDs {
			uids[i] = strconv.FormatUint(uint64(uid), 10)
		}
		values.Set("uids", strings.Join(uids, ","))
	}
	if len(q.IndexUIDs) > 0 {
		values.Set("indexUids", strings.Join(q.IndexUIDs, ","))
	}
	if len(q.Statuses) > 0 {
		values.Set("statuses", join(q.Statuses))
	}
	if len(q.Types) > 0 {
		values.Set("types", join(q.Types))
	}
	if q.From != nil {
		values.Set("from", strconv.FormatUint(uint64(*q.From), 10))
	}
	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Reverse {
		values.Set("reverse", "true")
	}
	return values.Encode()
}

func join[T ~string](words []T) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ",")
}

// Tasks lists tasks.
func (c *Client) Tasks(ctx context.Context, q TaskQuery) (*meili.TaskPage, error) {
	out := new(meili.TaskPage)
	return out, c.Get(ctx, withQuery("/tasks", q.String()), out)
}

// Task gives one task.
func (c *Client) Task(ctx context.Context, uid uint32) (*meili.Task, error) {
	out := new(meili.Task)
	return out, c.Get(ctx, "/tasks/"+strconv.FormatUint(uint64(uid), 10), out)
}

// Enqueue calls a route that makes a task and gives the task's summary.
func (c *Client) Enqueue(ctx context.Context, method, pathAndQuery string, body *Body) (*meili.TaskSummary, error) {
	out := new(meili.TaskSummary)
	if err := c.Do(ctx, method, pathAndQuery, body, out); err != nil {
		return nil, err
	}
	if out.Status == "" {
		return nil, c.wrap(ctx, method, pathAndQuery, &Error{Kind: KindMalformed, Err: errors.New("no task in the answer")})
	}
	return out, nil
}

// Wait asks for a task until it has ended, at first soon and then every 500 ms.
// What the task ended as is in its status; an error means that it is not known.
func (c *Client) Wait(ctx context.Context, uid uint32) (*meili.Task, error) {
	pause := 5 * time.Millisecond
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		task, err := c.Task(ctx, uid)
		if err != nil {
			return nil, err
		}
		if task.Status.Finished() {
			return task, nil
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return nil, c.wrap(ctx, http.MethodGet, "/tasks", ctx.Err())
		case <-timer.C:
		}
		pause = min(pause*2, 500*time.Millisecond)
	}
}

// Stats gives the node's statistics.
func (c *Client) Stats(ctx context.Context) (*meili.Stats, error) {
	out := new(meili.Stats)
	return out, c.Get(ctx, "/stats", out)
}

// IndexStats gives the statistics of one index.
func (c *Client) IndexStats(ctx context.Context, index string) (*meili.IndexStats, error) {
	out := new(meili.IndexStats)
	return out, c.Get(ctx, "/indexes/"+url.PathEscape(index)+"/stats", out)
}

// Settings gives the settings of an index as the node writes them.
func (c *Client) Settings(ctx context.Context, index string) (json.RawMessage, error) {
	var out json.RawMessage
	return out, c.Get(ctx, "/indexes/"+url.PathEscape(index)+"/settings", &out)
}

// Index gives one index.
func (c *Client) Index(ctx context.Context, index string) (*meili.Index, error) {
	out := new(meili.Index)
	return out, c.Get(ctx, "/indexes/"+url.PathEscape(index), out)
}

// indexPage is how many indexes one request asks for.
const indexPage = 1000

// Indexes lists all indexes of the node.
func (c *Client) Indexes(ctx context.Context) ([]meili.Index, error) {
	var all []meili.Index
	for {
		var page meili.Page[meili.Index]
		if err := c.Get(ctx, fmt.Sprintf("/indexes?offset=%d&limit=%d", len(all), indexPage), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Results...)
		if len(page.Results) < indexPage {
			return all, nil
		}
	}
}

// Features says which experimental features are on.
func (c *Client) Features(ctx context.Context) (meili.Features, error) {
	var out meili.Features
	return out, c.Get(ctx, "/experimental-features", &out)
}

// SetFeatures turns experimental features on or off; those not named stay as
// they are.
func (c *Client) SetFeatures(ctx context.Context, on map[string]bool) (meili.Features, error) {
	var out meili.Features
	text, err := json.Marshal(on)
	if err != nil { // a map of booleans always marshals
		panic(err)
	}
	return out, c.Do(ctx, http.MethodPatch, "/experimental-features", JSON(text), &out)
}

func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}
