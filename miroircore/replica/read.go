package replica

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

const (
	// fastPage and fullPage are how many documents one request asks for. An
	// answer that is larger than answerLimit is asked for again in smaller pages;
	// one document alone may be as large as documentLimit.
	fastPage      = 5000
	fullPage      = 1000
	answerLimit   = 32 << 20
	documentLimit = 512 << 20
)

// reader reads the documents of shards from one node.
type reader struct {
	client *node.Client
	ix     *index.Index
	shards []int
	after  uint64
	fast   bool
	page   int // documents a page, the default if 0
	pace   *Throttle
	rest   func(took time.Duration) time.Duration // after each request, if not nil
}

// answer is one page as the node gave it.
type answer struct {
	text  []byte
	docs  []document.Stored
	total int
}

// each calls fn with all documents.
func (r *reader) each(ctx context.Context, fn func(Entry, []byte) error) error {
	err := r.pages(ctx, func(a *answer) error {
		for i := range a.docs {
			if err := fn(r.entry(&a.docs[i]), a.docs[i].Text); err != nil {
				return err
			}
		}
		return nil
	})
	return at(r.client.ID(), r.ix, "read", err)
}

// pages calls give with one page after the other. A version may be that of many
// documents, those that one function edited: the last ones of a page that is
// full are read with the next page, and where there is no end of one version
// in a page that version is read by itself.
func (r *reader) pages(ctx context.Context, give func(*answer) error) error {
	if r.page == 0 {
		r.page = fullPage
		if r.fast {
			r.page = fastPage
		}
	}
	last := r.after
	for {
		a, err := r.ask(ctx, r.filter(last), 0)
		if err != nil {
			return err
		}
		full := len(a.docs) >= r.page
		if full {
			a.docs = whole(a.docs)
		}
		if len(a.docs) > 0 {
			last = a.docs[len(a.docs)-1].Version
			if err := give(a); err != nil {
				return err
			}
		} else if full {
			if last, err = r.run(ctx, last, give); err != nil {
				return err
			}
		}
		if !full {
			return nil
		}
	}
}

// whole leaves out the last version of a page, of which there may be more.
func whole(docs []document.Stored) []document.Stored {
	end := len(docs)
	for end > 0 && docs[end-1].Version == docs[len(docs)-1].Version {
		end--
	}
	return docs[:end]
}

// run gives all documents of the first version beyond last, of which there are
// more than fit a page, and gives that version. They have no order to go by but
// their places. When documents leave the version meanwhile, those behind them
// move forward by as many places, so that reading goes back by as many.
func (r *reader) run(ctx context.Context, last uint64, give func(*answer) error) (uint64, error) {
	first, err := r.ask(ctx, r.filter(last), 0)
	if err != nil || len(first.docs) == 0 {
		return last, err
	}
	version := first.docs[0].Version
	condition := append(r.filter(last), fmt.Sprintf("%s <= %q", hidden.VersionField, encoded(version)))
	for offset, before := 0, -1; ; {
		a, err := r.ask(ctx, condition, offset)
		if err != nil {
			return version, err
		}
		if before >= 0 && a.total < before && offset > 0 {
			offset = max(0, offset-(before-a.total))
			before = a.total
			continue
		}
		before = a.total
		if len(a.docs) > 0 {
			if err := give(a); err != nil {
				return version, err
			}
		}
		if len(a.docs) < r.page {
			return version, nil
		}
		offset += len(a.docs)
	}
}

func encoded(version uint64) string { return string(hidden.AppendVersion(nil, version)) }

// filter selects the documents of the shards beyond a version.
func (r *reader) filter(after uint64) []string {
	return []string{hidden.ShardFilter(r.shards, r.ix.Shards), fmt.Sprintf("%s > %q", hidden.VersionField, encoded(after))}
}

// fetch is the body of a request for documents.
type fetch struct {
	Filter          []string `json:"filter,omitempty"`
	IDs             []string `json:"ids,omitempty"`
	Sort            []string `json:"sort,omitempty"`
	Fields          []string `json:"fields,omitempty"`
	Offset          int      `json:"offset,omitempty"`
	Limit           int      `json:"limit"`
	RetrieveVectors bool     `json:"retrieveVectors,omitempty"`
}

// ask asks for one page.
func (r *reader) ask(ctx context.Context, filter []string, offset int) (*answer, error) {
	body := fetch{Filter: filter, Sort: []string{hidden.VersionField + ":asc"}, Offset: offset}
	return r.fetch(ctx, body)
}

// fetch asks for documents, in smaller pages where they are too large.
func (r *reader) fetch(ctx context.Context, body fetch) (*answer, error) {
	if r.fast {
		body.Fields = []string{r.ix.PrimaryKey, hidden.ShardField, hidden.VersionField}
	} else {
		// Without an embedder too: the vectors of a document are shown only then.
		body.RetrieveVectors = true
	}
	for {
		limit := int64(answerLimit)
		if body.Limit = r.page; r.page == 1 {
			limit = documentLimit
		}
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		path := "/indexes/" + url.PathEscape(r.ix.Physical) + "/documents/fetch"
		began := time.Now()
		resp, err := r.client.Call(ctx, http.MethodPost, path, node.JSON(text), limit)
		if node.KindOf(err) == node.KindTooLarge && r.page > 1 {
			r.page = max(1, r.page/8)
			continue
		}
		if err != nil {
			return nil, err
		}
		if !resp.OK() {
			return nil, r.client.StatusError(http.MethodPost, path, resp)
		}
		a := &answer{text: resp.Body, docs: make([]document.Stored, 0, min(r.page, 1024))}
		a.total, err = document.Results(resp.Body, r.ix.PrimaryKey, func(d *document.Stored) error {
			a.docs = append(a.docs, *d)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("node %s: POST %s: %w", r.client.ID(), path, err)
		}
		if err := r.pace.wait(ctx, len(a.docs), len(a.text)); err != nil || r.rest == nil {
			return a, err
		}
		return a, sleep(ctx, r.rest(time.Since(began)))
	}
}
