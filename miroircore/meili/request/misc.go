package request

import (
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

var featureFields = func() *decode.Fields[FeaturesUpdate] {
	var fields []decode.Field[FeaturesUpdate]
	for _, name := range meili.FeatureNames {
		fields = append(fields, decode.Field[FeaturesUpdate]{Name: name,
			Read: func(u *FeaturesUpdate, in decode.In) *meili.Error {
				if in.Null() {
					delete(*u, name)
					return nil
				}
				var on bool
				err := in.Bool(&on)
				(*u)[name] = on
				return err
			}})
	}
	return decode.NewFields(fields...)
}()

// ParseFeatures reads the body of a change of experimental features.
func ParseFeatures(body []byte) (FeaturesUpdate, *meili.Error) {
	u, err := parse(body, featureFields, FeaturesUpdate{})
	if err != nil {
		return nil, err
	}
	return *u, nil
}

var webhookFields = decode.NewFields(
	decode.Field[WebhookChange]{Name: "url", Code: "invalid_webhook_url",
		Read: setting(func(w *WebhookChange) *Optional[string] { return &w.URL }, readString)},
	decode.Field[WebhookChange]{Name: "headers", Code: "invalid_webhook_headers", Read: readWebhookHeaders},
).Guard(func(in decode.In, name string, accepted []string) *meili.Error {
	switch name {
	case "uuid":
		return decode.Immutable("immutable_webhook_uuid", name, accepted)
	case "isEditable":
		return decode.Immutable("immutable_webhook_is_editable", name, accepted)
	}
	return in.UnknownField(name, accepted)
})

func readWebhookHeaders(w *WebhookChange, in decode.In) *meili.Error {
	w.Headers, w.Reset = nil, in.Null()
	if w.Reset {
		return nil
	}
	w.Headers = []WebhookHeader{}
	err := in.EachMember(func(name string, in decode.In) *meili.Error {
		header := WebhookHeader{Name: name}
		err := decode.Optional(in, &header.Value, func(s *string) *meili.Error { return in.String(s) })
		w.Headers = append(w.Headers, header)
		return err
	})
	slices.SortFunc(w.Headers, func(a, b WebhookHeader) int { return strings.Compare(a.Name, b.Name) })
	return err
}

// ParseWebhookCreate reads the body of a webhook's creation. Whether there is
// room for another webhook is looked at before its url and headers are: see
// WebhookChange.CheckHeaders and Apply.
func ParseWebhookCreate(body []byte) (*WebhookChange, *meili.Error) {
	return parse(body, webhookFields, WebhookChange{})
}

// ParseWebhookUpdate reads the body of a webhook's update.
func ParseWebhookUpdate(body []byte) (*WebhookChange, *meili.Error) {
	return parse(body, webhookFields, WebhookChange{})
}

type exportField = decode.Field[Export]

var exportFields = decode.NewFields(
	exportField{Name: "url", Code: "invalid_export_url", Read: value(func(e *Export) *string { return &e.URL }, readString)},
	exportField{Name: "apiKey", Code: "invalid_export_api_key",
		Read: option(func(e *Export) **string { return &e.APIKey }, readString)},
	exportField{Name: "payloadSize", Code: "invalid_export_payload_size",
		Read: option(func(e *Export) **uint64 { return &e.PayloadSize }, readSize)},
	exportField{Name: "indexes", Read: readExportIndexes},
)

var exportIndexFields = decode.NewFields(
	decode.Field[ExportIndex]{Name: "filter", Code: "invalid_export_index_filter",
		Read: raw(func(e *ExportIndex) *json.RawMessage { return &e.Filter })},
	decode.Field[ExportIndex]{Name: "overrideSettings", Code: "invalid_export_index_override_settings",
		Read: value(func(e *ExportIndex) *bool { return &e.OverrideSettings }, readBool)},
)

func readExportIndexes(e *Export, in decode.In) *meili.Error {
	if in.Null() {
		return nil
	}
	e.Indexes = []ExportIndex{}
	err := in.EachMember(func(pattern string, member decode.In) *meili.Error {
		if !validPattern(pattern) {
			return in.Invalid(`the key "` + pattern + "\" could not be deserialized into the key type " +
				"`meilisearch_types::index_uid_pattern::IndexUidPattern`")
		}
		index := ExportIndex{Pattern: pattern}
		err := exportIndexFields.Read(&index, member)
		e.Indexes = append(e.Indexes, index)
		return err
	})
	slices.SortFunc(e.Indexes, func(a, b ExportIndex) int { return strings.Compare(a.Pattern, b.Pattern) })
	return err
}

// ParseExport reads the body of an export. Without indexes it is about all of them.
func ParseExport(body []byte) (*Export, *meili.Error) {
	e, err := parse(body, exportFields, Export{})
	if err == nil && e.Indexes == nil {
		e.Indexes = []ExportIndex{{Pattern: "*"}}
	}
	return e, err
}

// readSize reads a number of bytes, or a text such as 24MiB.
func readSize(in decode.In, dst *uint64) *meili.Error {
	switch in.Value.Kind {
	case decode.Integer:
		*dst = in.Value.Uint()
		return nil
	case decode.String:
		size, wrong := parseSize(in.Value.Text)
		if wrong != "" {
			return in.Invalid(wrong)
		}
		*dst = size
		return nil
	}
	return in.WrongKind(decode.Integer, decode.String)
}

// parseSize reads a size as text: a number, spaces, and a unit or nothing.
func parseSize(text string) (size uint64, wrong string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, "no value can be found"
	}
	end := 0
	for end < len(text) && ('0' <= text[end] && text[end] <= '9' || end > 0 && text[end] == '.') {
		end++
	}
	number := text[:end]
	if _, fraction, ok := strings.Cut(number, "."); end == 0 || ok && (fraction == "" || strings.Contains(fraction, ".")) {
		wrong := firstRune(text[end:])
		if wrong == "" {
			wrong = "."
		}
		return 0, "the character '" + wrong + "' is not a number"
	}
	value, _ := new(big.Rat).SetString(number) // digits and at most one point
	unit := strings.TrimLeft(text[end:], " ")
	factor, wrong := parseUnit(unit)
	if wrong != "" {
		return 0, wrong
	}
	value.Mul(value, new(big.Rat).SetUint64(factor))
	whole := new(big.Int).Quo(new(big.Int).Add(value.Num(), new(big.Int).Sub(value.Denom(), big.NewInt(1))), value.Denom())
	if !whole.IsUint64() {
		return 0, "the value " + number + " exceeds the valid range"
	}
	return whole.Uint64(), ""
}

// parseUnit gives the bytes of a unit such as KB, KiB or G; a lone b stands for bits.
func parseUnit(unit string) (factor uint64, wrong string) {
	if unit == "" || unit == "B" {
		return 1, ""
	}
	power := strings.IndexByte("KMGTPE", unit[0]|0x20-0x20) + 1
	rest := unit[1:]
	switch {
	case power == 0:
		return 0, "the character '" + firstRune(unit) + "' is incorrect ('B', 'K', 'M', 'G', 'T', 'P', 'E' or no character or no character is expected)"
	case rest == "" || rest == "B":
		return uint64(math.Pow10(3 * power)), ""
	case rest == "i" || rest == "iB":
		return 1 << (10 * power), ""
	}
	return 0, "the character '" + firstRune(rest) + "' is incorrect ('B', 'b' or no character or no character is expected)"
}

var fieldsFields = decode.NewFields(
	decode.Field[Fields]{Name: "offset", Code: "invalid_index_offset",
		Read: value(func(f *Fields) *int { return &f.Offset }, readInt)},
	decode.Field[Fields]{Name: "limit", Code: "invalid_index_limit",
		Read: value(func(f *Fields) *int { return &f.Limit }, readInt)},
	decode.Field[Fields]{Name: "filter", Code: "invalid_index_fields_filter",
		Read: func(f *Fields, in decode.In) *meili.Error {
			if in.Null() {
				return nil
			}
			return fieldsFilter.Read(f, in)
		}},
)

var fieldsFilter = decode.NewFields(
	decode.Field[Fields]{Name: "attributePatterns", Code: "invalid_index_fields_filter_attribute_patterns",
		Read: list(func(f *Fields) *[]string { return &f.AttributePatterns })},
	condition("displayed", "displayed", func(f *Fields) **bool { return &f.Displayed }),
	condition("searchable", "searchable", func(f *Fields) **bool { return &f.Searchable }),
	condition("sortable", "sortable", func(f *Fields) **bool { return &f.Sortable }),
	condition("distinct", "distinct", func(f *Fields) **bool { return &f.Distinct }),
	condition("rankingRule", "ranking_rule", func(f *Fields) **bool { return &f.RankingRule }),
	condition("filterable", "filterable", func(f *Fields) **bool { return &f.Filterable }),
)

func condition(name, code string, at func(*Fields) **bool) decode.Field[Fields] {
	return decode.Field[Fields]{Name: name, Code: "invalid_index_fields_filter_" + code, Read: option(at, readBool)}
}

// ParseFields reads the body of a request for an index's fields.
func ParseFields(body []byte) (*Fields, *meili.Error) {
	return parse(body, fieldsFields, Fields{Limit: DefaultLimit})
}
