package task

import (
	"math"
	"slices"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

func uidText(uid uint32) string { return strconv.FormatUint(uint64(uid), 10) }

// page collects one page: the uids shown, and the one after them.
type page struct {
	q     *request.Tasks
	uids  []uint32
	next  *uint32
	total int
}

// offer counts a number that matches, and takes it if it is in the page's range.
func (p *page) offer(n uint32, shown bool) {
	p.total++
	if shown && p.next == nil && p.inRange(n) {
		if uint64(len(p.uids)) < uint64(p.q.Limit) {
			p.uids = append(p.uids, n)
		} else {
			p.next = &n
		}
	}
}

func (p *page) inRange(n uint32) bool {
	switch {
	case p.q.From == nil:
		return true
	case p.q.Reverse:
		return n >= *p.q.From
	}
	return n <= *p.q.From
}

// from is the first number of the page.
func (p *page) from() *uint32 {
	if len(p.uids) == 0 {
		return nil
	}
	return &p.uids[0]
}

// List gives a page of tasks. visible says which indexes' tasks may be seen; nil
// means all. As on the server, the total counts what may not be seen as well.
func (t *Table) List(q request.Tasks, visible func(index string) bool) (meili.TaskPage, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p := t.pick(&q, visible)
	out := meili.TaskPage{Results: make([]meili.Task, 0, len(p.uids)), Total: p.total, Limit: q.Limit, From: p.from(), Next: p.next}
	for _, uid := range p.uids {
		task, err := t.task(uid)
		if err != nil {
			return meili.TaskPage{}, err
		}
		out.Results = append(out.Results, task.View())
	}
	return out, nil
}

func (t *Table) pick(q *request.Tasks, visible func(index string) bool) *page {
	m := t.matcher(&q.TaskFilter, visible)
	p := &page{q: q}
	if m.uids != nil {
		for _, uid := range t.askedFor(q) {
			if r := t.rows.get(uid); r != nil && m.match(uid, r) {
				p.offer(uid, m.shows(r))
			}
		}
		return p
	}
	everything := m.everything()
	var from *uint32
	if everything { // else all are counted
		from = q.From
	}
	t.rows.each(q.Reverse, from, func(uid uint32, r *row) bool {
		if everything || m.match(uid, r) {
			p.offer(uid, m.shows(r))
		}
		// Nothing more to learn once the page is full and the total known.
		return !everything || p.next == nil
	})
	if everything {
		p.total = t.rows.count
	}
	return p
}

// askedFor gives the uids of a filter, once each, in the order of the list.
func (t *Table) askedFor(q *request.Tasks) []uint32 {
	uids := slices.Clone(q.UIDs)
	slices.Sort(uids)
	uids = slices.Compact(uids)
	if !q.Reverse {
		slices.Reverse(uids)
	}
	return uids
}

// all gives the uids of the tasks that a filter chooses and who asks may see.
func (t *Table) all(f *request.TaskFilter, visible func(index string) bool) []uint32 {
	return t.pick(&request.Tasks{TaskFilter: *f, Limit: math.MaxUint32, Reverse: true}, visible).uids
}
