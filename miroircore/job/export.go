package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/task"
)

const (
	defaultPayload = 20 << 20
	exportTimeout  = 5 * time.Minute
)

// exportDetails are the details of an export's task.
type exportDetails struct {
	URL         string                 `json:"url"`
	APIKey      *string                `json:"apiKey,omitempty"`
	PayloadSize *string                `json:"payloadSize,omitempty"`
	Indexes     map[string]exportIndex `json:"indexes"`
}

// exportIndex is the part of the details about one index or pattern.
type exportIndex struct {
	Filter           json.RawMessage `json:"filter"`
	OverrideSettings bool            `json:"overrideSettings"`
	MatchedDocuments *int            `json:"matchedDocuments,omitempty"`
}

// Export copies indexes to another server, through that server's own API.
func (r *Runner) Export(e *request.Export) (task.Task, error) {
	for _, wanted := range e.Indexes {
		if wanted.Filter != nil {
			return task.Task{}, meili.NewError("miroir_not_supported",
				"Exporting by filter is not available behind Miroir. Export the whole index, and delete what is not wanted there.")
		}
	}
	details := exportDetails{URL: e.URL, PayloadSize: e.PayloadText, Indexes: map[string]exportIndex{}}
	if e.APIKey != nil {
		hidden := settings.HideSecret(*e.APIKey, 0)
		details.APIKey = &hidden
	}
	for _, wanted := range e.Indexes {
		details.Indexes[wanted.Pattern] = exportIndex{Filter: json.RawMessage("null"), OverrideSettings: wanted.OverrideSettings}
	}
	return r.start(meili.TypeExport, details, func(ctx context.Context) (any, error) {
		done := details
		done.Indexes = map[string]exportIndex{}
		err := r.export(ctx, e, done.Indexes)
		return done, err
	})
}

func (r *Runner) export(ctx context.Context, e *request.Export, done map[string]exportIndex) error {
	base, err := url.Parse(e.URL)
	if err != nil {
		return fmt.Errorf("export to %s: %w", e.URL, err)
	}
	transport := node.Transport()
	transport.DialContext, transport.Proxy = r.Dial, nil // a proxy would reach what this must not
	defer transport.CloseIdleConnections()
	keys := func() []string {
		if e.APIKey == nil {
			return nil
		}
		return []string{*e.APIKey}
	}
	target := node.New("export", base, keys, transport)
	for _, ix := range r.Catalog.List() {
		override, wanted := matching(e, ix.UID)
		if !wanted {
			continue
		}
		count, err := r.exportIndex(ctx, target, ix, override, payloadSize(e))
		if err != nil {
			return fmt.Errorf("export index %s: %w", ix.UID, err)
		}
		done[ix.UID] = exportIndex{Filter: json.RawMessage("null"), OverrideSettings: override, MatchedDocuments: &count}
	}
	return nil
}

func payloadSize(e *request.Export) int {
	if e.PayloadSize != nil && *e.PayloadSize > 0 {
		return int(*e.PayloadSize)
	}
	return defaultPayload
}

// matching finds the first pattern an index falls under; no pattern at all
// means every index.
func matching(e *request.Export, uid string) (override, wanted bool) {
	for _, i := range e.Indexes {
		if ok, err := path.Match(i.Pattern, uid); err == nil && ok {
			return i.OverrideSettings, true
		}
	}
	return false, len(e.Indexes) == 0
}

func (r *Runner) exportIndex(ctx context.Context, target *node.Client, ix *index.Index, override bool, chunk int) (int, error) {
	made, err := createOn(ctx, target, ix)
	if err != nil {
		return 0, err
	}
	if made || override {
		if err := enqueue(ctx, target, http.MethodPatch, "/indexes/"+ix.UID+"/settings", node.JSON(ix.Settings.Raw())); err != nil {
			return 0, err
		}
	}
	count := 0
	var waiting bytes.Buffer
	send := func() error {
		if waiting.Len() == 0 {
			return nil
		}
		lines := bytes.Clone(waiting.Bytes())
		waiting.Reset()
		return enqueue(ctx, target, http.MethodPost, "/indexes/"+ix.UID+"/documents", &node.Body{
			ContentType: "application/x-ndjson", Length: int64(len(lines)),
			Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(lines)) },
		})
	}
	err = r.documents(ctx, ix, func(document []byte) error {
		count++
		waiting.Write(document)
		waiting.WriteByte('\n')
		if waiting.Len() >= chunk {
			return send()
		}
		return nil
	})
	return count, errors.Join(err, send())
}

// createOn makes the index on the target where it is not there.
func createOn(ctx context.Context, target *node.Client, ix *index.Index) (made bool, err error) {
	if _, err = target.Index(ctx, ix.UID); err == nil {
		return false, nil
	}
	if answer := node.AnswerOf(err); answer == nil || answer.Status != http.StatusNotFound {
		return false, err
	}
	var primaryKey *string
	if ix.PrimaryKey != "" {
		primaryKey = &ix.PrimaryKey
	}
	body, err := json.Marshal(map[string]any{"uid": ix.UID, "primaryKey": primaryKey})
	if err != nil {
		return false, err
	}
	return true, enqueue(ctx, target, http.MethodPost, "/indexes", node.JSON(body))
}

// enqueue sends a write to the target and waits for its task.
func enqueue(ctx context.Context, target *node.Client, method, where string, body *node.Body) error {
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	queued, err := target.Enqueue(ctx, method, where, body)
	if err != nil {
		return err
	}
	done, err := target.Wait(ctx, queued.TaskUID)
	if err != nil {
		return err
	}
	if done.Error != nil {
		return done.Error
	}
	return nil
}
