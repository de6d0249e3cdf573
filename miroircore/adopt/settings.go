package adopt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// shown are settings as a server shows them, by name.
type shown map[string]json.RawMessage

// everything has the features on that show settings of their own.
var everything = func() (f meili.Features) {
	f.Set("foreignKeys", true)
	return f
}()

// settingsChange is what makes the settings here those of the source.
type settingsChange struct {
	// want are all settings of the source in their canonical form, sent those as
	// the source shows them.
	want, sent shown
	// remade are embedders whose vectors cannot be given along.
	remade []string
}

// canonical gives settings filled in and in one spelling, without those that
// the gateway does not know.
func canonical(all shown) (shown, []string, error) {
	usual, err := unpack(settings.Default().JSON(everything))
	if err != nil {
		return nil, nil, err
	}
	known, unknown := shown{}, []string(nil)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if _, ok := usual[name]; ok {
			known[name] = all[name]
		} else {
			unknown = append(unknown, name)
		}
	}
	text, err := json.Marshal(known)
	if err != nil {
		return nil, nil, err
	}
	s, err := settings.FromRaw(text)
	if err != nil {
		return nil, nil, err
	}
	filled, err := unpack(s.JSON(everything))
	return filled, unknown, err
}

func unpack(object json.RawMessage) (shown, error) {
	var all shown
	return all, json.Unmarshal(object, &all)
}

func (s *side) settings(ctx context.Context, uid string) (shown, error) {
	var all shown
	return all, s.get(ctx, "/indexes/"+uid+"/settings", &all)
}

// planSettings finds out which settings of an index differ, and which secrets
// of embedders are missing.
func (p *Plan) planSettings(ctx context.Context, ix *IndexPlan) error {
	sent, err := p.adoption.source.settings(ctx, ix.UID)
	if err != nil {
		return fmt.Errorf("reading the settings of index %s: %w", ix.UID, err)
	}
	want, unknown, err := canonical(sent)
	if err != nil {
		p.problem("index %s: the gateway does not understand its settings: %v", ix.UID, err)
		return nil
	}
	for _, name := range unknown {
		if name != "chat" { // every index has it where chats are on, which is noted once
			p.note("index %s: the setting %s is unknown to the gateway and is not taken", ix.UID, name)
		}
	}
	p.separators(ix.UID, sent)
	have := shown{}
	if !ix.New {
		if have, err = p.adoption.target.settings(ctx, ix.UID); err != nil {
			return fmt.Errorf("reading the settings of index %s here: %w", ix.UID, err)
		}
	}
	here, _, err := canonical(have)
	if err != nil {
		return fmt.Errorf("reading the settings of index %s here: %w", ix.UID, err)
	}
	ix.change = settingsChange{want: want, sent: sent}
	if err := p.planEmbedders(ix, here); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !bytes.Equal(want[name], here[name]) {
			ix.Settings = append(ix.Settings, name)
		}
	}
	return nil
}

// separators finds tokens that would make the gateway's fields searchable.
func (p *Plan) separators(uid string, sent shown) {
	var tokens []string
	if json.Unmarshal(sent["nonSeparatorTokens"], &tokens) != nil {
		return
	}
	for _, token := range tokens {
		if bytes.ContainsAny([]byte(token), hidden.Alphabet) {
			p.problem("index %s: its nonSeparatorTokens name %s, which the gateway needs for itself: change that at the source, or leave the index out with --index", uid, token)
		}
	}
}

// applySettings gives an index its settings and reads them back. What a server
// merges into what was there, and so is still another, is set back first.
func (a *adoption) applySettings(ctx context.Context, ix *IndexPlan) error {
	differing := ix.Settings
	for attempt := 0; len(differing) > 0; attempt++ {
		if attempt == 3 {
			return fmt.Errorf("the settings %v of index %s are still others after they were set", differing, ix.UID)
		}
		if attempt > 0 {
			reset := map[string]any{}
			for _, name := range differing {
				reset[name] = nil
			}
			if err := a.target.enqueue(ctx, http.MethodPatch, "/indexes/"+ix.UID+"/settings", reset); err != nil {
				return err
			}
		}
		change := shown{}
		for _, name := range differing {
			change[name] = ix.change.want[name]
			if raw, ok := ix.change.sent[name]; ok {
				change[name] = raw
			}
		}
		if err := a.target.enqueue(ctx, http.MethodPatch, "/indexes/"+ix.UID+"/settings", change); err != nil {
			return err
		}
		have, err := a.target.settings(ctx, ix.UID)
		if err != nil {
			return err
		}
		here, _, err := canonical(have)
		if err != nil {
			return err
		}
		differing = nil
		for name, want := range ix.change.want {
			if !bytes.Equal(withoutKeys(name, want), withoutKeys(name, here[name])) {
				differing = append(differing, name)
			}
		}
		slices.Sort(differing)
	}
	return nil
}
