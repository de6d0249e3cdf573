package request

import (
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// IndexUID refuses a uid that cannot name an index, as paths do.
func IndexUID(uid string) *meili.Error {
	if validUID(uid) {
		return nil
	}
	return meili.InvalidIndexUID(uid)
}

func validUID(uid string) bool {
	if uid == "" || len(uid) > 400 {
		return false
	}
	for _, c := range []byte(uid) {
		if !isUIDByte(c) {
			return false
		}
	}
	return true
}

func isUIDByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func readIndexUID(in decode.In, dst *string) *meili.Error {
	if err := in.String(dst); err != nil {
		return err
	}
	if !validUID(*dst) {
		return in.Invalid(meili.IndexUIDMessage(*dst))
	}
	return nil
}

// readPattern reads an index uid, or the beginning of one and a star.
func readPattern(in decode.In, dst *string) *meili.Error {
	if err := in.String(dst); err != nil {
		return err
	}
	if !validPattern(*dst) {
		return in.Invalid("`" + strings.TrimSuffix(*dst, "*") + "` is not a valid index uid pattern. Index uid patterns can be an integer or a " +
			"string containing only alphanumeric characters, hyphens (-), underscores (_), and optionally end with a star (*).")
	}
	return nil
}

func validPattern(pattern string) bool {
	prefix, star := strings.CutSuffix(pattern, "*")
	return star && prefix == "" || validUID(prefix)
}

var indexCreateFields = decode.NewFields(
	decode.Field[IndexCreate]{Name: "uid", Code: "invalid_index_uid", Missing: "missing_index_uid",
		Read: value(func(c *IndexCreate) *string { return &c.UID }, readIndexUID)},
	decode.Field[IndexCreate]{Name: "primaryKey", Code: "invalid_index_primary_key",
		Read: option(func(c *IndexCreate) **string { return &c.PrimaryKey }, readString)},
)

// ParseIndexCreate reads the body of an index creation.
func ParseIndexCreate(body []byte) (*IndexCreate, *meili.Error) {
	return parse(body, indexCreateFields, IndexCreate{})
}

var indexUpdateFields = decode.NewFields(
	decode.Field[IndexUpdate]{Name: "primaryKey", Code: "invalid_index_primary_key",
		Read: option(func(u *IndexUpdate) **string { return &u.PrimaryKey }, readString)},
	decode.Field[IndexUpdate]{Name: "uid", Code: "invalid_index_uid",
		Read: option(func(u *IndexUpdate) **string { return &u.UID }, readString)},
).Guard(func(in decode.In, name string, accepted []string) *meili.Error {
	switch name {
	case "createdAt":
		return decode.Immutable("immutable_index_created_at", name, accepted)
	case "updatedAt":
		return decode.Immutable("immutable_index_updated_at", name, accepted)
	}
	return in.UnknownField(name, accepted)
})

// ParseIndexUpdate reads the body of an index update.
func ParseIndexUpdate(body []byte) (*IndexUpdate, *meili.Error) {
	u, err := parse(body, indexUpdateFields, IndexUpdate{})
	if err == nil && u.UID != nil {
		err = IndexUID(*u.UID)
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// parse reads a body that is an object.
func parse[T any](body []byte, fields *decode.Fields[T], defaults T) (*T, *meili.Error) {
	v, err := decode.ParseBody(body)
	if err != nil {
		return nil, err
	}
	if err := fields.Read(&defaults, decode.Body(v)); err != nil {
		return nil, err
	}
	return &defaults, nil
}

// parseQuery reads a query string.
func parseQuery[T any](rawQuery string, fields *decode.Fields[T], defaults T) (*T, *meili.Error) {
	if err := fields.Read(&defaults, decode.Query(rawQuery)); err != nil {
		return nil, err
	}
	return &defaults, nil
}

// sentSwap is a swap as it is sent, with any number of indexes.
type sentSwap struct {
	indexes []string
	rename  bool
}

var swapFields = decode.NewFields(
	decode.Field[sentSwap]{Name: "indexes", Code: "invalid_swap_indexes", Missing: "missing_swap_indexes",
		Read: func(s *sentSwap, in decode.In) *meili.Error {
			return in.Each(func(_ int, in decode.In) *meili.Error {
				var uid string
				err := readIndexUID(in, &uid)
				s.indexes = append(s.indexes, uid)
				return err
			})
		}},
	decode.Field[sentSwap]{Name: "rename", Code: "invalid_swap_rename",
		Read: value(func(s *sentSwap) *bool { return &s.rename }, readBool)},
)

// ParseSwap reads the body of a swap.
func ParseSwap(body []byte) ([]Swap, *meili.Error) {
	v, err := decode.ParseBody(body)
	if err != nil {
		return nil, err
	}
	var sent []sentSwap
	err = decode.Body(v).Each(func(_ int, in decode.In) *meili.Error {
		sent = append(sent, sentSwap{})
		return swapFields.Read(&sent[len(sent)-1], in)
	})
	if err != nil {
		return nil, err
	}
	swaps := make([]Swap, len(sent))
	for i, s := range sent {
		if len(s.indexes) != 2 {
			return nil, meili.NewError("invalid_swap_indexes",
				"Two indexes must be given for each swap. The list `[%s]` contains %d indexes.",
				quoteAll(s.indexes, `"`), len(s.indexes))
		}
		swaps[i] = Swap{Indexes: [2]string(s.indexes), Rename: s.rename}
	}
	return swaps, duplicateSwap(swaps)
}

func quoteAll(names []string, quote string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote + name + quote
	}
	return strings.Join(quoted, ", ")
}

func duplicateSwap(swaps []Swap) *meili.Error {
	seen := make(map[string]bool)
	var twice []string
	for _, swap := range swaps {
		for _, uid := range swap.Indexes {
			if seen[uid] {
				twice = append(twice, uid)
			}
			seen[uid] = true
		}
	}
	slices.Sort(twice)
	twice = slices.Compact(twice)
	switch len(twice) {
	case 0:
		return nil
	case 1:
		return meili.NewError("invalid_swap_duplicate_index_found",
			"Indexes must be declared only once during a swap. `%s` was specified several times.", twice[0])
	}
	return meili.NewError("invalid_swap_duplicate_index_found",
		"Indexes must be declared only once during a swap. %s were specified several times.", quoteAll(twice, "`"))
}

func pageFieldsOf(kind string) *decode.Fields[Page] {
	return decode.NewFields(
		decode.Field[Page]{Name: "offset", Code: "invalid_" + kind + "_offset",
			Read: value(func(p *Page) *int { return &p.Offset }, paramInt)},
		decode.Field[Page]{Name: "limit", Code: "invalid_" + kind + "_limit",
			Read: value(func(p *Page) *int { return &p.Limit }, paramInt)},
	)
}

var pageKinds = map[string]*decode.Fields[Page]{"index": pageFieldsOf("index"), "api_key": pageFieldsOf("api_key")}

// ParsePage reads the query string of a list; kind is "index" or "api_key".
func ParsePage(rawQuery, kind string) (*Page, *meili.Error) {
	return parseQuery(rawQuery, pageKinds[kind], Page{Limit: DefaultLimit})
}

var statsFields = decode.NewFields(
	decode.Field[Stats]{Name: "showInternalDatabaseSizes", Code: "invalid_stats_show_internal_database_sizes",
		Read: value(func(s *Stats) *bool { return &s.ShowInternalDatabaseSizes }, paramBool)},
	decode.Field[Stats]{Name: "sizeFormat", Code: "invalid_stats_size_format",
		Read: func(s *Stats, in decode.In) *meili.Error {
			var format string
			err := in.Enum(&format, []string{"human", "raw"})
			s.Human = format == "human"
			return err
		}},
)

// ParseStats reads the query string of the stats routes.
func ParseStats(rawQuery string) (*Stats, *meili.Error) {
	return parseQuery(rawQuery, statsFields, Stats{})
}

// Uint32Path reads the uid in a path of tasks or batches.
func Uint32Path(text string) (uint32, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 10, 32)
	return uint32(n), err == nil && !strings.HasPrefix(text, "++")
}
