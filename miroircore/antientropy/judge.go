package antientropy

import (
	"github.com/miroir-gateway/miroir/miroircore/replica"
)

// opinion is what one copy, in order and at the same operation as the others,
// has of a document.
type opinion struct {
	node  string
	there bool
	seen  replica.Seen
	// touched says that somebody else than the gateway wrote to the index there.
	touched bool
}

// judge says which copy of a document is right, and which ones are not. All have
// applied the same operations, so what differs was changed by something else:
// what more than half of them have is right; without such a majority a copy that
// nobody else wrote to, and of those the first of the placement. What is there
// without the marks of the gateway is right only if nothing else is. Versions
// and times say nothing.
func judge(all []opinion) (source string, wrong []string) {
	best, weight := 0, -1
	for i := range all {
		if w := all[i].weight(all); w > weight {
			best, weight = i, w
		}
	}
	for i := range all {
		if !all[i].like(&all[best]) {
			wrong = append(wrong, all[i].node)
		}
	}
	return all[best].node, wrong
}

func (o *opinion) like(other *opinion) bool {
	return o.there == other.there && (!o.there || o.seen == other.seen)
}

func (o *opinion) weight(all []opinion) int {
	supporters, untouched := 0, 0
	for i := range all {
		if o.like(&all[i]) {
			supporters++
			if !all[i].touched {
				untouched++
			}
		}
	}
	const marked, majority, clean = 8, 4, 2
	w := 0
	if !o.there || !o.seen.Foreign {
		w += marked
	}
	if 2*supporters > len(all) {
		w += majority
	}
	if untouched > 0 {
		w += clean
	}
	if !o.touched {
		w++
	}
	return w
}
