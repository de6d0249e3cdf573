package minimeili

import (
	"bytes"
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// maybe is a field that can be left out, be null or have a value.
type maybe[V any] struct {
	set   bool
	value *V
}

func null[V any]() maybe[V]       { return maybe[V]{set: true} }
func some[V any](v V) maybe[V]    { return maybe[V]{set: true, value: &v} }
func orNull[V any](v *V) maybe[V] { return maybe[V]{set: true, value: v} }
func (m maybe[V]) IsZero() bool   { return !m.set }
func (m *maybe[V]) zero(to V)     { *m = maybe[V]{set: m.set, value: &to} }
func (m maybe[V]) or(o maybe[V], merge func(a, b V) V) maybe[V] {
	switch {
	case m.value == nil && o.value == nil:
		return maybe[V]{set: m.set || o.set}
	case m.value == nil:
		return o
	case o.value == nil:
		return m
	}
	return some(merge(*m.value, *o.value))
}

// MarshalJSON implements json.Marshaler.
func (m maybe[V]) MarshalJSON() ([]byte, error) { return meili.Marshal(m.value) }

// UnmarshalJSON implements json.Unmarshaler.
func (m *maybe[V]) UnmarshalJSON(text []byte) error {
	m.set = true
	return json.Unmarshal(text, &m.value)
}

// swap is one swap of a task.
type swap struct {
	Indexes []string `json:"indexes"`
	Rename  bool     `json:"rename"`
}

// details are a task's details, in the server's order.
type details struct {
	ReceivedDocuments *int                   `json:"receivedDocuments,omitempty"`
	IndexedDocuments  maybe[int]             `json:"indexedDocuments,omitzero"`
	EditedDocuments   maybe[int]             `json:"editedDocuments,omitzero"`
	PrimaryKey        maybe[string]          `json:"primaryKey,omitzero"`
	ProvidedIDs       *int                   `json:"providedIds,omitempty"`
	DeletedDocuments  maybe[int]             `json:"deletedDocuments,omitzero"`
	MatchedTasks      *int                   `json:"matchedTasks,omitempty"`
	CanceledTasks     maybe[int]             `json:"canceledTasks,omitzero"`
	DeletedTasks      maybe[int]             `json:"deletedTasks,omitzero"`
	OriginalFilter    maybe[string]          `json:"originalFilter,omitzero"`
	DumpUID           maybe[string]          `json:"dumpUid,omitzero"`
	Context           maybe[json.RawMessage] `json:"context,omitzero"`
	Function          *string                `json:"function,omitempty"`
	Swaps             []swap                 `json:"swaps,omitzero"`
	URL               *string                `json:"url,omitempty"`
	APIKey            *string                `json:"apiKey,omitempty"`
	PayloadSize       *string                `json:"payloadSize,omitempty"`
	Indexes           json.RawMessage        `json:"indexes,omitempty"`
	OldIndexUID       *string                `json:"oldIndexUid,omitempty"`
	NewIndexUID       *string                `json:"newIndexUid,omitempty"`
	PreSize           *string                `json:"preCompactionSize,omitempty"`
	PostSize          *string                `json:"postCompactionSize,omitempty"`

	// Settings are what a settings task shows, as its details.
	Settings json.RawMessage `json:"settings,omitempty"`
}

// json shows the details. The settings are spread out behind the others, which
// only a batch that clears documents and changes settings has too.
func (d *details) json() json.RawMessage {
	others := *d
	others.Settings = nil
	text, err := meili.Marshal(&others)
	if err != nil { // plain types and JSON that was parsed before
		panic(err)
	}
	const empty = 2 // the braces
	switch {
	case len(d.Settings) <= empty:
		return text
	case len(text) <= empty:
		return d.Settings
	}
	return append(append(text[:len(text)-1], ','), d.Settings[1:]...)
}

// first gives the details a task has when it is enqueued.
func (op *operation) first() *details {
	switch op.Kind {
	case replaceDocuments, updateDocuments:
		return &details{ReceivedDocuments: &op.Count, IndexedDocuments: null[int]()}
	case deleteDocuments:
		n := len(op.IDs)
		return &details{ProvidedIDs: &n, DeletedDocuments: null[int](), OriginalFilter: null[string]()}
	case deleteByFilter:
		return &details{ProvidedIDs: new(int), DeletedDocuments: null[int](), OriginalFilter: some(compact(op.Filter))}
	case clearDocuments, deleteIndex:
		return &details{DeletedDocuments: null[int]()}
	case editDocuments:
		d := &details{
			EditedDocuments: null[int](), DeletedDocuments: null[int](), OriginalFilter: null[string](),
			Context: null[json.RawMessage](), Function: &op.Function,
		}
		if op.Filter != nil {
			d.OriginalFilter = some(compact(op.Filter))
		}
		if op.Context != nil {
			d.Context = some(op.Context)
		}
		return d
	case changeSettings:
		return &details{Settings: op.settings().Details()}
	case createIndex:
		return &details{PrimaryKey: orNull(op.PrimaryKey)}
	case swapIndexes:
		return &details{Swaps: op.Swaps}
	default:
		return op.firstOfOthers()
	}
}

func (op *operation) firstOfOthers() *details {
	n := len(op.Tasks)
	switch op.Kind {
	case cancelTasks:
		return &details{MatchedTasks: &n, CanceledTasks: null[int](), OriginalFilter: some(op.Query)}
	case deleteTasks:
		return &details{MatchedTasks: &n, DeletedTasks: null[int](), OriginalFilter: some(op.Query)}
	case createDump:
		return &details{DumpUID: null[string]()}
	case exportIndexes:
		return exportDetails(op.Export, nil)
	case compactIndex:
		return &details{}
	default: // a snapshot has no details
		return nil
	}
}

// settings gives the change of settings an operation makes; it was parsed when
// it was asked for.
func (op *operation) settings() *settings.Patch {
	if op.Reset && len(op.Settings) == 0 {
		return settings.ResetAll()
	}
	p, err := settings.Parse(op.Settings)
	if err != nil {
		panic("settings that were accepted are refused: " + err.Message)
	}
	return p
}

// failed gives the details of the same task, failed.
func (d *details) failed() *details {
	if d == nil {
		return nil
	}
	f := *d
	for _, count := range []*maybe[int]{&f.IndexedDocuments, &f.EditedDocuments, &f.CanceledTasks, &f.DeletedTasks} {
		if count.set {
			count.zero(0)
		}
	}
	// An edition that fails leaves its deleted documents open.
	if f.DeletedDocuments.set && f.Function == nil {
		f.DeletedDocuments.zero(0)
	}
	f.PreSize, f.PostSize = nil, nil
	return &f
}

// merge adds another task's details, as the view of a batch does.
func (d *details) merge(o *details) *details {
	if d == nil || o == nil {
		return firstOf(d, o)
	}
	add := func(a, b int) int { return a + b }
	m := *d
	m.ReceivedDocuments = addUp(d.ReceivedDocuments, o.ReceivedDocuments)
	m.ProvidedIDs = addUp(d.ProvidedIDs, o.ProvidedIDs)
	m.MatchedTasks = addUp(d.MatchedTasks, o.MatchedTasks)
	m.IndexedDocuments = d.IndexedDocuments.or(o.IndexedDocuments, add)
	m.EditedDocuments = d.EditedDocuments.or(o.EditedDocuments, add)
	m.DeletedDocuments = d.DeletedDocuments.or(o.DeletedDocuments, add)
	m.CanceledTasks = d.CanceledTasks.or(o.CanceledTasks, add)
	m.DeletedTasks = d.DeletedTasks.or(o.DeletedTasks, add)
	m.PrimaryKey = d.PrimaryKey.or(o.PrimaryKey, func(a, _ string) string { return a })
	m.OriginalFilter = d.OriginalFilter.or(o.OriginalFilter, func(a, b string) string { return a + "&" + b })
	if d.Swaps != nil || o.Swaps != nil {
		m.Swaps = append(append([]swap{}, d.Swaps...), o.Swaps...)
	}
	m.Settings = mergeSettings(d.Settings, o.Settings)
	return &m
}

// known gives the details without those that are still open: the server does
// not keep them with a batch that has ended.
func (d *details) known() *details {
	k := *d
	for _, count := range []*maybe[int]{&k.IndexedDocuments, &k.EditedDocuments, &k.DeletedDocuments, &k.CanceledTasks, &k.DeletedTasks} {
		count.set = count.value != nil
	}
	for _, text := range []*maybe[string]{&k.PrimaryKey, &k.OriginalFilter, &k.DumpUID} {
		text.set = text.value != nil
	}
	k.Context.set = k.Context.value != nil
	return &k
}

// firstOf gives the first of two pointers that is not nil.
func firstOf(a, b *details) *details {
	if a != nil {
		return a
	}
	return b
}

func addUp(a, b *int) *int {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	sum := *a + *b
	return &sum
}

// mergeSettings lays b over a, both as details show them.
func mergeSettings(a, b json.RawMessage) json.RawMessage {
	if a == nil || b == nil {
		return append(append(json.RawMessage(nil), a...), b...)
	}
	var all map[string]json.RawMessage
	for _, part := range []json.RawMessage{a, b} {
		if json.Unmarshal(part, &all) != nil {
			return a
		}
	}
	text, err := meili.Marshal(all)
	if err != nil {
		return a
	}
	p, refused := settings.Parse(text) // puts the names in order
	if refused != nil {
		return a
	}
	return p.Details()
}

// compact writes JSON without spaces, as the server shows what it was sent.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}
