// Package imprint is what a gateway writes of itself onto each of its nodes, into
// an index that no client sees: whose the node is, and the catalog of the fleet's
// indexes. A gateway whose state is lost, or older than what was done since,
// finds there what nodes cannot be asked for otherwise: under which uid clients
// know an index, where its shards are to lie, and the settings that nodes are
// not told.
package imprint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

const (
	// Index is the index on each node that holds the imprint.
	Index = "miroir_fleet"

	markID      = "owner"
	entryPrefix = "index-"
	entryPage   = 200
)

// Mark says whose a node is, and how far the fleet had come when that was written.
type Mark struct {
	// Fleet is the id of the fleet, Node that of the node in it.
	Fleet string `json:"fleet"`
	Node  string `json:"node,omitempty"`
	// Revision is that of the catalog; the entries of Indexes, by their physical
	// names, are the whole of it. Dropped are physical names that nodes may still
	// hold.
	Revision uint64   `json:"revision"`
	Indexes  []string `json:"indexes,omitempty"`
	Dropped  []string `json:"dropped,omitempty"`
	// Operation and Task are the numbers that the next write would have had.
	Operation uint64 `json:"operation,omitempty"`
	Task      uint32 `json:"task,omitempty"`
}

// markDocument and entryDocument are the documents of the index. The record is
// text, so that a node does not see the fields of settings and placements.
type markDocument struct {
	ID string `json:"id"`
	Mark
}

type entryDocument struct {
	ID     string `json:"id"`
	UID    string `json:"uid"`
	Record string `json:"record"`
}

// Read gives the mark of a node, nil where it has none.
func Read(ctx context.Context, c *node.Client) (*Mark, error) {
	var found markDocument
	err := c.Get(ctx, "/indexes/"+Index+"/documents/"+markID, &found)
	if answer := node.AnswerOf(err); answer != nil && answer.Status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the mark of node %s: %w", c.ID(), err)
	}
	return &found.Mark, nil
}

// Entries gives the catalog that a node's mark speaks of, by physical name. A
// record that cannot be read is left out and told of in the error.
func Entries(ctx context.Context, c *node.Client, mark *Mark) (map[string]*index.Index, error) {
	found := make(map[string]*index.Index)
	var bad []error
	for offset := 0; ; {
		var page struct {
			Results []entryDocument `json:"results"`
			Total   int             `json:"total"`
		}
		if err := c.Get(ctx, fmt.Sprintf("/indexes/%s/documents?offset=%d&limit=%d", Index, offset, entryPage), &page); err != nil {
			return nil, fmt.Errorf("read the catalog on node %s: %w", c.ID(), err)
		}
		for _, e := range page.Results {
			physical, ok := strings.CutPrefix(e.ID, entryPrefix)
			if !ok || !slices.Contains(mark.Indexes, physical) {
				continue
			}
			ix, err := index.FromRecord(e.UID, []byte(e.Record))
			if err != nil {
				bad = append(bad, fmt.Errorf("the catalog on node %s: %w", c.ID(), err))
				continue
			}
			found[physical] = ix
		}
		if offset += len(page.Results); len(page.Results) == 0 || offset >= page.Total {
			return found, errors.Join(bad...)
		}
	}
}

// ErrTaken says that a node has the mark of another fleet.
var ErrTaken = errors.New("the node has been taken over by another fleet")

// Writer keeps the imprint on one node up to date, and writes only what the node
// does not have yet. It is used by one goroutine at a time.
type Writer struct {
	// TakeOver lets it write over the mark of another fleet, which is ErrTaken
	// otherwise: a gateway that does not know yet that an operator gave its node
	// to another would take that back.
	TakeOver bool

	has     *Mark                   // nil: not known
	records map[string]xxh3.Uint128 // hashes of the records it has, by physical name
}

// Learn takes the mark that a node was found with. What its records hold is not
// known from that.
func (w *Writer) Learn(m Mark) {
	w.has, w.records = &m, make(map[string]xxh3.Uint128, len(m.Indexes))
	for _, physical := range m.Indexes {
		w.records[physical] = xxh3.Uint128{}
	}
}

// Behind says whether the node lacks what a mark says.
func (w *Writer) Behind(m Mark) bool {
	return w.has == nil || w.has.Fleet != m.Fleet || w.has.Node != m.Node || w.has.Revision != m.Revision ||
		apart(w.has.Operation, m.Operation, operationsApart) || apart(uint64(w.has.Task), uint64(m.Task), tasksApart)
}

// A mark is written again when numbers have run so far ahead of it, which is far
// less than is passed over when numbers are taken from it.
const (
	operationsApart = 1 << 26
	tasksApart      = 1 << 18
)

func apart(a, b, most uint64) bool { return max(a, b)-min(a, b) > most }

// Write brings the imprint to a mark and the catalog that goes with it: the mark
// and all records in one task, so that a node has the one or the other.
func (w *Writer) Write(ctx context.Context, c *node.Client, m Mark, catalog []*index.Index) error {
	found, err := Read(ctx, c)
	switch {
	case err != nil:
		return err
	case found == nil:
		w.has, w.records = nil, nil
	case found.Fleet != m.Fleet && !w.TakeOver:
		return fmt.Errorf("%w, %s", ErrTaken, found.Fleet)
	case w.has == nil || w.has.Fleet != found.Fleet || w.has.Revision != found.Revision:
		w.Learn(*found)
	}
	if !w.Behind(m) {
		return nil
	}
	had := w.records
	records := make(map[string]xxh3.Uint128, len(catalog))
	m.Indexes = nil
	var documents []any
	for _, ix := range catalog {
		record, err := ix.Record()
		if err != nil {
			return err
		}
		m.Indexes = append(m.Indexes, ix.Physical)
		hash := xxh3.HashString128(ix.UID + " " + string(record))
		records[ix.Physical] = hash
		if had[ix.Physical] != hash {
			documents = append(documents, entryDocument{ID: entryPrefix + ix.Physical, UID: ix.UID, Record: string(record)})
		}
	}
	documents = append(documents, markDocument{ID: markID, Mark: m})
	w.has, w.records = nil, nil // unknown until it is known to be there
	if err := send(ctx, c, "/documents?primaryKey=id", documents); err != nil {
		return err
	}
	var gone []string
	for physical := range had {
		if _, still := records[physical]; !still {
			gone = append(gone, entryPrefix+physical)
		}
	}
	if len(gone) > 0 {
		slices.Sort(gone)
		if err := send(ctx, c, "/documents/delete-batch", gone); err != nil {
			return err
		}
	}
	w.has, w.records = &m, records
	return nil
}

func send(ctx context.Context, c *node.Client, route string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	queued, err := c.Enqueue(ctx, http.MethodPost, "/indexes/"+url.PathEscape(Index)+route, node.JSON(body))
	if err != nil {
		return fmt.Errorf("write the imprint onto node %s: %w", c.ID(), err)
	}
	done, err := c.Wait(ctx, queued.TaskUID)
	if err == nil && done.Error != nil {
		err = done.Error
	}
	if err != nil {
		return fmt.Errorf("write the imprint onto node %s: %w", c.ID(), err)
	}
	return nil
}
