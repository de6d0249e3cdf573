package minimeili

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// exportedIndex is what the details of an export tell of an index.
type exportedIndex struct {
	Filter    json.RawMessage `json:"filter"`
	Overrides bool            `json:"overrideSettings"`
	Matched   *int            `json:"matchedDocuments"`
}

// exportDetails are the details of an export; matched is what was sent.
func exportDetails(p *request.Export, matched map[string]exportedIndex) *details {
	d := &details{URL: &p.URL, PayloadSize: p.PayloadText}
	if p.APIKey != nil {
		hidden := settings.HideSecret(*p.APIKey, 0)
		d.APIKey = &hidden
	}
	if matched == nil {
		matched = map[string]exportedIndex{}
		for _, ix := range p.Indexes {
			matched[ix.Pattern] = exportedIndex{Filter: ix.Filter, Overrides: ix.OverrideSettings}
		}
	}
	text, err := meili.Marshal(matched)
	if err != nil { // plain types and JSON that was parsed before
		panic(err)
	}
	d.Indexes = text
	return d
}

// export sends indexes to another server, the way a client would.
func (w *work) export(t *task) *meili.Error {
	p := t.Op.Export
	patterns := p.Indexes
	if len(patterns) == 0 {
		patterns = []request.ExportIndex{{Pattern: "*"}}
	}
	matched := map[string]exportedIndex{}
	for _, uid := range w.uids(func(string) bool { return true }) {
		for _, wanted := range patterns {
			if !matchPattern(wanted.Pattern, uid) {
				continue
			}
			n, err := w.exportIndex(p, wanted, w.indexes[uid])
			if err != nil {
				return meili.NewError("internal", "Error while exporting: %v", err)
			}
			matched[uid] = exportedIndex{Filter: wanted.Filter, Overrides: wanted.OverrideSettings, Matched: &n}
			break
		}
	}
	w.outcomes[t.UID].Details = exportDetails(p, matched)
	return nil
}

func (w *work) exportIndex(p *request.Export, wanted request.ExportIndex, ix *index) (int, error) {
	target := "/indexes/" + ix.uid
	create := map[string]any{"uid": ix.uid, "primaryKey": ix.view().PrimaryKey}
	status, err := w.ask(p, http.MethodGet, target, nil)
	if err != nil {
		return 0, err
	}
	if status == http.StatusNotFound {
		if err := w.tell(p, http.MethodPost, "/indexes", create); err != nil {
			return 0, err
		}
	}
	if status == http.StatusNotFound || wanted.OverrideSettings {
		if err := w.tell(p, http.MethodPatch, target+"/settings", ix.engine.Settings().Raw()); err != nil {
			return 0, err
		}
	}
	page, refused := ix.engine.Fetch(&request.DocumentsFetch{
		Limit: ix.engine.Len(), Filter: wanted.Filter, RetrieveVectors: len(ix.engine.Settings().Embedders()) > 0,
	})
	if refused != nil {
		return 0, refused
	}
	const chunk = 1000
	for from := 0; from < len(page.Results); from += chunk {
		part := page.Results[from:min(from+chunk, len(page.Results))]
		if err := w.sendDocuments(p, target+"/documents", part); err != nil {
			return 0, err
		}
	}
	return len(page.Results), nil
}

func (w *work) sendDocuments(p *request.Export, path string, docs []json.RawMessage) error {
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	for _, doc := range docs {
		_, _ = zipped.Write(append(doc[:len(doc):len(doc)], '\n')) // a buffer takes everything
	}
	if err := zipped.Close(); err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/x-ndjson"}, "Content-Encoding": {"gzip"}}
	return expectAccepted(w.send(p, http.MethodPost, path, header, &b))
}

// tell sends JSON that has to be accepted.
func (w *work) tell(p *request.Export, method, path string, v any) error {
	return expectAccepted(w.ask(p, method, path, v))
}

func expectAccepted(status int, err error) error {
	if err == nil && status >= http.StatusMultipleChoices {
		err = fmt.Errorf("the other server answers %d", status)
	}
	return err
}

func (w *work) ask(p *request.Export, method, path string, v any) (int, error) {
	if v == nil {
		return w.send(p, method, path, http.Header{}, nil)
	}
	text, err := meili.Marshal(v)
	if err != nil {
		return 0, err
	}
	return w.send(p, method, path, http.Header{"Content-Type": {"application/json"}}, bytes.NewReader(text))
}

func (w *work) send(p *request.Export, method, path string, header http.Header, body io.Reader) (int, error) {
	r, err := http.NewRequestWithContext(w.life, method, strings.TrimRight(p.URL, "/")+path, body)
	if err != nil {
		return 0, err
	}
	r.Header = header
	if p.APIKey != nil {
		r.Header.Set("Authorization", "Bearer "+*p.APIKey)
	}
	r.Close = true
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	return response.StatusCode, err
}
