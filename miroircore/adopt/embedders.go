package adopt

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// embedders are the embedders of an index, by name.
type embedders map[string]map[string]json.RawMessage

func embeddersOf(all shown) (embedders, error) {
	out := embedders{}
	if raw, ok := all["embedders"]; ok {
		if err := json.Unmarshal(raw, &out); err != nil {
			return nil, fmt.Errorf("reading embedders: %w", err)
		}
	}
	return out, nil
}

const secret = "apiKey"

// withoutKeys gives embedders without their secrets, which servers show in part
// only, and any other setting as it is.
func withoutKeys(name string, value json.RawMessage) json.RawMessage {
	if name != "embedders" {
		return value
	}
	all, err := embeddersOf(shown{name: value})
	if err != nil {
		return value
	}
	for _, e := range all {
		delete(e, secret)
	}
	out, err := json.Marshal(all)
	if err != nil {
		return value
	}
	return out
}

// planEmbedders puts the secrets that were given into the embedders to send, and
// takes out those that are shown in part. What the gateway has of both sides'
// secrets does not count as a difference.
func (p *Plan) planEmbedders(ix *IndexPlan, here shown) error {
	sent, err := embeddersOf(ix.change.sent)
	if err != nil {
		return err
	}
	want, err := embeddersOf(ix.change.want)
	if err != nil {
		return err
	}
	have, err := embeddersOf(here)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := want[name]["indexingFragments"]; ok {
			ix.change.remade = append(ix.change.remade, name)
			p.note("index %s: the vectors of embedder %s are made anew, since it embeds in fragments: its service is called for each document", ix.UID, name)
		}
		p.planSecret(ix, name, sent[name], want[name], have[name])
	}
	for name := range have {
		if want[name] == nil {
			sent[name] = nil
		}
	}
	if len(sent) == 0 {
		return nil
	}
	ix.change.sent = maps.Clone(ix.change.sent)
	if ix.change.sent["embedders"], err = json.Marshal(sent); err != nil {
		return err
	}
	if ix.change.want["embedders"], err = json.Marshal(want); err != nil {
		return err
	}
	if _, ok := here["embedders"]; ok {
		here["embedders"], err = json.Marshal(have)
	}
	return err
}

// planSecret decides about the secret of one embedder.
func (p *Plan) planSecret(ix *IndexPlan, name string, sent, want, have map[string]json.RawMessage) {
	for member := range have {
		if _, ok := want[member]; !ok && sent != nil {
			sent[member] = json.RawMessage("null")
		}
	}
	delete(sent, secret)
	given, ok := p.adoption.EmbedderKeys[ix.UID+"/"+name]
	switch hidden := want[secret]; {
	case ok:
		sent[secret], _ = json.Marshal(given) // a text always marshals
		want[secret], _ = json.Marshal(settings.HideSecret(given, 0))
	case len(hidden) == 0 || string(hidden) == "null":
	case len(have[secret]) > 0 && string(have[secret]) != "null":
		want[secret] = have[secret] // it was given before
	case p.adoption.WithoutKeys:
		delete(want, secret)
		p.note("index %s: embedder %s comes without its apiKey, which the source does not show: searches that embed their text fail until it is set here", ix.UID, name)
	default:
		p.problem("index %s: embedder %s has an apiKey that the source does not show: give it with --embedder-key %s/%s=KEY, or go on without it (--without-embedder-keys)",
			ix.UID, name, ix.UID, name)
	}
}
