package minimeili

import "time"

const defaultBodyLimit = 100_000_000

// config is what the options set.
type config struct {
	addr        string
	dir         string
	dumpDir     string
	masterKey   string
	serviceTime time.Duration
	indexTime   time.Duration
	now         func() time.Time
	bodyLimit   int64
	version     string
	unbatched   bool
}

// Option changes how a server is started.
type Option func(*config)

// WithMasterKey sets the master key; without one every route is open.
func WithMasterKey(key string) Option { return func(c *config) { c.masterKey = key } }

// WithAddr sets the address to listen on; the default is a free port of the
// local host.
func WithAddr(addr string) Option { return func(c *config) { c.addr = addr } }

// WithDir keeps the state in a folder: a task is on disk before it is answered,
// so that a server that dies loses none, and a copy of the folder is a backup.
func WithDir(dir string) Option { return func(c *config) { c.dir = dir } }

// WithDumpDir sets the folder dumps are written to; the default is the folder
// dumps in the one of WithDir, or else a temporary one.
func WithDumpDir(dir string) Option { return func(c *config) { c.dumpDir = dir } }

// WithServiceTime makes each search take at least d, with the marshalling of its
// answer, asleep: as on a server with as many processors as it needs.
func WithServiceTime(d time.Duration) Option { return func(c *config) { c.serviceTime = d } }

// WithIndexTime makes the indexing of received documents take at least d for
// each, asleep: as on a server with as many processors as it needs.
func WithIndexTime(d time.Duration) Option { return func(c *config) { c.indexTime = d } }

// WithClock sets what tells the time of tasks, keys and indexes.
func WithClock(now func() time.Time) Option { return func(c *config) { c.now = now } }

// WithBodyLimit sets how long a request's body may be, in bytes; the default is
// the real server's hundred million.
func WithBodyLimit(limit int64) Option { return func(c *config) { c.bodyLimit = limit } }

// WithVersion sets the version the server says it has; the default is the one
// of the recordings.
func WithVersion(version string) Option { return func(c *config) { c.version = version } }

// WithoutAutobatching makes each task a batch of its own.
func WithoutAutobatching() Option { return func(c *config) { c.unbatched = true } }
