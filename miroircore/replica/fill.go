package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/uuid"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

const (
	// chunkDocuments and chunkBytes bound one request to the target, unsettled how
	// many of its tasks are waited for at a time.
	chunkDocuments = 2000
	chunkBytes     = 8 << 20
	unsettled      = 4
)

// Metadata begins the customMetadata of every request that is written to a node
// beside its outbox.
const Metadata = "miroir-fill/"

// Progress is what a round came to.
type Progress struct {
	Copied, Deleted int
	// Newest is the highest version that was seen.
	Newest uint64
}

// Filler makes the documents of shards on one node equal to another's. It is
// safe for concurrent use by fills of different nodes or indexes.
type Filler struct {
	// Client gives the client of a node.
	Client func(id string) (*node.Client, bool)
	// Stray is told of a request that was not answered and may still run, by its
	// customMetadata.
	Stray func(nodeID, physical, metadata string)
	// Throttle bounds what is read and written; it may be nil.
	Throttle *Throttle
}

// Round makes the target what the source is, while both go on working. The
// first round, since 0, compares all documents and writes only those that
// differ; a later one copies what is newer than since. What is deleted at the
// source meanwhile is left to Finish.
func (f *Filler) Round(ctx context.Context, ix *index.Index, source, target string, shards []int, since uint64) (Progress, error) {
	c, err := f.begin(ctx, ix, source, target, shards)
	if err != nil || ix.PrimaryKey == "" {
		return Progress{Newest: since}, err
	}
	c.newest = since
	if since == 0 {
		err = c.level(false)
	} else {
		err = c.newer(since)
	}
	return c.progress, errors.Join(err, c.settle(0))
}

// Finish makes both equal while nobody writes to either: it copies what is newer
// than since, brings in line what differs by id or version, and fails with
// ErrDiffer where they then differ, or where the contents of what is newer do.
func (f *Filler) Finish(ctx context.Context, ix *index.Index, source, target string, shards []int, since uint64) (Progress, error) {
	c, err := f.begin(ctx, ix, source, target, shards)
	if err != nil || ix.PrimaryKey == "" {
		return Progress{Newest: since}, err
	}
	c.newest = since
	if err := errors.Join(c.newer(since), c.settle(0)); err != nil {
		return c.progress, err
	}
	was := c.progress.Deleted + c.progress.Copied
	if err := errors.Join(c.level(true), c.settle(0)); err != nil {
		return c.progress, err
	}
	if c.progress.Deleted+c.progress.Copied > was {
		if err := c.compare(true, 0); err != nil {
			return c.progress, err
		}
	}
	return c.progress, c.compare(false, since)
}

// copying is one round.
type copying struct {
	f              *Filler
	ctx            context.Context
	ix             *index.Index
	source, target *node.Client
	shards         []int
	remade         []string // embedders of which a copy cannot give the embeddings

	body    []byte // the chunk that is being made
	count   int
	pending []uint32 // tasks of the target
	doomed  []string // ids that the source may not have any more
	wanted  []string // ids of documents that only the source has as they are

	progress Progress
	newest   uint64
}

func (f *Filler) begin(ctx context.Context, ix *index.Index, source, target string, shards []int) (*copying, error) {
	c := &copying{f: f, ctx: ctx, ix: ix, shards: shards}
	for _, at := range []struct {
		id     string
		client **node.Client
	}{{source, &c.source}, {target, &c.target}} {
		client, ok := f.Client(at.id)
		if !ok {
			return nil, fmt.Errorf("there is no node %s", at.id)
		}
		*at.client = client
	}
	for _, e := range ix.Settings.Embedders() {
		var parts struct {
			Fragments json.RawMessage `json:"indexingFragments"`
		}
		if err := json.Unmarshal(e.Raw, &parts); err != nil || len(parts.Fragments) > 0 {
			c.remade = append(c.remade, e.Name)
		}
	}
	return c, nil
}

func (c *copying) reader(client *node.Client, after uint64, fast bool) *reader {
	return &reader{client: client, ix: c.ix, shards: c.shards, after: after, fast: fast, pace: c.f.Throttle}
}

// newer copies what is newer than a version.
func (c *copying) newer(since uint64) error {
	return c.reader(c.source, since, false).each(c.ctx, c.add)
}

// level goes through all documents of both and brings the target in line. In a
// fast pass documents are read whole only where their versions differ.
func (c *copying) level(fast bool) error {
	missing := c.add
	if fast {
		missing = func(e Entry, _ []byte) error {
			c.wanted = append(c.wanted, string(e.ID))
			return c.fetchAll(chunkDocuments)
		}
	}
	extra := func(e Entry) error {
		c.doomed = append(c.doomed, string(e.ID))
		return c.remove(chunkDocuments)
	}
	err := meet(c.ctx, c.reader(c.source, 0, fast), c.reader(c.target, 0, fast), missing, extra)
	if err != nil {
		return err
	}
	return errors.Join(c.fetchAll(0), c.remove(0))
}

// compare fails where the nodes differ beyond a version.
func (c *copying) compare(fast bool, after uint64) error {
	differ := func(e Entry) error {
		return fmt.Errorf("document %s of index %s on nodes %s and %s: %w", e.ID, c.ix.UID, c.source.ID(), c.target.ID(), ErrDiffer)
	}
	return meet(c.ctx, c.reader(c.source, after, fast), c.reader(c.target, after, fast),
		func(e Entry, _ []byte) error { return differ(e) }, differ)
}

// fetchAll copies the documents that are wanted, once there are more than spare.
func (c *copying) fetchAll(spare int) error {
	if len(c.wanted) <= spare {
		return nil
	}
	ids := c.wanted
	c.wanted = nil
	return c.byID(ids, nil)
}

// remove decides about the documents that the target has and the source did not
// show in that version, once there are more than spare: the source may have them
// in another one.
func (c *copying) remove(spare int) error {
	if len(c.doomed) <= spare {
		return nil
	}
	gone := make(map[string]bool, len(c.doomed))
	for _, id := range c.doomed {
		gone[id] = true
	}
	ids := c.doomed
	c.doomed = nil
	if err := c.byID(ids, gone); err != nil || len(gone) == 0 {
		return err
	}
	list := make([]string, 0, len(gone))
	for id := range gone {
		list = append(list, id)
	}
	slices.Sort(list)
	body, err := json.Marshal(list)
	if err != nil {
		return err
	}
	c.progress.Deleted += len(list)
	return errors.Join(c.flush(), c.enqueue("/documents/delete-batch?", node.JSON(body)))
}

// byID copies the documents of the source that have these ids and strikes them
// from a set.
func (c *copying) byID(ids []string, strike map[string]bool) error {
	err := c.reader(c.source, 0, false).named(c.ctx, ids, func(e Entry, text []byte) error {
		delete(strike, string(e.ID))
		return c.add(e, text)
	})
	return at(c.source.ID(), c.ix, "read", err)
}

// add puts a document into the chunk for the target.
func (c *copying) add(e Entry, text []byte) error {
	c.newest = max(c.newest, e.Version)
	c.progress.Newest = c.newest
	c.progress.Copied++
	c.body = append(document.AppendCopy(c.body, text, c.remade), '\n')
	if c.count++; c.count < chunkDocuments && len(c.body) < chunkBytes {
		return nil
	}
	return c.flush()
}

// flush sends the chunk.
func (c *copying) flush() error {
	if c.count == 0 {
		return nil
	}
	body := node.JSON(c.body)
	body.ContentType = "application/x-ndjson"
	c.body, c.count = nil, 0
	return c.enqueue("/documents?primaryKey="+url.QueryEscape(c.ix.PrimaryKey)+"&", body)
}

// enqueue sends a request to the target, and waits for earlier ones where there
// are many.
func (c *copying) enqueue(route string, body *node.Body) error {
	metadata := Metadata + uuid.NewString()
	path := "/indexes/" + url.PathEscape(c.ix.Physical) + route + "customMetadata=" + url.QueryEscape(metadata)
	task, err := c.target.Enqueue(c.ctx, http.MethodPost, path, body)
	if err != nil {
		var failure *node.Error
		if !errors.As(err, &failure) || failure.Kind != node.KindStatus && !failure.Unsent() {
			c.f.Stray(c.target.ID(), c.ix.Physical, metadata)
		}
		return at(c.target.ID(), c.ix, "write to", err)
	}
	c.pending = append(c.pending, task.TaskUID)
	return c.wait(unsettled)
}

// settle sends what is left and waits for all but a few of the target's tasks.
func (c *copying) settle(spare int) error {
	c.progress.Newest = max(c.progress.Newest, c.newest)
	return errors.Join(c.flush(), c.wait(spare))
}

func (c *copying) wait(spare int) error {
	for len(c.pending) > spare {
		task, err := c.target.Wait(c.ctx, c.pending[0])
		if err == nil && task.Error != nil {
			err = task.Error
		}
		if err != nil {
			return at(c.target.ID(), c.ix, "write to", err)
		}
		c.pending = c.pending[1:]
	}
	return nil
}
