package minimeili

import (
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/test/minimeili/rhai"
)

func (c *call) listDocuments() (answer, *meili.Error) {
	p, err := request.ParseDocumentsQuery(c.r.URL.RawQuery)
	if err != nil {
		return refuse(err)
	}
	return c.documentsPage(p)
}

func (c *call) fetchDocuments() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseDocumentsFetch(body)
	if err != nil {
		return refuse(err)
	}
	return c.documentsPage(p)
}

func (c *call) documentsPage(p *request.DocumentsFetch) (answer, *meili.Error) {
	if p.UseNetwork != nil {
		if err := c.need("network", "passing `useNetwork` in a search query"); err != nil {
			return refuse(err)
		}
	}
	ix, err := c.pathIndex()
	if err != nil {
		return refuse(err)
	}
	page, err := ix.engine.Fetch(p)
	if err != nil {
		return refuse(err)
	}
	return ok(page)
}

func (c *call) getDocument() (answer, *meili.Error) {
	p, err := request.ParseDocumentQuery(c.r.URL.RawQuery)
	if err != nil {
		return refuse(err)
	}
	ix, err := c.pathIndex()
	if err != nil {
		return refuse(err)
	}
	doc, found := ix.engine.Get(c.params[1], p.Fields, p.RetrieveVectors)
	if !found {
		return refuse(meili.DocumentNotFound(c.params[1]))
	}
	return ok(doc)
}

func (c *call) addDocuments() (answer, *meili.Error) {
	p, err := request.ParseDocuments(c.r.URL.RawQuery)
	if err != nil {
		return refuse(err)
	}
	uid, err := c.indexUID()
	if err != nil {
		return refuse(err)
	}
	format, err := request.DocumentFormat(c.r.Header, p)
	if err != nil {
		return refuse(err)
	}
	body, err := c.body()
	if err != nil {
		return refuse(err)
	}
	documents, n, err := readDocuments(format, p.CSVDelimiter, body)
	if err != nil {
		return refuse(err)
	}
	op := operation{
		Kind: replaceDocuments, PrimaryKey: p.PrimaryKey, Documents: documents, Count: n,
		SkipCreation: p.SkipCreation, CreatesIndex: c.grant.creates(uid),
	}
	if c.r.Method == http.MethodPut {
		op.Kind = updateDocuments
	}
	return c.accepted(http.StatusAccepted, &uid, p.CustomMetadata, op)
}

// onDocuments enqueues a change of documents other than an addition.
func (c *call) onDocuments(op operation) (answer, *meili.Error) {
	metadata, err := request.ParseCustomMetadata(c.r.URL.RawQuery)
	if err != nil {
		return refuse(err)
	}
	uid, err := c.indexUID()
	if err != nil {
		return refuse(err)
	}
	return c.accepted(http.StatusAccepted, &uid, metadata, op)
}

func (c *call) clearDocuments() (answer, *meili.Error) {
	return c.onDocuments(operation{Kind: clearDocuments})
}

func (c *call) deleteDocument() (answer, *meili.Error) {
	return c.onDocuments(operation{Kind: deleteDocuments, IDs: []string{c.params[1]}})
}

func (c *call) deleteBatch() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	ids, err := request.ParseDeleteBatch(body)
	if err != nil {
		return refuse(err)
	}
	return c.onDocuments(operation{Kind: deleteDocuments, IDs: ids})
}

func (c *call) deleteByFilter() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	filter, err := request.ParseDeleteByFilter(body)
	if err != nil {
		return refuse(err)
	}
	return c.onDocuments(operation{Kind: deleteByFilter, Filter: filter})
}

func (c *call) editDocuments() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseEdit(body)
	if err != nil {
		return refuse(err)
	}
	if err := c.need("editDocumentsByFunction", "Using the documents edit route"); err != nil {
		return refuse(err)
	}
	if _, err := rhai.Compile(p.Function); err != nil {
		return refuse(meili.NewError("bad_request", "%v", err))
	}
	return c.onDocuments(operation{Kind: editDocuments, Function: p.Function, Filter: p.Filter, Context: p.Context})
}
