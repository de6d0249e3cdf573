package index

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

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
// canonical form, so that neither order nor what a server adds that this
// gateway does not know makes a difference.
func ShownDigest(shown json.RawMessage) (string, error) {
	var list []member
	for _, m := range members(shown) {
		if known[m.name] {
			list = append(list, m)
		}
	}
	s, err := settings.FromRaw(object(list))
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
