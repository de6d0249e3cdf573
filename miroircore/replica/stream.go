package replica

import (
	"context"
	"errors"
)

// stream gives the documents of a reader one by one while the next page is on
// its way.
type stream struct {
	r      *reader
	pages  chan *answer
	done   chan struct{}
	err    error // valid once pages is closed
	cancel context.CancelFunc

	page *answer
	next int
	head Entry
	text []byte
	ok   bool
}

func openStream(ctx context.Context, r *reader) *stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{r: r, pages: make(chan *answer), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(s.done)
		defer close(s.pages)
		s.err = r.pages(ctx, func(a *answer) error {
			select {
			case s.pages <- a:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return s
}

// close ends the reading and waits for that.
func (s *stream) close() {
	s.cancel()
	<-s.done
}

// advance goes to the next document; ok is false behind the last one.
func (s *stream) advance() error {
	for s.page == nil || s.next == len(s.page.docs) {
		page, more := <-s.pages
		if !more {
			s.ok = false
			return at(s.r.client.ID(), s.r.ix, "read", s.err)
		}
		s.page, s.next = page, 0
	}
	d := &s.page.docs[s.next]
	s.next++
	s.head, s.text, s.ok = s.r.entry(d), d.Text, true
	return nil
}

// meet goes through the documents of two readers by their versions. Both calls
// missing for a document of the source that the target does not have as it is,
// and extra for one of the target whose version the source does not give it.
// What is kept in memory is a page of each, and of a version of many documents
// the target's ids.
func meet(ctx context.Context, source, target *reader, missing func(Entry, []byte) error, extra func(Entry) error) (err error) {
	a, b := openStream(ctx, source), openStream(ctx, target)
	defer a.close()
	defer b.close()
	if err = errors.Join(a.advance(), b.advance()); err != nil {
		return err
	}
	for a.ok || b.ok {
		switch {
		case !b.ok || a.ok && a.head.Version < b.head.Version:
			err = missing(a.head, a.text)
			err = errors.Join(err, a.advance())
		case !a.ok || b.head.Version < a.head.Version:
			err = extra(b.head)
			err = errors.Join(err, b.advance())
		default:
			err = meetVersion(a, b, missing, extra)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// held is what the target has of a document.
type held struct {
	content uint64
	foreign bool
}

// meetVersion goes through the documents of one version.
func meetVersion(a, b *stream, missing func(Entry, []byte) error, extra func(Entry) error) error {
	version := a.head.Version
	have := make(map[string]held, 1)
	for b.ok && b.head.Version == version {
		have[string(b.head.ID)] = held{b.head.Content, b.head.Foreign}
		if err := b.advance(); err != nil {
			return err
		}
	}
	for a.ok && a.head.Version == version {
		h, there := have[string(a.head.ID)]
		delete(have, string(a.head.ID))
		if !there || h.content != a.head.Content || h.foreign != a.head.Foreign {
			if err := missing(a.head, a.text); err != nil {
				return err
			}
		}
		if err := a.advance(); err != nil {
			return err
		}
	}
	for id, h := range have {
		if err := extra(Entry{ID: []byte(id), Version: version, Content: h.content, Foreign: h.foreign}); err != nil {
			return err
		}
	}
	return nil
}
