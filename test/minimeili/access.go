package minimeili

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// grant is what the token of a request allows.
type grant struct {
	everything bool
	indexes    []string                   // patterns of the key
	actions    []string                   // of the key
	rules      map[string]json.RawMessage // of the tenant token by pattern; nil without one
}

// all says whether the grant is limited to no indexes.
func (g *grant) all() bool {
	if g.everything {
		return true
	}
	if g.rules != nil {
		if _, any := g.rules["*"]; !any {
			return false
		}
	}
	return slices.Contains(g.indexes, "*")
}

// allows says whether an index may be used.
func (g *grant) allows(uid string) bool {
	return g.everything || matchAny(g.indexes, uid) && (g.rules == nil || matchAny(keysOf(g.rules), uid))
}

// creates says whether a write may create the index.
func (g *grant) creates(uid string) bool {
	return g.everything || permits(g.actions, "indexes.create") && g.allows(uid)
}

// within gives the filter a tenant token lays over searches of an index.
func (g *grant) within(uid string) json.RawMessage {
	best := ""
	for pattern := range g.rules {
		if !matchPattern(pattern, uid) {
			continue
		}
		if best == "" || closer(pattern, best) {
			best = pattern
		}
	}
	var rule struct {
		Filter json.RawMessage `json:"filter"`
	}
	if g.rules[best] == nil || json.Unmarshal(g.rules[best], &rule) != nil || string(rule.Filter) == "null" {
		return nil
	}
	return rule.Filter
}

// closer says whether a pattern fits an index more closely than another.
func closer(a, b string) bool {
	exactA, exactB := !strings.HasSuffix(a, "*"), !strings.HasSuffix(b, "*")
	if exactA != exactB {
		return exactA
	}
	return len(a) > len(b)
}

func keysOf(m map[string]json.RawMessage) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

func matchPattern(pattern, uid string) bool {
	if prefix, open := strings.CutSuffix(pattern, "*"); open {
		return strings.HasPrefix(uid, prefix)
	}
	return pattern == uid
}

func matchAny(patterns []string, uid string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matchPattern(p, uid) })
}

// authorize checks the token of a request for an action, on an index when the
// path names one.
func (c *instance) authorize(h http.Header, action, index string) (*grant, *meili.Error) {
	token, sent, err := bearer(h)
	if err != nil {
		return nil, err
	}
	master, onKeys := c.config.masterKey, strings.HasPrefix(action, "keys.")
	switch {
	case master == "" && !onKeys, master != "" && token == master:
		return &grant{everything: true}, nil
	case master == "":
		return nil, meili.MissingMasterKey()
	case !sent:
		return nil, meili.MissingAuthorizationHeader()
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	g, key, err := c.tenant(token, action)
	if err != nil {
		return nil, err
	}
	if g == nil {
		if key = c.keys.byValue(token, master); key == nil {
			return nil, meili.InvalidAPIKey()
		}
		g = &grant{}
	}
	g.indexes, g.actions = key.Indexes, key.Actions
	if index != "" {
		if err := g.refuseIndex(index); err != nil {
			return nil, err
		}
	}
	if key.expired(c.config.now()) || !permits(key.Actions, action) || global(action) && !slices.Contains(key.Indexes, "*") {
		return nil, meili.InvalidAPIKey()
	}
	return g, nil
}

// bearer takes the token out of the header.
func bearer(h http.Header) (token string, sent bool, err *meili.Error) {
	header, sent := h["Authorization"]
	if !sent {
		return "", false, nil
	}
	scheme, token, spaced := strings.Cut(header[0], " ")
	switch {
	case scheme != "Bearer":
		return "", true, meili.MissingAuthorizationHeader()
	case !spaced:
		return "", true, meili.InvalidAPIKey()
	}
	return token, true, nil
}

// refuseIndex says why an index cannot be used.
func (g *grant) refuseIndex(uid string) *meili.Error {
	if g.rules != nil && !matchAny(keysOf(g.rules), uid) {
		return meili.NewError("invalid_api_key", "The provided tenant token cannot acces the index `%s`, allowed indexes are %s.",
			uid, debugList(keysOf(g.rules)))
	}
	if matchAny(g.indexes, uid) {
		return nil
	}
	if g.rules != nil {
		return meili.NewError("invalid_api_key", "The API key used to generate this tenant token cannot acces the index `%s`.", uid)
	}
	sorted := slices.Sorted(slices.Values(g.indexes))
	return meili.NewError("invalid_api_key", "The API key cannot acces the index `%s`, authorized indexes are %s.", uid, debugList(sorted))
}

func debugList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = string(meili.AppendString(nil, s))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// readActions is what *.get stands for.
var readActions = []string{
	"search", "documents.get", "export", "indexes.get", "tasks.get", "settings.get", "stats.get", "metrics.get", "version",
	"experimental.get", "network.get", "chats.get", "chatsSettings.get", "webhooks.get", "fields.post", "dynamicSearchRules.get",
}

// permits says whether a key's actions hold an action.
func permits(actions []string, action string) bool {
	if slices.Contains(actions, "*") {
		return true
	}
	if action == "documents.*" { // the server never finds this one in an expanded list
		return false
	}
	family, _, _ := strings.Cut(action, ".")
	return slices.Contains(actions, action) || slices.Contains(actions, family+".*") ||
		slices.Contains(actions, "*.get") && slices.Contains(readActions, action)
}

// global says whether an action is one that no key of some indexes may do.
func global(action string) bool {
	family, _, _ := strings.Cut(action, ".")
	switch family {
	case "metrics", "dumps", "snapshots", "version", "keys", "experimental", "export", "network", "chats", "chatsSettings",
		"webhooks", "dynamicSearchRules":
		return true
	}
	return action == "tasks.compact"
}
