package write

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// edit changes documents by a function.
type edit struct {
	Function string          `json:"function"`
	Filter   json.RawMessage `json:"filter,omitempty"`
	Context  json.RawMessage `json:"context,omitempty"`
}

// edition shows what the nodes' editions come to. The server counts a deleted
// document as edited too.
type edition struct {
	Edited   *uint64         `json:"editedDocuments"`
	Deleted  *uint64         `json:"deletedDocuments"`
	Filter   *string         `json:"originalFilter"`
	Context  json.RawMessage `json:"context"`
	Function string          `json:"function"`
}

// Edit changes the documents that a filter matches by a function in Rhai.
func (w *Writer) Edit(ctx context.Context, call Call, uid string, e *request.Edit) (*Receipt, *meili.Error) {
	if _, err := liftFunctions(e.Function); err != nil {
		return nil, err
	}
	if err := w.compiles(ctx, e.Function); err != nil {
		return nil, err
	}
	a := &edit{e.Function, e.Filter, e.Context}
	return w.submit(ctx, call, w.new(kindEdit, meili.TypeDocumentEdition, a, must(a.details(nil, nil)), uid))
}

// probeIndex is an index that is never made: the server compiles a function
// before it looks for the index, so that its errors can be had without harm.
const probeIndex = "miroir-no-such-index"

// compiles has one node compile the function as the client wrote it, so that an
// error names the client's own lines.
func (w *Writer) compiles(ctx context.Context, function string) *meili.Error {
	body := node.JSON(must(map[string]string{"function": function}))
	for _, g := range w.opts.Topology().Groups {
		for _, n := range g.Nodes {
			client, ok := w.opts.Nodes(n.ID)
			if !ok || !w.usable(n.ID) {
				continue
			}
			_, err := client.Enqueue(ctx, http.MethodPost, indexPath(probeIndex, "/documents/edit"), body)
			var failure *node.Error
			if err == nil {
				return nil
			}
			if errors.As(err, &failure) && failure.Status == http.StatusBadRequest && failure.Answer != nil {
				return failure.Answer
			}
		}
	}
	return nil // nobody can tell: the task will
}

func (a *edit) details(edited, deleted *uint64) edition {
	e := edition{Edited: edited, Deleted: deleted, Context: a.Context, Function: a.Function}
	if a.Filter != nil {
		text := string(a.Filter)
		e.Filter = &text
	}
	return e
}

func (a *edit) manner(*Writer, *operation) manner { return single }

func (a *edit) bind(w *Writer, o *operation) (*binding, error) {
	b := w.everything(o)
	if b.Failure != nil {
		return b, nil
	}
	ix, _ := w.opts.Catalog.Get(o.Indexes[0])
	if a.Filter != nil {
		b.Failure = w.checkFilter(ix, a.Filter, "invalid_document_filter")
	}
	if b.Failure != nil || ix.PrimaryKey == "" { // nothing to edit in an index without a key
		b.Targets = nil
	}
	return b, nil
}

func (a *edit) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	version := string(hidden.AppendVersion(nil, hidden.Version(o.op, 0)))
	function, err := wrapFunction(a.Function, version)
	if err != nil { // refused before it got here
		function = a.Function
	}
	body := must(struct {
		Function string          `json:"function"`
		Filter   json.RawMessage `json:"filter"`
		Context  json.RawMessage `json:"context,omitempty"`
	}{function, guarded(a.Filter, version), a.Context})
	s := o.request(0, http.MethodPost, indexPath(o.bind.Physical, "/documents/edit"), meili.TypeDocumentEdition, body)
	s.Metadata, s.Alone, s.Accept, s.Filtered = true, true, isGone, true
	return []*outbox.Step{s}
}

// guarded adds to a filter that the edit has not run on the document, so that a
// second run does nothing.
func guarded(condition json.RawMessage, version string) json.RawMessage {
	guard := must(hidden.VersionField + " < \"" + version + "\"")
	var list []json.RawMessage
	switch {
	case condition == nil || string(condition) == "null":
		list = []json.RawMessage{guard}
	case json.Unmarshal(condition, &list) == nil:
		list = append(list, guard)
	default:
		list = []json.RawMessage{condition, guard}
	}
	return must(list)
}

func (a *edit) commit(w *Writer, o *operation) (json.RawMessage, error) {
	edited, deleted := w.sum(o, "editedDocuments"), w.sum(o, "deletedDocuments")
	return must(a.details(&edited, &deleted)), w.removed(o)
}

func (a *edit) failed(*operation) json.RawMessage { return must(a.details(&none, nil)) }

// wrapFunction puts the client's function into a closure that sees documents
// without the hidden fields, and puts these back: the shard as it was, the
// version of this operation where something changed.
func wrapFunction(function, version string) (string, *meili.Error) {
	parts, err := liftFunctions(function)
	if err != nil {
		return "", err
	}
	const shard, ver = hidden.ShardField, hidden.VersionField
	return parts.functions +
		"let _miroir_before = doc; doc.remove(\"" + shard + "\"); doc.remove(\"" + ver + "\"); " +
		"let _miroir_clean = doc; " + closureOpen + parts.rest + "\n}; _miroir_edit.call(); " +
		"if doc == _miroir_clean { doc = _miroir_before; } " +
		"else if type_of(doc) == \"map\" { doc." + shard + " = _miroir_before." + shard + "; doc." + ver + " = \"" + version + "\"; }", nil
}

var (
	wrapperTrace = regexp.MustCompile(`\n\s*in closure call \(line \d+, position \d+\)`)
	firstLine    = regexp.MustCompile(`\(line 1, position (\d+)\)`)
)

// failure puts an error of the wrapped function into the client's words: its
// positions, and no trace of the closure.
func (a *edit) failure(o *operation, e *meili.Error) *meili.Error {
	version := string(hidden.AppendVersion(nil, hidden.Version(o.op, 0)))
	wrapped, err := wrapFunction(a.Function, version)
	if err != nil || e.Code != "edit_documents_by_function_error" {
		return e
	}
	before := utf8.RuneCountInString(wrapped[:strings.Index(wrapped, closureOpen)+len(closureOpen)])
	shown := *e
	shown.Message = wrapperTrace.ReplaceAllString(shown.Message, "")
	shown.Message = firstLine.ReplaceAllStringFunc(shown.Message, func(text string) string {
		n, err := strconv.Atoi(firstLine.FindStringSubmatch(text)[1])
		if err != nil || n <= before {
			return text
		}
		return "(line 1, position " + strconv.Itoa(n-before) + ")"
	})
	return &shown
}

const closureOpen = "let _miroir_edit = || {"

// lifted is a function with its top-level definitions taken out: Rhai does not
// allow them inside a closure.
type lifted struct{ functions, rest string }

// liftFunctions takes the definitions out. A function that calls exit is
// refused, since exit would leave the closure and what follows it.
func liftFunctions(source string) (lifted, *meili.Error) {
	var functions, rest strings.Builder
	depth, from, start := 0, 0, -1
	for i := 0; i < len(source); {
		end, word := token(source, i)
		text := source[i:end]
		switch {
		case word && text == "exit" && strings.HasPrefix(strings.TrimSpace(source[end:]), "("):
			return lifted{}, meili.NewError("miroir_not_supported", "The function `exit` cannot be used in an edit.")
		case word && depth == 0 && start < 0 && (text == "fn" || text == "private"):
			rest.WriteString(source[from:i])
			start = i
		case text == "{" || text == "#{":
			depth++
		case text == "}":
			depth--
			if depth == 0 && start >= 0 {
				functions.WriteString(source[start:end] + " ")
				rest.WriteString(strings.Repeat("\n", strings.Count(source[start:end], "\n")))
				start, from = -1, end
			}
		}
		i = end
	}
	if start < 0 {
		rest.WriteString(source[from:])
	}
	return lifted{functions.String(), rest.String()}, nil
}

// token gives the end of the token at i, and whether it is a word.
func token(source string, i int) (end int, word bool) {
	rest := source[i:]
	isWord := func(c byte) bool {
		return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
	}
	switch {
	case strings.HasPrefix(rest, "//"):
		if n := strings.IndexByte(rest, '\n'); n >= 0 {
			return i + n, false
		}
		return len(source), false
	case strings.HasPrefix(rest, "/*"):
		return i + blockComment(rest), false
	case rest[0] == '"' || rest[0] == '\'' || rest[0] == '`':
		return i + quoted(rest), false
	case strings.HasPrefix(rest, "#{"):
		return i + 2, false
	case isWord(rest[0]):
		n := 1
		for n < len(rest) && isWord(rest[n]) {
			n++
		}
		return i + n, true
	}
	return i + 1, false
}

func blockComment(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(text[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// quoted gives the length of the text literal at the start. One in backticks may
// hold code in ${…}, which may hold literals again.
func quoted(text string) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote != '`':
			i++
		case text[i] == quote:
			return i + 1
		case quote == '`' && strings.HasPrefix(text[i:], "${"):
			depth := 0
			for j := i + 1; j < len(text); {
				end, _ := token(text, j)
				switch text[j:end] {
				case "{", "#{":
					depth++
				case "}":
					depth--
				}
				j = end
				if depth == 0 {
					i = j - 1
					break
				}
			}
		}
	}
	return len(text)
}
