package access

import (
	"crypto/hmac"
	"encoding/json"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Grant is what one request may do.
type Grant struct {
	// All says that every index is allowed: lists need not be narrowed.
	All bool
	// KeyUID is the uid of the key in use, empty for the master key.
	KeyUID string
	// Identity names who asks in logs and limits, without a secret in it.
	Identity string

	key     *key   // nil for the master key
	rules   *rules // nil where there is no tenant token
	creates bool
}

var masterGrant = &Grant{All: true, Identity: "master", creates: true}

// openGrant is given while there is no master key.
var openGrant = &Grant{All: true, Identity: "anonymous", creates: true}

// Authorize says what the bearer of an Authorization header may do with action.
// index is the one named in the path, empty where there is none.
func (k *Keys) Authorize(header, action, index string) (*Grant, *meili.Error) {
	r := k.ring()
	token, refusal := bearer(header)
	if refusal != nil {
		if header == "" && r.master == "" { // no header at all
			return k.unkeyed(action)
		}
		return nil, refusal
	}
	if r.master == "" {
		return k.unkeyed(action)
	}
	digest := k.digest(token)
	if hmac.Equal(digest[:], r.masterDigest[:]) {
		return masterGrant, nil
	}
	return k.authorizeToken(r, token, digest, action, index)
}

// bearer takes the token out of an Authorization header.
func bearer(header string) (string, *meili.Error) {
	scheme, token, found := strings.Cut(strings.Trim(header, " \t"), " ")
	switch {
	case scheme != "Bearer":
		return "", meili.MissingAuthorizationHeader()
	case !found:
		return "", meili.InvalidAPIKey()
	}
	return token, nil
}

// unkeyed answers while there is no master key: all but the key routes is open.
func (k *Keys) unkeyed(action string) (*Grant, *meili.Error) {
	if strings.HasPrefix(action, "keys.") {
		return nil, meili.MissingMasterKey()
	}
	return openGrant, nil
}

func (k *Keys) authorizeToken(r *ring, token string, digest [32]byte, action, index string) (*Grant, *meili.Error) {
	var found *key
	var tenant *rules
	if action == "search" || action == "chatCompletions" {
		claims, isToken, refusal := k.tenant(r, token, digest)
		if refusal != nil {
			return nil, refusal
		}
		if isToken {
			// A token may be signed with what the value of a deleted key was.
			if found = r.byUID[claims.keyUID]; found == nil {
				return nil, meili.InvalidAPIKey()
			}
			tenant = claims.rules
		}
	}
	if found == nil {
		if found = k.byToken(r, token); found == nil {
			return nil, meili.InvalidAPIKey()
		}
	}
	if index != "" {
		if refusal := refuseIndex(found, tenant, index); refusal != nil {
			return nil, refusal
		}
	}
	if !k.holds(found, action, index) {
		return nil, meili.InvalidAPIKey()
	}
	g := &Grant{KeyUID: found.UID.String(), key: found, rules: tenant, creates: k.holds(found, "indexes.create", "")}
	g.Identity = g.KeyUID
	g.All = found.all
	if tenant != nil {
		g.Identity += " (tenant)"
		g.All = g.All && tenant.all()
	}
	return g, nil
}

// refuseIndex names the index that is out of bounds. What a tenant token allows
// its bearer may know; what the key behind it allows, not.
func refuseIndex(found *key, tenant *rules, index string) *meili.Error {
	switch {
	case tenant != nil && !tenant.match(index):
		return meili.NewError("invalid_api_key",
			"The provided tenant token cannot acces the index `%s`, allowed indexes are %s.", index, quoteList(tenant.sorted))
	case found.patterns.match(index):
		return nil
	case tenant != nil:
		return meili.NewError("invalid_api_key",
			"The API key used to generate this tenant token cannot acces the index `%s`.", index)
	}
	return meili.NewError("invalid_api_key",
		"The API key cannot acces the index `%s`, authorized indexes are %s.", index, quoteList(found.patterns.sorted))
}

// byToken finds the key of that value, nil where there is none.
func (k *Keys) byToken(r *ring, token string) *key {
	const length = 64
	if len(token) != length {
		return nil
	}
	var lower [length]byte // the server reads hex of either case
	for i := range length {
		c := token[i]
		if 'A' <= c && c <= 'F' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	found := r.byDigest[k.digest(string(lower[:]))]
	if found == nil || !hmac.Equal(lower[:], []byte(found.value)) {
		return nil
	}
	return found
}

// holds says whether a key gives a right now. index is empty on routes that name none.
func (k *Keys) holds(found *key, action, index string) bool {
	if found.granted&actionBits[action] == 0 {
		return false
	}
	if found.ExpiresAt != nil && !k.now().Before(*found.ExpiresAt) {
		return false
	}
	switch {
	case found.all:
		return true
	case index != "":
		return found.patterns.match(index)
	}
	return scopeOf(action) == byRoute && len(found.patterns.list) > 0
}

// Allows says whether the index may be touched.
func (g *Grant) Allows(index string) bool {
	if g.key == nil {
		return true
	}
	return g.key.patterns.match(index) && (g.rules == nil || g.rules.match(index))
}

// AllowsCreation says whether a write may bring the index into being.
func (g *Grant) AllowsCreation(index string) bool { return g.creates && g.Allows(index) }

// Visible is the filter for lists of tasks: nil when everything may be seen.
func (g *Grant) Visible() func(index string) bool {
	if g.All {
		return nil
	}
	return g.Allows
}

// SearchFilter gives the filter that the tenant token adds to searches of the
// index, nil where it adds none, or the refusal when the index is not allowed.
func (g *Grant) SearchFilter(index string) (json.RawMessage, *meili.Error) {
	if !g.Allows(index) {
		return nil, meili.InvalidAPIKey()
	}
	if g.rules == nil {
		return nil, nil
	}
	return g.rules.filter(index), nil
}
