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
	// touched says that somebody else than the gateway did to the index there what
	// may have led to this: deleted documents, or wrote some.
	touched bool
}

// judge says which copy of a document is right, and which ones are not. All have
// applied the same operations, so what differs was changed by something else:
// what more than half of them have is right; without such a majority what nobody
// else may have brought about; then the first copy of the placement. Where others
// deleted documents on one copy and wrote some on another, a document with the
// marks of the gateway is one that was deleted. What has no such marks is right
// only if nothing else is. Versions and times say nothing.
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

func (o *opinion) weight(all []opinion) (w int) {
	supporters, untouched, anywhere := 0, 0, 0
	for i := range all {
		if !all[i].touched {
			anywhere++
		}
		if o.like(&all[i]) {
			supporters++
			if !all[i].touched {
				untouched++
			}
		}
	}
	for _, reason := range []bool{
		!o.there || !o.seen.Foreign,
		2*supporters > len(all),
		untouched > 0,
		!o.touched,
		o.there && anywhere == 0,
	} {
		w *= 2
		if reason {
			w++
		}
	}
	return w
}
