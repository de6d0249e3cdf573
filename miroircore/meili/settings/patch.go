package settings

import (
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// Patch is a change of settings that passed the checks a request has to pass.
// It is never changed once made.
type Patch struct {
	values slots // by setting; nil is left alone, null goes back to the default
}

func newPatch() *Patch { return &Patch{values: make(slots, len(fields))} }

// patchFields reads the settings object; it is made with the table of settings.
var patchFields *decode.Fields[slots]

func readPatch() *decode.Fields[slots] {
	list := make([]decode.Field[slots], len(fields))
	for i := range fields {
		list[i] = decode.Field[slots]{Name: fields[i].key, Code: fields[i].code, Read: func(s *slots, in decode.In) *meili.Error {
			v, err := orNull(fields[i].of)(in)
			(*s)[i] = &v
			return err
		}}
	}
	return decode.NewFields(list...)
}

// Parse reads the body of a change of several settings.
func Parse(body []byte) (*Patch, *meili.Error) {
	v, err := decode.ParseBody(body)
	if err != nil {
		return nil, err
	}
	p := newPatch()
	if err := patchFields.Read(&p.values, decode.Body(v)); err != nil {
		return nil, err
	}
	return p, nil
}

// ParseSub reads the body of a change of the setting of a sub-route. The name is
// one of Names.
func ParseSub(name string, body []byte) (*Patch, *meili.Error) {
	v, err := decode.ParseBody(body)
	if err != nil {
		return nil, err
	}
	i := routes[name]
	value, err := orNull(fields[i].of)(decode.Body(v).WithCode(fields[i].code))
	if err != nil {
		return nil, err
	}
	p := newPatch()
	p.values[i] = &value
	return p, nil
}

// ResetSub is the change that sets the setting of a sub-route back to its default.
func ResetSub(name string) *Patch {
	p := newPatch()
	p.values[routes[name]] = &decode.Value{}
	return p
}

// ResetAll is the change that sets everything back to its default.
func ResetAll() *Patch {
	p := newPatch()
	for i := range p.values {
		p.values[i] = &decode.Value{}
	}
	return p
}

// Check refuses a change that needs an experimental feature that is off, or
// whose values do not go together. The server does so after it has read the
// whole body, and before it makes a task.
func (p *Patch) Check(f meili.Features) *meili.Error {
	if err := p.checkFeatures(f); err != nil {
		return err
	}
	if rules := p.value("rankingRules"); isSet(rules) {
		if err := checkRules(rules); err != nil {
			return err
		}
	}
	if embedders := p.value("embedders"); isSet(embedders) {
		for i := range embedders.Members {
			m := &embedders.Members[i]
			if m.Value.Kind == decode.Null {
				continue
			}
			if err := checkEmbedder(m.Name, &m.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Patch) checkFeatures(f meili.Features) *meili.Error {
	if embedders := p.value("embedders"); isSet(embedders) {
		for i := range embedders.Members {
			if err := checkEmbedderFeatures(&embedders.Members[i].Value, f); err != nil {
				return err
			}
		}
	}
	if isSet(p.value("chat")) && !f.Get("chatCompletions") {
		return meili.FeatureNotEnabled("setting `chat` in the index settings", "chatCompletions")
	}
	if isSet(p.value("foreignKeys")) && !f.Get("foreignKeys") {
		return meili.FeatureNotEnabled("setting `foreignKeys` in the index settings", "foreignKeys")
	}
	return nil
}

func checkEmbedderFeatures(e *decode.Value, f meili.Features) *meili.Error {
	if source := e.Get("source"); isSet(source) && source.Text == "composite" && !f.Get("compositeEmbedders") {
		return meili.FeatureNotEnabled("using `\"composite\"` as source", "compositeEmbedders")
	}
	for _, gate := range []struct{ member, feature string }{
		{"searchEmbedder", "compositeEmbedders"}, {"indexingEmbedder", "compositeEmbedders"},
		{"indexingFragments", "multimodal"}, {"searchFragments", "multimodal"},
	} {
		if isSet(e.Get(gate.member)) && !f.Get(gate.feature) {
			return meili.FeatureNotEnabled("setting `"+gate.member+"`", gate.feature)
		}
	}
	return nil
}

func (p *Patch) value(key string) *decode.Value { return p.values[places[key]] }

// Has says whether the change touches the setting of that name in the settings object.
func (p *Patch) Has(key string) bool {
	i, ok := places[key]
	return ok && p.values[i] != nil
}

// Empty says whether the change touches nothing.
func (p *Patch) Empty() bool {
	for _, v := range p.values {
		if v != nil {
			return false
		}
	}
	return true
}

// Apply gives the settings s become by the change, or the error the task fails
// with, to which the server prepends the index's name.
func (p *Patch) Apply(s *Settings) (*Settings, *meili.Error) {
	values := append([]decode.Value(nil), s.values...)
	for i, change := range p.values {
		switch {
		case change == nil:
		case change.Kind == decode.Null:
			values[i] = defaults[i]
		case fields[i].apply == nil:
			values[i] = *change
		default:
			v, err := fields[i].apply(values[i], *change)
			if err != nil {
				return nil, err
			}
			values[i] = v
		}
	}
	return newSettings(values), nil
}

// Details is the change as a task's details show it, secrets redacted.
func (p *Patch) Details() json.RawMessage { return p.render(true) }

// Raw is the change as a request body, secrets in clear.
func (p *Patch) Raw() json.RawMessage { return p.render(false) }

func (p *Patch) render(public bool) json.RawMessage {
	object := decode.Value{Kind: decode.Object}
	for i, v := range p.values {
		if v == nil {
			continue
		}
		value := *v
		switch key := fields[i].key; {
		case public && value.Kind == decode.Null && (key == "displayedAttributes" || key == "searchableAttributes"):
			value = defaults[i]
		case public && key == "embedders":
			value = redact(value)
		}
		object.Members = append(object.Members, decode.Member{Name: fields[i].key, Value: value})
	}
	return object.JSON()
}
