package index

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// everything has the features on that add settings of their own.
var everything = func() (f meili.Features) {
	f.Set("chatCompletions", true)
	f.Set("foreignKeys", true)
	return f
}()

// known are the names of the settings.
var known = func() map[string]bool {
	names := make(map[string]bool)
	for _, m := range members(settings.Default().JSON(everything)) {
		names[m.name] = true
	}
	return names
}()

// ShownDigest is the SHA-256 of settings as a node shows them, in hex: of their
// canonical form, so that neither order nor what a newer server adds, at any
// depth, makes a difference.
func ShownDigest(shown json.RawMessage) (string, error) {
	s, err := settings.FromShown(shown)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(s.Raw())
	return hex.EncodeToString(sum[:]), nil
}

// PhysicalDigest is the ShownDigest of the settings that nodes have for logical
// ones.
func PhysicalDigest(logical *settings.Settings) (string, error) {
	s, err := settings.FromRaw(Physical(logical))
	if err != nil {
		return "", err
	}
	return ShownDigest(s.JSON(everything))
}

// Change is the body that makes a node's settings those for to where it has those
// for from. It is Physical and, since a server merges embedders by name and by
// member, null for each that is to go.
func Change(from, to *settings.Settings) json.RawMessage {
	list := members(Physical(to))
	for i := range list {
		if list[i].name == "embedders" {
			list[i].value = changedEmbedders(from, to, list[i].value)
		}
	}
	return object(list)
}

func changedEmbedders(from, to *settings.Settings, physical json.RawMessage) json.RawMessage {
	null := json.RawMessage("null")
	var list []member
	if len(physical) > 0 && physical[0] == '{' {
		list = members(physical)
	}
	for _, was := range from.Embedders() {
		i := slices.IndexFunc(list, func(m member) bool { return m.name == was.Name })
		if i < 0 {
			list = append(list, member{was.Name, null})
			continue
		}
		is := slices.IndexFunc(to.Embedders(), func(e settings.Embedder) bool { return e.Name == was.Name })
		if to.Embedders()[is].Source != was.Source {
			continue // another source forgets by itself
		}
		now := members(list[i].value)
		for _, m := range members(was.Raw) {
			if !slices.ContainsFunc(now, func(other member) bool { return other.name == m.name }) {
				now = append(now, member{m.name, null})
			}
		}
		list[i].value = object(now)
	}
	return object(list)
}
