package antientropy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

const (
	table = "antientropy"
	// leaseTime is how long a gateway that says nothing more keeps the others
	// from comparing.
	leaseTime = 30 * time.Second
)

var (
	leaseKey    = []byte("lease")
	positionKey = []byte("position")
	askedKey    = []byte("asked")
)

// seenKey is where it is kept which task of each node was the newest when a pass
// over the contents of an index began, after which its copies were equal.
func seenKey(physical string) []byte         { return []byte("seen/" + physical) }
func passKey(pass string) []byte             { return []byte("pass/" + pass) }
func resultKey(physical, pass string) []byte { return []byte("result/" + physical + "/" + pass) }

// position is how far a pass is.
type position struct {
	Pass  string    `json:"pass"`
	Began time.Time `json:"began"`
	// Over is the physical name of the last index that is done, in the order of
	// the alphabet. Index is the one that is being compared, Done are its shards
	// that are done.
	Over   string `json:"over"`
	Index  string `json:"index"`
	Done   []int  `json:"done,omitempty"`
	Result Result `json:"result"`
	// Newest are the newest tasks of the nodes when a pass over the contents of the
	// index began.
	Newest map[string]uint32 `json:"newest,omitempty"`
	// Tries is how often the next step failed.
	Tries int `json:"tries,omitempty"`
}

// Result is what a pass over one index came to.
type Result struct {
	Began time.Time `json:"beganAt"`
	Ended time.Time `json:"endedAt"`
	// Shards were compared; Skipped could not be, having no two copies in order.
	Shards  int `json:"shards"`
	Skipped int `json:"skipped"`
	// Documents were read, on all copies together, in so many seconds of reading.
	Documents int     `json:"documents"`
	Seconds   float64 `json:"seconds"`
	// Different are documents that differed, Copied and Deleted what was written to
	// put them right, Rebuilt the copies that are made anew because too many did.
	Different int `json:"different"`
	Copied    int `json:"copied"`
	Deleted   int `json:"deleted"`
	Rebuilt   int `json:"rebuilt"`
	// Left are documents on nodes that nobody can put right: no copy says what is
	// right.
	Left     int      `json:"left"`
	Problems []string `json:"problems,omitempty"`
}

// span is when a pass over all indexes began and ended.
type span struct {
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
}

type asked struct {
	Content bool `json:"content"`
}

func get(tx state.Tx, key []byte, into any) (bool, error) {
	raw := tx.Get(table, key)
	if raw == nil {
		return false, nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("read %s of comparing copies: %w", key, err)
	}
	return true, nil
}

func put(tx state.Tx, key []byte, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return tx.Put(table, key, raw)
}

// open has the first passes begin an interval after the first start, and reads
// where one broke off.
func (c *Checker) open() error {
	err := c.o.Store.Update(func(tx state.Tx) error {
		for _, pass := range []string{Fast, Content} {
			var s span
			known, err := get(tx, passKey(pass), &s)
			if err != nil {
				return err
			}
			if !known {
				if err := put(tx, passKey(pass), span{Began: c.o.Now()}); err != nil {
					return err
				}
			}
		}
		p := new(position)
		known, err := get(tx, positionKey, p)
		if c.at = nil; known {
			c.at = p
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("open the comparing of copies: %w", err)
	}
	return nil
}

func (c *Checker) ask(content bool) error {
	return c.o.Store.Update(func(tx state.Tx) error {
		var a asked
		if _, err := get(tx, askedKey, &a); err != nil {
			return err
		}
		a.Content = a.Content || content
		return put(tx, askedKey, a)
	})
}

// due gives the pass that is under way or is to begin, or nil.
func (c *Checker) due() (*position, error) {
	s, now := c.schedule(), c.o.Now()
	p := new(position)
	var wanted string
	err := c.o.Store.View(func(tx state.Tx) error {
		if under, err := get(tx, positionKey, p); err != nil || under {
			wanted = p.Pass
			return err
		}
		var a asked
		if known, err := get(tx, askedKey, &a); err != nil || known {
			if wanted = Fast; a.Content {
				wanted = Content
			}
			return err
		}
		var fast, content span
		_, err := get(tx, passKey(Fast), &fast)
		_, other := get(tx, passKey(Content), &content)
		switch {
		case s.Off:
		case !now.Before(content.Began.Add(s.Content)):
			wanted = Content
		case !now.Before(fast.Began.Add(s.Fast)):
			wanted = Fast
		}
		return errors.Join(err, other)
	})
	if err != nil || wanted == "" {
		return nil, err
	}
	if p.Pass == "" {
		p = &position{Pass: wanted, Began: now}
	}
	return p, nil
}

// begin keeps that a pass is under way, which whoever asked for one has then.
func (c *Checker) begin(p *position) error {
	return c.keep(p, func(tx state.Tx) error {
		if p.Index+p.Over != "" { // it goes on
			return nil
		}
		var a asked
		if known, err := get(tx, askedKey, &a); err != nil || !known || a.Content && p.Pass == Fast {
			return err
		}
		return tx.Delete(table, askedKey)
	})
}

// keep makes a position durable, and more with it.
func (c *Checker) keep(p *position, more func(state.Tx) error) error {
	c.mu.Lock()
	shown := *p
	c.at = &shown
	c.mu.Unlock()
	err := c.o.Store.Update(func(tx state.Tx) error {
		if more != nil {
			if err := more(tx); err != nil {
				return err
			}
		}
		return put(tx, positionKey, p)
	})
	if err != nil {
		return fmt.Errorf("keep how far comparing is: %w", err)
	}
	return nil
}

// end keeps that a pass is over. One over the contents is a fast one as well.
func (c *Checker) end(p *position) error {
	now := c.o.Now()
	exists := make(map[string]bool)
	for _, ix := range c.o.Catalog.List() {
		exists[ix.Physical] = true
	}
	err := c.o.Store.Update(func(tx state.Tx) error {
		passes := []string{p.Pass}
		if p.Pass == Content {
			passes = append(passes, Fast)
		}
		for _, pass := range passes {
			if err := put(tx, passKey(pass), span{p.Began, now}); err != nil {
				return err
			}
		}
		return errors.Join(forget(tx, exists), tx.Delete(table, positionKey))
	})
	if err != nil {
		return fmt.Errorf("keep that comparing is over: %w", err)
	}
	c.mu.Lock()
	c.at = nil
	c.mu.Unlock()
	c.o.Metrics.Passed(p.Pass, now)
	return nil
}

// forget drops the results of indexes that are gone.
func forget(tx state.Tx, exists map[string]bool) error {
	var gone [][]byte
	err := tx.Scan(table, []byte("result/"), func(key, _ []byte) bool {
		kind, rest, _ := strings.Cut(string(key), "/")
		physical, _, _ := strings.Cut(rest, "/")
		if (kind == "result" || kind == "seen") && !exists[physical] {
			gone = append(gone, append([]byte(nil), key...))
		}
		return true
	})
	for _, key := range gone {
		err = errors.Join(err, tx.Delete(table, key))
	}
	return err
}
