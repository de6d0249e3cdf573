package index

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// Scrub turns a node's error about an index into the words a client knows: the
// logical uid, lists of attributes as the logical settings have them, and no
// hidden field. It is what one server with the logical settings would say.
func Scrub(ix *Index, e *meili.Error) *meili.Error {
	if e == nil {
		return nil
	}
	message := renamed(e.Message, ix.Physical, ix.UID)
	message = relisted(message, e.Code, ix.Settings)
	message = renumbered(message, ix.Settings)
	if strings.Contains(message, hidden.Prefix) {
		message = hiddenMember.ReplaceAllString(message, "")
		message = firstMember.ReplaceAllString(message, "{")
	}
	if message == e.Message {
		return e
	}
	scrubbed := *e
	scrubbed.Message = message
	return &scrubbed
}

var (
	// hiddenMember is a hidden field in a document that a message shows;
	// firstMember is one that no other stands before.
	hiddenMember = regexp.MustCompile(`,"` + hidden.Prefix + `[a-z_]+":"[^"]*"`)
	firstMember  = regexp.MustCompile(`\{"` + hidden.Prefix + `[a-z_]+":"[^"]*",?`)
)

// renamed puts the logical uid where the server names the index; the rest of a
// message may be a client's own text.
func renamed(message, physical, uid string) string {
	if physical == uid {
		return message
	}
	start := 0
	if strings.HasPrefix(message, "Inside `") { // of a query in a multi-search
		if at := strings.Index(message, "`: "); at >= 0 {
			start = at + len("`: ")
		}
	}
	rest, ok := strings.CutPrefix(message[start:], "Index `"+physical+"`")
	if !ok || !strings.HasPrefix(rest, ":") && !strings.HasPrefix(rest, " not found.") && !strings.HasPrefix(rest, " already exists.") {
		return message
	}
	return message[:start] + "Index `" + uid + "`" + rest
}

// listing is one way in which the server lists the attributes it would have taken.
type listing struct {
	intro string
	each  bool   // every name stands in backticks, not the list as a whole
	none  string // what stands there instead of an empty list, if anything does
	// hides says whether what is not displayed is left out and counted as hidden.
	hides func(message, code string) bool
	// takes says whether the logical settings list a name that is none of the hidden.
	takes func(s *settings.Settings, name string) bool
}

func always(string, string) bool { return true }
func never(string, string) bool  { return false }

const noFilterable = "This index does not have configured filterable attributes."

var listings = []listing{
	{"Available filterable attribute patterns are: ", true, noFilterable, never, filters},
	{"Available filterable attributes patterns are: ", false, noFilterable, ofDistinct, filters},
	{"Available sortable attributes are: ", false, "This index does not have configured sortable attributes.", ofSearch, anything},
	{"Available searchable attributes are: ", false, "", always, anything},
	{"Available facet-searchable attributes patterns are: ", false, "This index does not have configured facet-searchable attributes.", always, anything},
}

func ofDistinct(message, _ string) bool { return strings.Contains(message, "as distinct attribute.") }
func ofSearch(_, code string) bool      { return code != "invalid_document_sort" }

func anything(*settings.Settings, string) bool { return true }

// filters says whether the logical settings declare a pattern for filters: the
// distinct attribute is declared on nodes only.
func filters(s *settings.Settings, pattern string) bool {
	return pattern != s.Distinct() || slices.ContainsFunc(s.Filterable(), func(rule settings.Filterable) bool {
		return (rule.Equality || rule.Comparison) && slices.Contains(rule.Patterns, pattern)
	})
}

// relisted makes the list of attributes in a message the logical one.
func relisted(message, code string, s *settings.Settings) string {
	for _, l := range listings {
		// A client's text may stand before the server's list, and a filter after it.
		line := len(message)
		at := strings.Index(message, l.intro)
		if at < 0 {
			continue
		}
		if end := strings.IndexByte(message[at:], '\n'); end >= 0 {
			line = at + end
		}
		from := at + len(l.intro)
		to := strings.Index(message[from:line], "`.")
		if to < 0 || message[from] != '`' {
			continue
		}
		to += from
		separator := ", "
		if l.each {
			separator = "`, `"
		}
		names := strings.Split(message[from+1:to], separator)
		names = slices.DeleteFunc(names, func(name string) bool {
			return strings.HasPrefix(name, hidden.Prefix) || !l.takes(s, name)
		})
		marker := false
		if l.hides(message, code) {
			names, marker = settings.Visible(names, s.Displayed())
		}
		if len(names) == 0 && l.none != "" {
			return message[:at] + l.none + message[to+len("`."):]
		}
		list := strings.Join(names, separator)
		if marker {
			list += ", <..hidden-attributes>"
		}
		return message[:from+1] + list + message[to:]
	}
	return message
}

var ruleNumber = regexp.MustCompile(`rule #(\d+)`)

// renumbered counts filterable rules without those that stand before the logical
// ones on nodes.
func renumbered(message string, s *settings.Settings) string {
	if !strings.Contains(message, " rule #") {
		return message
	}
	before, _ := addedRules(s)
	if len(before) == 0 {
		return message
	}
	return ruleNumber.ReplaceAllStringFunc(message, func(found string) string {
		n, err := strconv.Atoi(found[len("rule #"):])
		if err != nil || n < len(before) {
			return found
		}
		return "rule #" + strconv.Itoa(n-len(before))
	})
}
