package webhook

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/task"
)

const (
	// backlog is how many batches of tasks may wait for delivery; what comes
	// while it is full is dropped and logged, so that a dead address holds
	// nothing up.
	backlog  = 1024
	attempts = 3
	timeout  = 10 * time.Second
)

// Sender tells webhooks of tasks that ended. It has one goroutine, from Start to
// Close.
type Sender struct {
	book   *Book
	client *http.Client
	logger *slog.Logger
	queue  chan []task.Task
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Start begins to deliver, over connections that dial makes.
func Start(book *Book, dial func(ctx context.Context, network, address string) (net.Conn, error), logger *slog.Logger) *Sender {
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute}
	s := &Sender{book: book, logger: logger, queue: make(chan []task.Task, backlog), cancel: cancel,
		client: &http.Client{Transport: transport, Timeout: timeout}}
	s.done.Go(func() { s.run(ctx) })
	return s
}

// Close stops delivering; what is still queued is dropped.
func (s *Sender) Close() {
	s.cancel()
	s.done.Wait()
	s.client.CloseIdleConnections()
}

// Ended takes tasks that ended. It never blocks.
func (s *Sender) Ended(tasks []task.Task) {
	if len(s.book.all()) == 0 {
		return
	}
	select {
	case s.queue <- tasks:
	default:
		s.logger.Warn("webhooks are too slow: tasks are not delivered", "tasks", len(tasks))
	}
}

func (s *Sender) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case tasks := <-s.queue:
			s.deliver(ctx, tasks)
		}
	}
}

// deliver sends one batch to every webhook.
func (s *Sender) deliver(ctx context.Context, tasks []task.Task) {
	body, err := lines(tasks)
	if err != nil {
		s.logger.Error("tasks cannot be written for webhooks", "error", err)
		return
	}
	for id, h := range s.book.all() {
		for attempt := 1; ; attempt++ {
			if err = s.post(ctx, h, body); err == nil || ctx.Err() != nil {
				break
			}
			if attempt == attempts {
				s.logger.Warn("webhook was not delivered", "webhook", id, "error", err)
				break
			}
		}
	}
}

// lines writes tasks as gzipped JSON lines.
func lines(tasks []task.Task) ([]byte, error) {
	var body bytes.Buffer
	zip := gzip.NewWriter(&body)
	encoder := json.NewEncoder(zip)
	encoder.SetEscapeHTML(false)
	for _, t := range tasks {
		if err := encoder.Encode(t.View()); err != nil {
			return nil, err
		}
	}
	err := zip.Close()
	return body.Bytes(), err
}

func (s *Sender) post(ctx context.Context, h hook, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Content-Encoding", "gzip")
	for name, value := range h.Headers {
		req.Header.Set(name, value)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the address answered %s", resp.Status)
	}
	return nil
}
