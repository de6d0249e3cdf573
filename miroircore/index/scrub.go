package index

import (
	"regexp"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// available finds the lists of attributes in the server's messages: the names
// stand each in backticks, or all of them in one pair.
var available = regexp.MustCompile("Available (filterable|sortable|searchable) attributes? ?(?:patterns )?are: (`[^\n]*`)\\.")

// Scrub turns a node's error about an index into the words a client knows: the
// logical uid, and no hidden attribute.
func Scrub(ix *Index, e *meili.Error) *meili.Error {
	if e == nil {
		return nil
	}
	message := e.Message
	if ix.Physical != ix.UID {
		message = strings.ReplaceAll(message, "ndex `"+ix.Physical+"`", "ndex `"+ix.UID+"`")
	}
	if strings.Contains(message, hidden.Prefix) {
		message = available.ReplaceAllStringFunc(message, withoutHidden)
	}
	if message == e.Message {
		return e
	}
	scrubbed := *e
	scrubbed.Message = message
	return &scrubbed
}

func withoutHidden(sentence string) string {
	parts := available.FindStringSubmatch(sentence)
	kind, list := parts[1], parts[2]
	separator := ", "
	names := strings.Split(strings.Trim(list, "`"), separator)
	if strings.Contains(list, "`, `") {
		separator = "`, `"
		names = strings.Split(strings.Trim(list, "`"), separator)
	}
	kept := names[:0]
	for _, name := range names {
		if !strings.HasPrefix(name, hidden.Prefix) {
			kept = append(kept, name)
		}
	}
	if len(kept) == 0 {
		return "This index does not have configured " + kind + " attributes."
	}
	return strings.Replace(sentence, list, "`"+strings.Join(kept, separator)+"`", 1)
}
