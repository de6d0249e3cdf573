package minimeili

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/test/minimeili/engine"
)

// instance is the state of a server: what a real one has on disk.
//
// Only the scheduler changes indexes and finishes tasks; it takes mu for the
// moments in which others might look.
type instance struct {
	config config
	faults *faults

	mu       sync.RWMutex
	uid      string // of the instance, as dumps carry it
	indexes  map[string]*index
	tasks    []*task // by uid; nil where deleted
	batches  []*batch
	pending  []*task // enqueued, by uid
	keys     keyring
	features meili.Features
	webhooks []*webhook

	journal  *journal
	replay   bool          // the journal is being read: nothing leaves the instance
	wake     chan struct{} // holds a token when the scheduler has to look
	canceled chan struct{} // holds a token when a cancelation was enqueued
	quit     chan struct{}
	life     context.Context // ends with the instance
	kill     context.CancelFunc
	done     sync.WaitGroup
	finished *sync.Cond // broadcast when a batch ended; its lock is mu
}

// index is an index and what the scheduler knows of it.
type index struct {
	uid       string
	engine    *engine.Index
	createdAt time.Time
	updatedAt time.Time
}

// newInstance makes an empty instance, or the one a folder holds.
func newInstance(config config, faults *faults) (*instance, error) {
	c := &instance{
		config: config, faults: faults, indexes: map[string]*index{},
		wake: make(chan struct{}, 1), canceled: make(chan struct{}, 1),
	}
	c.finished = sync.NewCond(&c.mu)
	if config.dir != "" {
		if err := c.load(config.dir); err != nil {
			return nil, fmt.Errorf("load %s: %w", config.dir, err)
		}
	}
	if c.uid == "" {
		c.uid = newUUID()
		c.record(event{Instance: c.uid})
		for _, key := range defaultKeys(config.now()) {
			c.keys.put(key)
			c.record(event{Key: key})
		}
		if err := c.sync(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// start lets the scheduler run.
func (c *instance) start() {
	c.quit = make(chan struct{})
	c.life, c.kill = context.WithCancel(context.Background())
	c.done.Add(1)
	go c.schedule()
	c.signal(c.wake)
}

// stop ends everything the instance does and closes its files.
func (c *instance) stop() {
	close(c.quit)
	c.kill()
	c.done.Wait()
	c.closeJournal()
}

func (c *instance) signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// index gives the index of a uid, or the error a read of it is answered.
func (c *instance) index(uid string) (*index, *meili.Error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if found := c.indexes[uid]; found != nil {
		return found, nil
	}
	return nil, meili.IndexNotFound(uid)
}

// uids lists the indexes that visible lets through, sorted. The caller holds mu.
func (c *instance) uids(visible func(string) bool) []string {
	var list []string
	for uid := range c.indexes {
		if visible(uid) {
			list = append(list, uid)
		}
	}
	slices.Sort(list)
	return list
}

// make adds an empty index. The scheduler calls it.
func (c *instance) make(uid string, at time.Time) *index {
	made := &index{uid: uid, engine: engine.New(uid), createdAt: at, updatedAt: at}
	c.mu.Lock()
	defer c.mu.Unlock()
	made.engine.SetFeatures(c.features)
	c.indexes[uid] = made
	return made
}

// touch notes that an index changed.
func (c *instance) touch(ix *index, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ix.updatedAt = at
}

func (ix *index) view() meili.Index {
	view := meili.Index{
		UID: ix.uid, CreatedAt: meili.FormatTime(ix.createdAt), UpdatedAt: meili.FormatTime(ix.updatedAt),
	}
	if key := ix.engine.PrimaryKey(); key != "" {
		view.PrimaryKey = &key
	}
	return view
}

// newUUID makes a random uuid.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// requestUID makes a uuid that starts with the time, as answers to searches carry.
func requestUID(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	ms := now.UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// dumpDir gives the folder dumps go to, made when it is missing.
func (c *instance) dumpDir() (string, error) {
	dir := c.config.dumpDir
	switch {
	case dir != "":
	case c.config.dir != "":
		dir = filepath.Join(c.config.dir, "dumps")
	default:
		dir = filepath.Join(os.TempDir(), "minimeili-"+c.uid)
	}
	return dir, os.MkdirAll(dir, 0o755)
}
