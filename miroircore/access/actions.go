package access

import (
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// actionSet is a set of actions: bit i stands for meili.Actions[i].
type actionSet uint64

var actionBits = func() map[string]actionSet {
	bits := make(map[string]actionSet, len(meili.Actions))
	for i, action := range meili.Actions {
		bits[action] = 1 << i
	}
	return bits
}()

// scope says how a route that needs an action treats keys that are limited to
// some indexes.
type scope int

const (
	// globalOnly: such keys are refused, and cannot be made with the action.
	globalOnly scope = iota
	// byRoute: routes without an index in their path take them, and look
	// themselves at which indexes are touched.
	byRoute
	// byIndex: only routes with an index in their path take them.
	byIndex
)

var routeActions = []string{
	"documents.get", "search", "indexes.create", "indexes.get", "indexes.swap", "tasks.cancel", "tasks.delete",
	"tasks.get", "settings.get", "stats.*", "stats.get", "chatCompletions",
}

var indexActions = []string{
	"*", "*.get", "documents.*", "documents.add", "documents.delete", "indexes.*", "indexes.update", "indexes.delete",
	"indexes.compact", "fields.post", "tasks.*", "settings.*", "settings.update",
}

var scopes = func() map[string]scope {
	all := make(map[string]scope)
	for _, action := range routeActions {
		all[action] = byRoute
	}
	for _, action := range indexActions {
		all[action] = byIndex
	}
	return all
}()

// scopeOf gives the scope of an action; what is in no list is global.
func scopeOf(action string) scope { return scopes[action] }

// reads are the actions that *.get stands for. Neither keys.get nor
// chatCompletions is among them.
var reads = []string{
	"search", "documents.get", "export", "indexes.get", "tasks.get", "settings.get", "stats.get", "metrics.get",
	"version", "experimental.get", "network.get", "chats.get", "chatsSettings.get", "webhooks.get", "fields.post",
	"dynamicSearchRules.get",
}

// expand gives the actions that a key's list stands for. The wildcard of a group
// stands for the group's actions but not for itself: the documents edit route,
// which asks for documents.*, is open to * only.
func expand(actions []string) (set actionSet) {
	for _, action := range actions {
		group, wild := strings.CutSuffix(action, "*")
		switch {
		case action == "*":
			set |= (1<<len(meili.Actions) - 1) &^ actionBits["*.get"]
		case action == "*.get":
			for _, read := range reads {
				set |= actionBits[read]
			}
		case wild:
			for _, member := range meili.Actions {
				if strings.HasPrefix(member, group) && member != action {
					set |= actionBits[member]
				}
			}
		default:
			set |= actionBits[action]
		}
	}
	return set
}

// patterns are index uids, or beginnings of them that end with a star.
type patterns struct {
	list   []string
	sorted []string // as messages show them
}

func newPatterns(list []string) patterns {
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return patterns{list: list, sorted: slices.Compact(sorted)}
}

func (p patterns) match(index string) bool {
	for _, pattern := range p.list {
		if matches(pattern, index) {
			return true
		}
	}
	return false
}

func matches(pattern, index string) bool {
	if prefix, open := strings.CutSuffix(pattern, "*"); open {
		return strings.HasPrefix(index, prefix)
	}
	return pattern == index
}
