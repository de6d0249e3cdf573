package minimeili

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// journalName is the file in the folder that holds everything.
const journalName = "journal.jsonl"

// event is something that changed an instance. The journal is the list of all
// of them; reading it does the same again, which gives the same instance, since
// nothing in it depends on anything else.
type event struct {
	Instance    string          `json:"instance,omitempty"`
	Task        *task           `json:"task,omitempty"`
	Batch       *batch          `json:"batch,omitempty"`
	Key         *key            `json:"key,omitempty"`
	KeyGone     string          `json:"keyGone,omitempty"`
	Features    *meili.Features `json:"features,omitempty"`
	Webhook     *webhook        `json:"webhook,omitempty"`
	WebhookGone string          `json:"webhookGone,omitempty"`
}

// journal is a file that events are appended to. Events of several requests
// share a flush to the disk.
type journal struct {
	file *os.File

	mu      sync.Mutex
	written uint64
	err     error

	flush   sync.Mutex
	flushed uint64
}

// record appends an event; it is on disk after the next sync. Callers order
// events by holding mu, but where none competes.
func (c *instance) record(e event) {
	if c.journal != nil && !c.replay {
		c.journal.append(e)
	}
}

func (j *journal) append(e event) {
	line, err := json.Marshal(e)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil && j.err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	j.err = errors.Join(j.err, err)
	j.written++
}

// sync returns once everything recorded so far is on disk.
func (c *instance) sync() error {
	if c.journal == nil {
		return nil
	}
	return c.journal.sync()
}

func (j *journal) sync() error {
	j.mu.Lock()
	wanted := j.written
	j.mu.Unlock()
	j.flush.Lock()
	defer j.flush.Unlock()
	if j.flushed >= wanted {
		return nil
	}
	j.mu.Lock()
	written, err := j.written, j.err
	j.mu.Unlock()
	if err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.flushed = written
	return nil
}

func (c *instance) closeJournal() {
	if c.journal != nil {
		_ = c.journal.file.Close() // everything that counts was flushed
	}
}

// load reads the journal of a folder, made when it is missing.
func (c *instance) load(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(dir, journalName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	c.journal = &journal{file: file}
	c.replay = true
	end, err := c.read(file)
	c.replay = false
	if err == nil {
		// What the last write of a dying server left half done is no event.
		err = errors.Join(file.Truncate(end), seek(file, end))
	}
	if err != nil {
		c.closeJournal()
	}
	return err
}

func seek(file *os.File, to int64) error {
	_, err := file.Seek(to, io.SeekStart)
	return err
}

// read does what the journal's events say, and tells where they end.
func (c *instance) read(file io.Reader) (end int64, err error) {
	reader := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return 0, err
		}
		var e event
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return 0, fmt.Errorf("at byte %d: %w", end, err)
		}
		c.redo(e)
		end += int64(len(line))
	}
}

func (c *instance) redo(e event) {
	switch {
	case e.Instance != "":
		c.uid = e.Instance
	case e.Task != nil:
		c.tasks = append(c.tasks, e.Task)
		c.pending = append(c.pending, e.Task)
	case e.Batch != nil:
		c.redoBatch(e.Batch)
	case e.Key != nil:
		c.keys.put(e.Key)
	case e.KeyGone != "":
		c.keys.remove(e.KeyGone)
	case e.Features != nil:
		c.setFeatures(*e.Features)
	case e.Webhook != nil:
		c.putWebhook(e.Webhook)
	case e.WebhookGone != "":
		c.removeWebhook(e.WebhookGone)
	}
}

// redoBatch does a batch again, with the times and the outcomes it had. What
// left the instance, as dumps and exports do, is not repeated.
func (c *instance) redoBatch(b *batch) {
	for _, uid := range b.Tasks {
		b.running = append(b.running, c.tasks[uid])
	}
	first := b.running[0]
	b.gathered = &gathering{kind: alone, tasks: b.running}
	if !slices.Contains(urgent, first.Op.Kind) && len(first.Touches) > 0 {
		exists, primaryKey := false, ""
		if ix := c.indexes[first.Touches[0]]; ix != nil {
			exists, primaryKey = true, ix.engine.PrimaryKey()
		}
		b.gathered = autobatch(b.running, exists, primaryKey)
	}
	c.batches = append(c.batches, b)
	for _, t := range b.running {
		t.Status = meili.StatusProcessing
	}
	switch first.Op.Kind {
	case createDump, exportIndexes, compactIndex:
	default:
		if !b.Skipped {
			w := &work{instance: c, batch: b, at: b.StartedAt, outcomes: map[uint32]*outcome{}}
			for _, t := range b.running {
				o := t.outcome
				w.outcomes[t.UID] = &o
			}
			_ = w.run() // the outcomes say what came of it
		}
	}
	for _, t := range b.running {
		t.Status = meili.StatusEnqueued
	}
	c.end(b)
}
