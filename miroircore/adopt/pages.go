package adopt

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

const (
	// A page has firstPage documents at first and then as many as make about
	// pageBytes, at most mostDocuments; one that takes longer than slowPage is
	// followed by a smaller one.
	firstPage     = 500
	mostDocuments = 5000
	pageBytes     = 4 << 20
	slowPage      = 10 * time.Second
	// An answer beyond answerLimit is asked for again in smaller pages; one
	// document alone may be as large as documentLimit.
	answerLimit   = 64 << 20
	documentLimit = 512 << 20
)

// item is one document as a side shows it.
type item struct {
	id      string
	content uint64
	text    []byte
}

// fetch is the body of a request for documents.
type fetch struct {
	Offset          uint64   `json:"offset,omitempty"`
	Limit           int      `json:"limit"`
	IDs             []string `json:"ids,omitempty"`
	Fields          []string `json:"fields,omitempty"`
	RetrieveVectors bool     `json:"retrieveVectors,omitempty"`
}

// fetch asks for a page of documents. The error of an answer that is too large
// is of KindTooLarge.
func (s *side) fetch(ctx context.Context, ix *IndexPlan, q fetch) (items []item, total int, size int, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, 0, 0, err
	}
	limit := int64(answerLimit)
	if q.Limit == 1 {
		limit = documentLimit
	}
	path := "/indexes/" + ix.UID + "/documents/fetch"
	var answer []byte
	err = s.try(ctx, func(ctx context.Context) error {
		resp, err := s.Call(ctx, http.MethodPost, path, node.JSON(body), limit)
		if err == nil && !resp.OK() {
			err = s.StatusError(http.MethodPost, path, resp)
		}
		if err == nil {
			answer = resp.Body
		}
		return err
	})
	if err != nil {
		return nil, 0, 0, err
	}
	total, err = document.Results(answer, ix.PrimaryKey, func(d *document.Stored) error {
		items = append(items, item{id: string(d.ID), content: document.ClientContent(d.Text), text: d.Text})
		return nil
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("reading documents of index %s from %s: %w", ix.UID, s.name, err)
	}
	return items, total, len(answer), nil
}

// page is a part of the source's documents.
type page struct {
	items []item
	total int
}

// pages gives all documents of an index of the source, page by page, the next
// one being read while one is worked on.
func (a *adoption) pages(ctx context.Context, ix *IndexPlan, give func(page) error) error {
	if ix.PrimaryKey == "" {
		return nil // without one there are no documents
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan page)
	var err error // valid once read is closed
	go func() {
		defer close(read)
		err = a.read(ctx, ix, read)
	}()
	for p := range read {
		if failed := give(p); failed != nil {
			cancel()
			for range read { // the reader ends first
				continue
			}
			return failed
		}
	}
	return err
}

func (a *adoption) read(ctx context.Context, ix *IndexPlan, out chan<- page) error {
	pace := limit{perSecond: a.Rate}
	size := firstPage
	for offset := uint64(0); ; {
		begun := time.Now()
		items, total, read, err := a.source.fetch(ctx, ix, fetch{Offset: offset, Limit: size, RetrieveVectors: true})
		if node.KindOf(err) == node.KindTooLarge && size > 1 {
			size = max(1, size/8)
			continue
		}
		if err != nil {
			return err
		}
		select {
		case out <- page{items, total}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(items) < size {
			return nil
		}
		offset += uint64(len(items))
		size = nextPage(size, read, time.Since(begun))
		if wait := pace.cost(len(items), time.Now()); wait > 0 && sleep(ctx, wait) != nil {
			return ctx.Err()
		}
	}
}

// nextPage gives how many documents the next page has after one of so many
// documents and bytes.
func nextPage(size, bytes int, took time.Duration) int {
	each := max(1, bytes/size)
	next := min(pageBytes/each, 2*size, mostDocuments)
	if took > slowPage {
		next = min(next, size/2)
	}
	return max(next, 1)
}

// tooLarge says whether a question or its answer was too large.
func tooLarge(err error) bool {
	answer := node.AnswerOf(err)
	return node.KindOf(err) == node.KindTooLarge || answer != nil && answer.Code == "payload_too_large"
}

// differing gives the documents of a page that the gateway does not have as
// they are.
func (a *adoption) differing(ctx context.Context, ix *IndexPlan, items []item) ([]item, error) {
	if len(items) == 0 {
		return nil, nil
	}
	ids := make([]string, len(items))
	for i := range items {
		ids[i] = items[i].id
	}
	here, _, _, err := a.target.fetch(ctx, ix, fetch{IDs: ids, Limit: len(ids), RetrieveVectors: true})
	if tooLarge(err) && len(items) > 1 {
		first, err := a.differing(ctx, ix, items[:len(items)/2])
		if err != nil {
			return nil, err
		}
		second, err := a.differing(ctx, ix, items[len(items)/2:])
		return append(first, second...), err
	}
	if err != nil {
		return nil, err
	}
	have := make(map[string]uint64, len(here))
	for i := range here {
		have[here[i].id] = here[i].content
	}
	var out []item
	for i := range items {
		if content, ok := have[items[i].id]; !ok || content != items[i].content {
			out = append(out, items[i])
		}
	}
	return out, nil
}
