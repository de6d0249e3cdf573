package request

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
)

// starList reads a parameter that is a list; a star in it stands for all.
func starList[S any](at func(*S) *[]string) func(*S, decode.In) *meili.Error {
	return func(s *S, in decode.In) *meili.Error {
		list := in.Split()
		if slices.Contains(list, "*") {
			list = nil
		}
		*at(s) = list
		return nil
	}
}

// readBoolQuirk is how the server reads useNetwork in query strings of document
// routes: it wants a boolean where only text can be, and so refuses any.
func readBoolQuirk(in decode.In, _ **bool) *meili.Error { return in.WrongKind(decode.Bool) }

type fetchField = decode.Field[DocumentsFetch]

var fetchQueryFields = decode.NewFields(
	fetchField{Name: "offset", Code: "invalid_document_offset",
		Read: value(func(d *DocumentsFetch) *int { return &d.Offset }, paramInt)},
	fetchField{Name: "limit", Code: "invalid_document_limit",
		Read: value(func(d *DocumentsFetch) *int { return &d.Limit }, paramInt)},
	fetchField{Name: "fields", Code: "invalid_document_fields",
		Read: starList(func(d *DocumentsFetch) *[]string { return &d.Fields })},
	fetchField{Name: "retrieveVectors", Code: "invalid_document_retrieve_vectors",
		Read: value(func(d *DocumentsFetch) *bool { return &d.RetrieveVectors }, paramBool)},
	fetchField{Name: "ids", Code: "invalid_document_ids",
		Read: split(func(d *DocumentsFetch) *[]string { return &d.IDs })},
	fetchField{Name: "filter", Code: "invalid_document_filter",
		Read: func(d *DocumentsFetch, in decode.In) *meili.Error { d.Filter = paramFilter(in); return nil }},
	fetchField{Name: "sort", Code: "invalid_document_sort",
		Read: func(d *DocumentsFetch, in decode.In) *meili.Error { d.Sort = paramSort(in.Value.Text); return nil }},
	fetchField{Name: "useNetwork", Code: "invalid_document_use_network",
		Read: value(func(d *DocumentsFetch) **bool { return &d.UseNetwork }, readBoolQuirk)},
)

// ParseDocumentsQuery reads the query string of a page of documents.
func ParseDocumentsQuery(rawQuery string) (*DocumentsFetch, *meili.Error) {
	d, err := parseQuery(rawQuery, fetchQueryFields, DocumentsFetch{Limit: DefaultLimit})
	if err != nil {
		return nil, err
	}
	for i, id := range d.IDs {
		if !ValidDocumentID(id) {
			return nil, badID(i, decode.StringValue(id))
		}
	}
	return d, nil
}

var fetchBodyFields = decode.NewFields(
	fetchField{Name: "offset", Code: "invalid_document_offset",
		Read: value(func(d *DocumentsFetch) *int { return &d.Offset }, readInt)},
	fetchField{Name: "limit", Code: "invalid_document_limit",
		Read: value(func(d *DocumentsFetch) *int { return &d.Limit }, readInt)},
	fetchField{Name: "fields", Code: "invalid_document_fields", Read: func(d *DocumentsFetch, in decode.In) *meili.Error {
		if in.Null() {
			d.Fields = nil
			return nil
		}
		return in.Strings(&d.Fields)
	}},
	fetchField{Name: "retrieveVectors", Code: "invalid_document_retrieve_vectors",
		Read: value(func(d *DocumentsFetch) *bool { return &d.RetrieveVectors }, readBool)},
	fetchField{Name: "ids", Code: "invalid_document_ids", Read: readIDs},
	fetchField{Name: "filter", Code: "invalid_document_filter",
		Read: raw(func(d *DocumentsFetch) *json.RawMessage { return &d.Filter })},
	fetchField{Name: "sort", Code: "invalid_document_sort",
		Read: list(func(d *DocumentsFetch) *[]string { return &d.Sort })},
	fetchField{Name: "useNetwork", Code: "invalid_document_use_network",
		Read: option(func(d *DocumentsFetch) **bool { return &d.UseNetwork }, readBool)},
)

// ParseDocumentsFetch reads the body of a page of documents.
func ParseDocumentsFetch(body []byte) (*DocumentsFetch, *meili.Error) {
	d, err := parse(body, fetchBodyFields, DocumentsFetch{Limit: DefaultLimit})
	if err != nil {
		return nil, err
	}
	for i, id := range d.sentIDs {
		text, ok := documentID(&id)
		if !ok {
			return nil, badID(i, id)
		}
		d.IDs = append(d.IDs, text)
	}
	d.sentIDs = nil
	return d, nil
}

// readIDs only checks that ids are a list: what they are is looked at when all
// fields have been read.
func readIDs(d *DocumentsFetch, in decode.In) *meili.Error {
	d.IDs, d.sentIDs = nil, nil
	if in.Null() {
		return nil
	}
	if in.Value.Kind != decode.Array {
		return in.WrongKind(decode.Array)
	}
	d.IDs, d.sentIDs = []string{}, in.Value.Elems
	return nil
}

func badID(i int, id decode.Value) *meili.Error {
	return meili.NewError("invalid_document_ids", "In `.ids[%d]`: %s", i, meili.DocumentIDMessage(string(id.JSON())))
}

// documentID gives the text of an id, if the value can be one.
func documentID(v *decode.Value) (string, bool) {
	switch v.Kind {
	case decode.String:
		return v.Text, ValidDocumentID(v.Text)
	case decode.Integer, decode.Negative:
		return string(v.JSON()), true
	}
	return "", false
}

// ValidDocumentID says whether a text can be a document's id.
func ValidDocumentID(id string) bool {
	if id == "" || len(id) > 511 {
		return false
	}
	for _, c := range []byte(id) {
		if !isUIDByte(c) {
			return false
		}
	}
	return true
}

var documentFields = decode.NewFields(
	decode.Field[Document]{Name: "fields", Code: "invalid_document_fields",
		Read: starList(func(d *Document) *[]string { return &d.Fields })},
	decode.Field[Document]{Name: "retrieveVectors", Code: "invalid_document_retrieve_vectors",
		Read: value(func(d *Document) *bool { return &d.RetrieveVectors }, paramBool)},
	decode.Field[Document]{Name: "useNetwork", Code: "invalid_document_use_network",
		Read: func(_ *Document, in decode.In) *meili.Error { return in.WrongKind(decode.Bool) }},
)

// ParseDocumentQuery reads the query string of one document.
func ParseDocumentQuery(rawQuery string) (*Document, *meili.Error) {
	return parseQuery(rawQuery, documentFields, Document{})
}

var documentsFields = decode.NewFields(
	decode.Field[Documents]{Name: "primaryKey", Code: "invalid_index_primary_key",
		Read: option(func(d *Documents) **string { return &d.PrimaryKey }, readString)},
	decode.Field[Documents]{Name: "csvDelimiter", Code: "invalid_document_csv_delimiter", Read: readDelimiter},
	decode.Field[Documents]{Name: "customMetadata", Code: "invalid_index_custom_metadata",
		Read: option(func(d *Documents) **string { return &d.CustomMetadata }, readString)},
	decode.Field[Documents]{Name: "skipCreation", Code: "invalid_skip_creation",
		Read: func(d *Documents, in decode.In) *meili.Error {
			switch {
			case strings.EqualFold(in.Value.Text, "true"):
				d.SkipCreation = true
			case strings.EqualFold(in.Value.Text, "false"):
				d.SkipCreation = false
			default:
				return meili.NewError("invalid_skip_creation", "skipCreation must be either `true` or `false`. Found: `%s`",
					in.Value.Text)
			}
			return nil
		}},
)

func readDelimiter(d *Documents, in decode.In) *meili.Error {
	text := []rune(in.Value.Text)
	switch {
	case len(text) == 0:
		return in.Invalid("expected a string of one character, but found an empty string")
	case len(text) > 1:
		return in.Invalid("expected a string of one character, but found the following string of " +
			strconv.Itoa(len(text)) + " characters: `" + in.Value.Text + "`")
	case text[0] > 127:
		return meili.NewError("invalid_document_csv_delimiter",
			"csv delimiter must be an ascii character. Found: `%s`", in.Value.Text)
	}
	d.CSVDelimiter, d.hasDelimiter = byte(text[0]), true
	return nil
}

// ParseDocuments reads the query string of a write of documents.
func ParseDocuments(rawQuery string) (*Documents, *meili.Error) {
	return parseQuery(rawQuery, documentsFields, Documents{})
}

var metadataFields = decode.NewFields(decode.Field[*string]{
	Name: "customMetadata", Code: "invalid_index_custom_metadata",
	Read: option(func(s **string) **string { return s }, readString),
})

// ParseCustomMetadata reads the query string of a deletion or an edition.
func ParseCustomMetadata(rawQuery string) (*string, *meili.Error) {
	metadata, err := parseQuery[*string](rawQuery, metadataFields, nil)
	if err != nil {
		return nil, err
	}
	return *metadata, nil
}

// ParseDeleteBatch reads the ids to delete; numbers become their text.
func ParseDeleteBatch(body []byte) ([]string, *meili.Error) {
	// The server reads this list by other means than its other bodies, and stops
	// at the first character of what is no list.
	v, err := decode.ParseBody(body)
	if wrong := notSequence(body); wrong != "" {
		return nil, meili.NewError("bad_request", "%s", "Json deserialize error: "+wrong)
	}
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(v.Elems))
	for i := range v.Elems {
		if ids[i] = v.Elems[i].Text; v.Elems[i].Kind != decode.String {
			ids[i] = string(v.Elems[i].JSON())
		}
	}
	return ids, nil
}

// notSequence tells what a body begins with that is not a list.
func notSequence(body []byte) string {
	text := strings.TrimLeft(string(body), " \n\t\r")
	if text == "" || text[0] == '[' {
		return ""
	}
	v, end, err := decode.Prefix([]byte(text))
	if err != nil && text[0] != '{' {
		return ""
	}
	before := string(body[:len(body)-len(text)])
	at := before
	found := ""
	switch {
	case text[0] == '{':
		found = "map"
	case v.Kind == decode.Null:
		found, at = "null", before+text[:end]
	case v.Kind == decode.Bool:
		found, at = "boolean `"+string(v.JSON())+"`", before+text[:end]
	case v.Kind == decode.String:
		found, at = "string "+decode.Debug(v.Text), before+text[:end]
	case v.Kind == decode.Float:
		found, at = "floating point `"+string(v.JSON())+"`", before+text[:end]
	default:
		found, at = "integer `"+string(v.JSON())+"`", before+text[:end]
	}
	line := 1 + strings.Count(at, "\n")
	column := len(at) - strings.LastIndexByte(at, '\n') - 1
	return "invalid type: " + found + ", expected a sequence at line " + strconv.Itoa(line) + " column " + strconv.Itoa(column)
}

var deleteFields = decode.NewFields(decode.Field[json.RawMessage]{
	Name: "filter", Code: "invalid_document_filter", Missing: "missing_document_filter",
	Read: func(f *json.RawMessage, in decode.In) *meili.Error { *f = in.Value.JSON(); return nil },
})

// ParseDeleteByFilter reads the filter of the documents to delete. Its syntax is
// checked; whether features it needs are on, filter.Expr.Allowed tells.
func ParseDeleteByFilter(body []byte) (json.RawMessage, *meili.Error) {
	raw, err := parse[json.RawMessage](body, deleteFields, nil)
	if err != nil {
		return nil, err
	}
	return *raw, needFilter(*raw)
}

// needFilter refuses a filter that says nothing or is no filter.
func needFilter(raw json.RawMessage) *meili.Error {
	if string(raw) == "null" {
		return meili.NewError("invalid_document_filter",
			"Invalid syntax for the filter parameter: `expected String, Array, found: null`.")
	}
	expr, err := filter.ParseAs("invalid_document_filter", raw)
	if err == nil && expr == nil {
		err = meili.NewError("invalid_document_filter", "Sending an empty filter is forbidden.")
	}
	return err
}

// sentEdit is an edition whose context may still be anything.
type sentEdit struct {
	Edit
	context *decode.Value
}

var editFields = decode.NewFields(
	decode.Field[sentEdit]{Name: "filter", Code: "invalid_document_filter",
		Read: raw(func(e *sentEdit) *json.RawMessage { return &e.Filter })},
	decode.Field[sentEdit]{Name: "context", Code: "invalid_document_edition_context",
		Read: func(e *sentEdit, in decode.In) *meili.Error { e.context = in.Value; return nil }},
	decode.Field[sentEdit]{Name: "function", Code: "invalid_document_edition_function_filter",
		Missing: "missing_document_edition_function",
		Read:    value(func(e *sentEdit) *string { return &e.Function }, readString)},
)

// ParseEdit reads the body of an edition by function. Whether the function can
// be compiled only a node can tell.
func ParseEdit(body []byte) (*Edit, *meili.Error) {
	e, err := parse(body, editFields, sentEdit{})
	if err != nil {
		return nil, err
	}
	if e.Filter != nil {
		if err := needFilter(e.Filter); err != nil {
			return nil, err
		}
	}
	if e.context != nil && e.context.Kind != decode.Null {
		if e.context.Kind != decode.Object {
			return nil, meili.NewError("invalid_document_edition_context", "The context must be an object")
		}
		e.Context = e.context.JSON()
	}
	return &e.Edit, nil
}
