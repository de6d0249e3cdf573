package minimeili

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// claims are what a tenant token says.
type claims struct {
	SearchRules json.RawMessage `json:"searchRules"`
	Expires     *int64          `json:"exp"`
	KeyUID      string          `json:"apiKeyUid"`
}

var hashes = map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}

func undecodable(reason string, args ...any) *meili.Error {
	return meili.NewError("invalid_api_key", "Could not decode tenant token, %s.", fmt.Sprintf(reason, args...))
}

// tenant checks a token as a tenant token. Without error and without grant it
// is none, and may be a key. The caller holds mu.
func (c *instance) tenant(token, action string) (*grant, *key, *meili.Error) {
	if action != "search" && action != "chatCompletions" || strings.Count(token, ".") < 2 {
		return nil, nil, nil
	}
	end := strings.LastIndexByte(token, '.')
	middle := strings.LastIndexByte(token[:end], '.')
	parts := []string{token[:middle], token[middle+1 : end], token[end+1:]}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var said claims
	if err := decodePart(parts[0], &header); err != nil {
		return nil, nil, err
	}
	if err := decodePart(parts[1], &said); err != nil {
		return nil, nil, err
	}
	algorithm := hashes[header.Algorithm]
	if algorithm == nil {
		return nil, nil, undecodable("InvalidAlgorithm")
	}
	if said.SearchRules == nil {
		return nil, nil, undecodable("JSON error: missing field `searchRules` at line 1 column %d", base64.RawURLEncoding.DecodedLen(len(parts[1])))
	}
	uid, wrong := request.ParseUUID(said.KeyUID)
	if wrong != "" {
		return nil, nil, undecodable("JSON error: UUID parsing failed: %s", wrong)
	}
	mac := hmac.New(algorithm, []byte(keyValue(uid, c.config.masterKey)))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(signature, mac.Sum(nil)) {
		return nil, nil, undecodable("InvalidSignature")
	}
	if now := c.config.now().Unix(); said.Expires != nil && now > *said.Expires {
		return nil, nil, meili.NewError("invalid_api_key", "Tenant token expired. Was valid up to `%d` and we're now `%d`.", *said.Expires, now)
	}
	k := c.keys.byUID(uid)
	rules, fine := readRules(said.SearchRules)
	if k == nil || !fine {
		return nil, nil, meili.InvalidAPIKey()
	}
	return &grant{rules: rules}, k, nil
}

// readRules reads the rules, a list of patterns or an object by pattern.
func readRules(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	rules := map[string]json.RawMessage{}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		for _, pattern := range list {
			rules[pattern] = nil
		}
		return rules, true
	}
	return rules, json.Unmarshal(raw, &rules) == nil
}

func decodePart(part string, into any) *meili.Error {
	if at := strings.IndexByte(part, '.'); at >= 0 {
		return undecodable("Base64 error: Invalid symbol 46, offset %d.", at)
	}
	if len(part)%4 == 1 {
		return undecodable("Base64 error: Invalid input length: %d", len(part))
	}
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return undecodable("Base64 error: %v", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return undecodable("JSON error: %v", err)
	}
	return nil
}
