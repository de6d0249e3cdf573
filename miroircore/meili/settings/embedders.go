package settings

import (
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

var sources = []string{"openAi", "huggingFace", "ollama", "userProvided", "rest", "composite"}

var fragments = dictionary(orNull(record(member{name: "value", of: anything, need: true})))

func commonMembers() []member {
	return []member{
		optional("source", enum(sources...)), optional("model", text), optional("revision", text),
		optional("pooling", enum("useModel", "forceCls", "forceMean")), optional("apiKey", text), optional("dimensions", size),
	}
}

func templateMembers() []member {
	return []member{
		optional("documentTemplate", text), optional("documentTemplateMaxBytes", size), optional("url", text),
		optional("indexingFragments", fragments), optional("searchFragments", fragments),
		optional("request", anything), optional("response", anything), optional("headers", dictionary(text)),
	}
}

// embedder has the members of an embedder in the server's order; subEmbedder is
// one inside a composite one.
var (
	subEmbedder = record(slices.Concat(commonMembers(), templateMembers(), []member{
		optional("distribution", distribution), optional("binaryQuantized", boolean),
		optional("searchEmbedder", anything), optional("indexingEmbedder", anything)})...)
	embedder = record(slices.Concat(commonMembers(), []member{optional("binaryQuantized", boolean)}, templateMembers(),
		[]member{optional("searchEmbedder", subEmbedder), optional("indexingEmbedder", subEmbedder),
			optional("distribution", distribution)})...)
)

var embedderOrder = strings.Fields("source model revision pooling apiKey dimensions binaryQuantized documentTemplate " +
	"documentTemplateMaxBytes url indexingFragments searchFragments request response headers searchEmbedder " +
	"indexingEmbedder distribution")

var plainDistribution = record(member{name: "mean", of: float, need: true}, member{name: "sigma", of: float, need: true})

func float(in decode.In) (decode.Value, *meili.Error) {
	var f float64
	err := in.Float(&f)
	return decode.FloatValue(f), err
}

func distribution(in decode.In) (decode.Value, *meili.Error) {
	v, err := plainDistribution(in)
	if err != nil {
		return v, err
	}
	mean, sigma := v.Members[0].Value.Float(), v.Members[1].Value.Float()
	if mean < 0 || mean > 1 {
		return v, in.Invalid("the distribution mean must be in the range [0, 1], got " + display(mean))
	}
	if sigma <= 0 || sigma > 1 {
		return v, in.Invalid("the distribution sigma must be in the range ]0, 1], got " + display(sigma))
	}
	return v, nil
}

func display(f float64) string { return strconv.FormatFloat(f, 'f', -1, 32) }

// checkOrder is the order in which an embedder's members are checked, metaOrder
// the one in which messages list them.
var (
	checkOrder = strings.Fields("model revision pooling dimensions apiKey url indexingFragments searchFragments request " +
		"response documentTemplate documentTemplateMaxBytes headers searchEmbedder indexingEmbedder binaryQuantized distribution")
	metaOrder = strings.Fields("source model revision pooling apiKey dimensions documentTemplate documentTemplateMaxBytes url " +
		"indexingFragments searchFragments request response headers searchEmbedder indexingEmbedder distribution binaryQuantized")
)

// forSource are the members each source takes besides source, distribution and
// binaryQuantized; an exclamation mark tells that it needs the member.
var forSource = map[string][]string{
	"openAi":       strings.Fields("model apiKey documentTemplate documentTemplateMaxBytes dimensions url"),
	"huggingFace":  strings.Fields("model revision pooling documentTemplate documentTemplateMaxBytes"),
	"ollama":       strings.Fields("model! documentTemplate documentTemplateMaxBytes url apiKey dimensions"),
	"userProvided": strings.Fields("dimensions!"),
	"rest": strings.Fields("url! request! response! apiKey dimensions documentTemplate documentTemplateMaxBytes headers " +
		"indexingFragments searchFragments"),
	"composite": strings.Fields("searchEmbedder! indexingEmbedder!"),
}

// nesting is where an embedder stands: alone, or inside a composite one.
type nesting struct{ suffix, words, name string }

var (
	alone     = nesting{}
	searching = nesting{".searchEmbedder", " for the search embedder", "searchEmbedder"}
	indexing  = nesting{".indexingEmbedder", " for the indexing embedder", "indexingEmbedder"}
)

// status says whether a source takes a member, and whether it needs it.
func status(source, name string, n nesting) (allowed, needed bool) {
	switch {
	case name == "distribution" || name == "binaryQuantized":
		return n == alone, false
	case n == searching && (strings.HasPrefix(name, "documentTemplate") || name == "indexingFragments"),
		n == indexing && name == "searchFragments":
		return false, false
	case name == "source":
		return true, false
	}
	needed = slices.Contains(forSource[source], name+"!")
	return needed || slices.Contains(forSource[source], name), needed
}

// checkEmbedder refuses an embedder whose members do not suit its source. A
// whole one lacks nothing it needs; so does a change that names the source.
func checkEmbedder(name string, e *decode.Value) *meili.Error {
	if wrong := checkValues(name, e); wrong != nil {
		return wrong
	}
	source := e.Get("source")
	if source == nil || source.Kind == decode.Null {
		return nil
	}
	if err := checkMembers(name, source.Text, e, alone); err != nil {
		return err
	}
	switch source.Text {
	case "openAi":
		return checkOpenAI(name, e)
	case "composite":
		for _, n := range []nesting{searching, indexing} {
			if err := checkNested(name, e.Get(n.name), n); err != nil {
				return err
			}
		}
	}
	return nil
}

func invalidEmbedder(name, member, message string) *meili.Error {
	if member != "" {
		name += "." + member
	}
	return meili.NewError("invalid_settings_embedders", "%s", "`.embedders."+name+"`: "+message)
}

func checkValues(name string, e *decode.Value) *meili.Error {
	template, most := e.Get("documentTemplate"), e.Get("documentTemplateMaxBytes")
	if isSet(template) && isSet(most) && most.Uint() == 0 {
		return invalidEmbedder(name, "documentTemplateMaxBytes", "`documentTemplateMaxBytes` cannot be zero")
	}
	if dimensions := e.Get("dimensions"); isSet(dimensions) && dimensions.Uint() == 0 {
		return invalidEmbedder(name, "dimensions", "`dimensions` cannot be zero")
	}
	if url := e.Get("url"); isSet(url) && !hasScheme(url.Text) {
		return invalidEmbedder(name, "url", "could not parse `"+url.Text+"`: relative URL without a base")
	}
	return nil
}

func hasScheme(url string) bool {
	scheme, _, ok := strings.Cut(url, ":")
	return ok && scheme != "" && strings.Trim(strings.ToLower(scheme), "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}

func isSet(v *decode.Value) bool { return v != nil && v.Kind != decode.Null }

func checkMembers(name, source string, e *decode.Value, n nesting) *meili.Error {
	for _, field := range checkOrder {
		v := e.Get(field)
		switch allowed, needed := status(source, field, n); {
		case !allowed && v != nil:
			return unavailable(name, source, field, n)
		case needed && !isSet(v):
			return invalidEmbedder(name, "", "Missing field `"+field+"` (note: this field is mandatory for source `"+source+"`)")
		}
	}
	return nil
}

func unavailable(name, source, field string, n nesting) *meili.Error {
	message := "Field `" + field + "` unavailable for source `" + source + "`" + n.words + "."
	var others, available []string
	for _, other := range []string{"openAi", "huggingFace", "ollama", "userProvided", "rest", "composite"} {
		if allowed, _ := status(other, field, n); allowed {
			others = append(others, "`"+other+"`")
		}
	}
	if len(others) > 0 {
		message += "\n  - note: `" + field + "` is available for sources: " + strings.Join(others, ", ")
	}
	for _, other := range metaOrder {
		if allowed, _ := status(source, other, n); allowed {
			available = append(available, "`"+other+"`")
		}
	}
	message += "\n  - note: available fields for source `" + source + "`" + n.words + ": " + strings.Join(available, ", ")
	if allowed, _ := status(source, field, alone); allowed {
		message += "\n  - note: `" + field + "` is available when source `" + source + "` is not" + n.words
	}
	return invalidEmbedder(name+n.suffix, "", message)
}

func checkNested(name string, e *decode.Value, n nesting) *meili.Error {
	if !isSet(e) {
		return nil
	}
	source := e.Get("source")
	if !isSet(source) {
		return invalidEmbedder(name+n.suffix, "", "Missing field `source`.\n  - note: this field is mandatory for nested embedders")
	}
	if source.Text == "composite" || source.Text == "userProvided" {
		return invalidEmbedder(name+n.suffix, "source", "Source `"+source.Text+"` is not available in a nested embedder")
	}
	return checkMembers(name, source.Text, e, n)
}

var openAIModels = []struct {
	name       string
	dimensions uint64
	fixed      bool
}{{"text-embedding-ada-002", 1536, true}, {"text-embedding-3-small", 1536, false}, {"text-embedding-3-large", 3072, false}}

func checkOpenAI(name string, e *decode.Value) *meili.Error {
	model, dimensions := e.Get("model"), e.Get("dimensions")
	if !isSet(model) {
		return nil
	}
	for _, known := range openAIModels {
		if known.name != model.Text {
			continue
		}
		if !isSet(dimensions) {
			return nil
		}
		n, native := dimensions.Uint(), strconv.FormatUint(known.dimensions, 10)
		found := ". Found " + strconv.FormatUint(n, 10)
		if known.fixed && n != known.dimensions {
			return invalidEmbedder(name, "dimensions", "Model `"+known.name+
				"` does not support overriding its native dimensions of "+native+found)
		}
		if n > known.dimensions {
			return invalidEmbedder(name, "dimensions", "Model `"+known.name+
				"` does not support overriding its dimensions to a value higher than "+native+found)
		}
		return nil
	}
	return invalidEmbedder(name, "model", "Invalid model `"+model.Text+"` for OpenAI. Supported models: "+
		`["text-embedding-ada-002", "text-embedding-3-small", "text-embedding-3-large"]`)
}

// applyEmbedders merges embedders by name; null removes one.
func applyEmbedders(old, change decode.Value) (decode.Value, *meili.Error) {
	result := old
	for i := range change.Members {
		m := &change.Members[i]
		was := old.Get(m.Name)
		if m.Value.Kind == decode.Null {
			result = with(result, m.Name, m.Value, nil)
			continue
		}
		merged, err := mergeEmbedder(m.Name, was, m.Value)
		if err != nil {
			return old, err
		}
		result = with(result, m.Name, merged, nil)
	}
	slices.SortFunc(result.Members, func(a, b decode.Member) int { return strings.Compare(a.Name, b.Name) })
	return result, nil
}

func mergeEmbedder(name string, was *decode.Value, change decode.Value) (decode.Value, *meili.Error) {
	result := decode.Value{Kind: decode.Object}
	if was != nil {
		result = *was
		quantized, wanted := was.Get("binaryQuantized"), change.Get("binaryQuantized")
		if isSet(quantized) && quantized.Bool() && isSet(wanted) && !wanted.Bool() {
			return result, invalidEmbedder(name, "binaryQuantized", "Cannot disable the binary quantization.\n - Note: Binary "+
				"quantization is a lossy operation that cannot be reverted.\n - Hint: Add a new embedder that is non-quantized "+
				"and regenerate the vectors.")
		}
		if source := change.Get("source"); source != nil && sourceOf(was) != sourceOf(&change) {
			result = forget(result, sourceOf(&change))
		}
	}
	for i := range change.Members {
		m := &change.Members[i]
		v := m.Value
		if old := result.Get(m.Name); strings.HasSuffix(m.Name, "Fragments") && v.Kind == decode.Object && old != nil {
			v = mergeFragments(*old, v)
		}
		result = with(result, m.Name, v, embedderOrder)
	}
	result = complete(result)
	return result, checkEmbedder(name, &result)
}

func sourceOf(e *decode.Value) string {
	if source := e.Get("source"); isSet(source) {
		return source.Text
	}
	return "openAi"
}

// forget leaves out what a new source starts afresh.
func forget(e decode.Value, source string) decode.Value {
	keep := []string{"source", "apiKey", "binaryQuantized", "distribution"}
	if source != "userProvided" && source != "composite" {
		keep = append(keep, "documentTemplate", "documentTemplateMaxBytes")
	}
	e.Members = slices.DeleteFunc(slices.Clone(e.Members), func(m decode.Member) bool { return !slices.Contains(keep, m.Name) })
	return e
}

func mergeFragments(old, change decode.Value) decode.Value {
	for i := range change.Members {
		old = with(old, change.Members[i].Name, change.Members[i].Value, nil)
	}
	slices.SortFunc(old.Members, func(a, b decode.Member) int { return strings.Compare(a.Name, b.Name) })
	return old
}

var sourceDefaults = map[string][]decode.Member{
	"openAi": {{Name: "model", Value: decode.StringValue("text-embedding-3-small")}},
	"huggingFace": {
		{Name: "model", Value: decode.StringValue("BAAI/bge-base-en-v1.5")},
		{Name: "pooling", Value: decode.StringValue("useModel")},
	},
	"rest": {{Name: "headers", Value: decode.Value{Kind: decode.Object}}},
}

// complete fills in what the server fills in when it remembers an embedder.
func complete(e decode.Value) decode.Value {
	source := sourceOf(&e)
	add := func(name string, v decode.Value) {
		if e.Get(name) == nil {
			e = with(e, name, v, embedderOrder)
		}
	}
	if source == "huggingFace" && e.Get("model") == nil {
		add("revision", decode.StringValue("617ca489d9e86b49b8167676d8220688b99db36e"))
	}
	for _, m := range sourceDefaults[source] {
		add(m.Name, m.Value)
	}
	add("source", decode.StringValue(source))
	if allowed, _ := status(source, "documentTemplate", alone); allowed && e.Get("indexingFragments") == nil {
		if e.Get("documentTemplate") == nil { // the limit goes with the template
			e = with(e, "documentTemplate", mustRead(`"`+defaultTemplate+`"`), embedderOrder)
			e = with(e, "documentTemplateMaxBytes", decode.UintValue(400), embedderOrder)
		}
		add("documentTemplateMaxBytes", decode.UintValue(400))
	}
	return e
}

// redact hides the keys of embedders.
func redact(embedders decode.Value) decode.Value {
	result := embedders
	for i := range embedders.Members {
		m := &embedders.Members[i]
		if key := m.Value.Get("apiKey"); isSet(key) {
			result = with(result, m.Name, with(m.Value, "apiKey", decode.StringValue(HideSecret(key.Text, 0)), nil), nil)
		}
	}
	return result
}

// HideSecret keeps the beginning of a secret only; what stands before offset is
// no secret, such as the word Bearer.
func HideSecret(secret string, offset int) string {
	length := len(secret) - offset
	keep, mark := 5, "XXXXXX..."
	switch {
	case length < 0:
		return secret
	case length < 10:
		keep, mark = 0, "XXX..."
	case length < 20:
		keep, mark = 2, "XXXX..."
	case length < 30:
		keep, mark = 3, "XXXXX..."
	}
	end := offset + keep
	for end < len(secret) && secret[end]&0xC0 == 0x80 {
		end++
	}
	return secret[:end] + mark
}
