package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	index = "things" // where writers and searchers work
	cycle = "cycle"  // made, filled and deleted over and over
)

// document is a document as the model has it.
type document = map[string]any

// workload is everybody who uses the fleet, and what they know of it.
type workload struct {
	fleet  *fleet
	opts   options
	record *record
	ask    *asker

	began, ended time.Time
	stop         chan struct{}
	cancel       context.CancelFunc
	clients      sync.WaitGroup
	writers      []*writer
	keepers      []*keeper
	cycler       *cycler
	tuner        *tuner
	swapper      *swapper
	sharers      []*sharer
	history      history
	watched      sync.WaitGroup
	quietAfter   time.Duration
	verdict      verdict
}

func newWorkload(f *fleet, o options) *workload {
	w := &workload{fleet: f, opts: o, record: newRecord(o.log), ask: newAsker(f.gateway.url, masterKey), stop: make(chan struct{})}
	w.ask.presence = f.presence
	for i := range 3 {
		w.writers = append(w.writers, newWriter(w, fmt.Sprintf("churn%d", i), index, seeded(o.seed, 10+i)))
	}
	for i := range 2 {
		w.keepers = append(w.keepers, newKeeper(w, fmt.Sprintf("keep%d", i), seeded(o.seed, 20+i)))
	}
	w.cycler = newCycler(w, seeded(o.seed, 30))
	w.tuner = newTuner(w, seeded(o.seed, 40))
	w.swapper = newSwapper(w, seeded(o.seed, 60))
	for i := range 3 {
		w.sharers = append(w.sharers, newSharer(w, i, seeded(o.seed, 70+i)))
	}
	return w
}

// prepare makes the indexes with the settings that the workload needs.
func (w *workload) prepare(ctx context.Context) error {
	features := w.ask.ask(ctx, "PATCH", "/experimental-features", map[string]bool{"editDocumentsByFunction": true})
	if features.err != nil || features.status != http.StatusOK {
		return fmt.Errorf("prepare: %s", features)
	}
	for _, step := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/indexes", map[string]any{"uid": index, "primaryKey": "id"}},
		{"POST", "/indexes", map[string]any{"uid": registers, "primaryKey": "id"}},
		{"POST", "/indexes", map[string]any{"uid": left, "primaryKey": "id"}},
		{"POST", "/indexes", map[string]any{"uid": right, "primaryKey": "id"}},
		{"PATCH", "/indexes/" + index + "/settings", map[string]any{
			"filterableAttributes": []string{"id", "owner", "batch", "n"}, "sortableAttributes": []string{"n"},
			"searchableAttributes": []string{"word"}, "pagination": map[string]any{"maxTotalHits": 100_000}}},
	} {
		a := w.ask.ask(ctx, step.method, step.path, step.body, "X-Miroir-Wait", "20s")
		var task struct{ Status string }
		if err := a.into(&task); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		if task.Status != "succeeded" {
			return fmt.Errorf("prepare: %s", a)
		}
	}
	return nil
}

// start sets everybody to work.
func (w *workload) start(ctx context.Context) {
	w.began = time.Now()
	w.history.began = w.began
	for _, c := range w.writers {
		w.clients.Go(func() { c.run(ctx) })
	}
	for _, k := range w.keepers {
		w.clients.Go(func() { k.run(ctx) })
	}
	w.clients.Go(func() { w.cycler.run(ctx) })
	w.clients.Go(func() { w.tuner.run(ctx) })
	w.clients.Go(func() { w.swapper.run(ctx) })
	for _, c := range w.sharers {
		w.clients.Go(func() { c.run(ctx) })
	}
	ctx, w.cancel = context.WithCancel(ctx)
	for i := range 2 {
		s := &searcher{w: w, rng: seeded(w.opts.seed, 50+i)}
		w.watched.Go(func() { s.run(ctx) })
	}
	w.watched.Go(func() { w.watchTasks(ctx) })
}

// finish lets writers end what they began, and searchers work while they do.
func (w *workload) finish() {
	w.ended = time.Now()
	close(w.stop)
	w.clients.Wait()
}

func (w *workload) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// watchTasks remembers how tasks are seen to end.
func (w *workload) watchTasks(ctx context.Context) {
	for sleep(ctx, 200*time.Millisecond) {
		var page taskPage
		a := w.ask.ask(ctx, "GET", "/tasks?limit=200", nil)
		if a.into(&page) != nil {
			continue
		}
		for _, t := range page.Results {
			w.record.status(t.UID, t.Status, a.began)
		}
	}
}

// taskPage is a list of tasks, as far as anything here looks at it.
type taskPage struct {
	Results []struct {
		UID    int64
		Status string
	}
	Total int
	Next  *int64
}
