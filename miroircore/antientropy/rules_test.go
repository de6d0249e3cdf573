package antientropy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/replica"
)

// someone lists documents of one shard.
func inShard(shard, n int) (ids []int) {
	for id := 0; len(ids) < n; id++ {
		if shardOf(id) == shard {
			ids = append(ids, id)
		}
	}
	return ids
}

// What most copies have is right, a newer version on another says nothing.
func TestRule23TheMajorityOfCopiesIsRightWhateverTheVersions(t *testing.T) {
	b := newBed(t, 3, []string{"a", "b", "c"})
	b.put("as it is", upTo(60)...)
	b.op += 1000
	b.putOn("b", "newer, and wrong", 7)
	b.do("c", http.MethodPost, "/indexes/books/documents/delete-batch", `[11]`)
	b.do("a", http.MethodPut, "/indexes/books/documents", `[{"id":13,"text":"changed, at the same version"}]`)

	fast := b.check(false)
	if fast.Different != 2 || fast.Copied != 2 || fast.Shards != shards || fast.Documents != 180-1 {
		t.Errorf("a fast pass: %+v", fast)
	}
	content := b.check(true)
	if content.Different != 1 || content.Copied != 1 || content.Deleted != 0 {
		t.Errorf("a pass over the contents: %+v", content)
	}
	b.same(60)
	for _, at := range b.ids {
		if text := b.has(at)["7"]; !strings.Contains(text, `"as it is"`) {
			t.Errorf("document 7 on node %s is %s", at, text)
		}
	}
	if again := b.check(true); again.Different != 0 {
		t.Errorf("another pass: %+v", again)
	}
}

// Absences are content, too: what most copies do not have goes.
func TestRule23AbsencesAreCopied(t *testing.T) {
	b := newBed(t, 3, []string{"a", "b", "c"})
	b.put("as it is", upTo(40)...)
	b.op++
	b.putOn("c", "on one copy alone", 777)
	if r := b.check(false); r.Different != 1 || r.Deleted != 1 || r.Copied != 0 {
		t.Errorf("result: %+v", r)
	}
	b.same(40)
}

// Of two copies the one that somebody else wrote to is wrong, wherever it stands
// in the placement.
func TestRule23TheCopyThatSomebodyElseWroteToIsWrong(t *testing.T) {
	for _, victim := range []string{"a", "b"} {
		t.Run(victim, func(t *testing.T) {
			b := newBed(t, 2, []string{"a", "b"})
			b.put("as it is", upTo(40)...)
			b.do(victim, http.MethodPost, "/indexes/books/documents/delete-batch", `[3,4]`)
			b.do(victim, http.MethodPut, "/indexes/books/documents", `[{"id":5,"text":"changed"}]`)
			if r := b.check(true); r.Different != 3 || r.Copied != 3 {
				t.Errorf("result: %+v", r)
			}
			b.same(40)
		})
	}
}

// What others did before copies were last compared whole says nothing any more.
func TestRule23WhatOthersDidLongAgoSaysNothing(t *testing.T) {
	b := newBed(t, 2, []string{"a", "b"})
	b.put("as it is", upTo(40)...)
	first := holders(b.ix(), shardOf(7))[0]
	second := map[string]string{"a": "b", "b": "a"}[first]
	b.do(first, http.MethodPut, "/indexes/books/documents", `[{"id":7,"text":"changed"}]`)
	if r := b.check(true); r.Different != 1 {
		t.Errorf("result: %+v", r)
	}
	b.do(second, http.MethodPut, "/indexes/books/documents", `[{"id":7,"text":"changed there"}]`)
	if r := b.check(true); r.Different != 1 || strings.Contains(b.has(first)["7"], "changed") {
		t.Errorf("result: %+v, %s", r, b.has(first)["7"])
	}
	b.same(40)
}

// Where others deleted on one copy and wrote on the other, what has the marks of
// the gateway stays.
func TestRule23WhatOthersDeletedAndWroteOnTwoCopies(t *testing.T) {
	for _, victim := range []string{"a", "b"} {
		b := newBed(t, 2, []string{"a", "b"})
		b.put("as it is", upTo(40)...)
		other := map[string]string{"a": "b", "b": "a"}[victim]
		b.do(victim, http.MethodPost, "/indexes/books/documents/delete-batch", `[3,4]`)
		b.do(other, http.MethodPost, "/indexes/books/documents", `[{"id":5,"text":"replaced"},{"id":99}]`)
		if r := b.check(true); r.Different != 4 || r.Copied != 3 || r.Deleted != 1 {
			t.Errorf("result: %+v", r)
		}
		b.same(40)
	}
}

// Copies are compared at one operation: what only looks different because a copy
// is on its way is neither reported nor written.
func TestRule23CopiesAreComparedAtOneOperation(t *testing.T) {
	b := newBed(t, 2, []string{"a", "b"})
	b.put("as it is", upTo(40)...)
	b.putOn("a", "under way", 3, 4) // b has it in its outbox
	b.queued["b"] = 10
	b.inHold = func() { b.putOn("b", "under way", 3, 4) }
	if r := b.check(false); r.Different != 0 || r.Copied+r.Deleted != 0 || b.holds == 0 {
		t.Errorf("%d holds, result: %+v", b.holds, r)
	}
	b.same(40)

	b.op++
	b.putOn("a", "under way again", 3)
	b.inHold = nil
	b.queued["b"] = 1_000_000 // it does not come to rest
	if r := b.check(false); r.Different != 0 || r.Copied+r.Deleted != 0 || len(r.Problems) != 1 {
		t.Errorf("result: %+v", r)
	}
	if text := b.has("b")["3"]; strings.Contains(text, "again") {
		t.Errorf("document 3 was copied: %s", text)
	}
}

// A delete that a copy has not had yet stays a delete: the others are not given
// back what they deleted, nor is anything copied to or from that one.
func TestRule23ADeleteThatIsUnderWayIsNotUndone(t *testing.T) {
	b := newBed(t, 3, []string{"a", "b", "c"})
	b.put("as it is", upTo(40)...)
	ids := b.ids
	b.ids = []string{"a", "b"}
	b.delete(5, 6)
	b.ids = ids
	b.behind["c"] = true
	if r := b.check(true); r.Different != 0 || r.Copied+r.Deleted != 0 {
		t.Errorf("result: %+v", r)
	}
	b.behind["c"], b.ids = false, []string{"c"}
	b.op--
	b.delete(5, 6) // it returns and gets it
	b.ids = ids
	if r := b.check(true); r.Different != 0 {
		t.Errorf("result after its return: %+v", r)
	}
	b.same(38)
}

// Each copy is wrong about another document: none of them is right as a whole.
func TestRule23EachDocumentIsJudgedByItself(t *testing.T) {
	b := newBed(t, 3, []string{"a", "b", "c"})
	b.put("as it is", upTo(40)...)
	for i, at := range b.ids {
		b.do(at, http.MethodPost, "/indexes/books/documents/delete-batch", fmt.Sprint("[", i, "]"))
	}
	if r := b.check(false); r.Different != 3 || r.Copied != 3 {
		t.Errorf("result: %+v", r)
	}
	b.same(40)
}

// A fast pass reads ids and versions, one over the contents sees what keeps its
// version; both give the buckets of a shard.
func TestRule24ADifferenceIsFoundInItsBucket(t *testing.T) {
	b := newBed(t, 2, []string{"a", "b"})
	ids := inShard(2, 30)
	b.put("as it is", ids...)
	b.do("b", http.MethodPut, "/indexes/books/documents", fmt.Sprintf(`[{"id":%d,"text":"changed"}]`, ids[9]))
	for _, fast := range []bool{true, false} {
		readers, err := b.checker().readers(b.ix(), b.ids, fast)
		if err != nil {
			t.Fatal(err)
		}
		all, err := prints(t.Context(), readers, []int{0, 1, 2, 3})
		if err != nil {
			t.Fatal(err)
		}
		buckets := differing(all, []int{0, 1, 2, 3})
		if fast != (len(buckets) == 0) || !fast && (len(buckets) != 1 || len(buckets[2]) != 1) {
			t.Errorf("fast %t: differing buckets are %v", fast, buckets)
		}
		read := 0
		for i, r := range readers {
			if err := r.In(t.Context(), buckets, func(string, int, replica.Seen) { read++ }); err != nil {
				t.Fatal(i, err)
			}
		}
		if read > len(ids) {
			t.Errorf("%d documents of differing buckets are compared", read)
		}
	}
}

// Copies in two groups of which each is split are copies like any other.
func TestCopiesOfTwoGroupsAreCompared(t *testing.T) {
	b := newBed(t, 1, []string{"a", "b"}, []string{"x", "y"})
	b.put("as it is", upTo(80)...)
	for _, at := range []string{"x", "y"} {
		b.do(at, http.MethodPost, "/indexes/books/documents/delete-batch", `[1,2,3,4]`)
	}
	if r := b.check(false); r.Different != 4 || r.Copied != 4 || r.Skipped != 0 {
		t.Errorf("result: %+v", r)
	}
	b.same(80)
}

// What lies on a node and belongs to none of its shards goes, whether it has the
// marks of the gateway or not.
func TestDocumentsThatDoNotBelongToANodeAreDeletedThere(t *testing.T) {
	b := newBed(t, 2, []string{"a", "b", "c"})
	b.put("as it is", upTo(60)...)
	for _, at := range b.ids {
		for id := range 60 { // one of another shard, with all marks
			if !slices.Contains(holders(b.ix(), shardOf(id)), at) {
				b.do(at, http.MethodPost, "/indexes/books/documents", "["+doc(id, 5, "a stray copy")+"]")
				break
			}
		}
	}
	b.do("a", http.MethodPost, "/indexes/books/documents", `[{"id":901},{"id":902},{"id":903},{"id":9003,"_miroir_shard":7}]`)
	r := b.check(false)
	if r.Deleted == 0 || len(r.Problems) > 0 || r.Left > 0 {
		t.Errorf("result: %+v", r)
	}
	b.same(60)

	for _, at := range b.ids { // somebody wrote it everywhere: nobody says that it is wrong
		b.do(at, http.MethodPost, "/indexes/books/documents", `[{"id":77}]`)
	}
	if r := b.check(false); r.Deleted != 1 || r.Left != 2 || len(r.Problems) == 0 {
		t.Errorf("result: %+v", r)
	}
	b.same(61)
}

// A document that somebody else replaced has no other copy to be made from: it is
// told of, and nothing is deleted.
func TestAnOnlyCopyIsLeftAlone(t *testing.T) {
	b := newBed(t, 1, []string{"a", "b"})
	b.put("as it is", upTo(20)...)
	at := holders(b.ix(), shardOf(3))[0]
	b.do(at, http.MethodPost, "/indexes/books/documents", `[{"id":3,"text":"replaced"}]`)
	r := b.check(false)
	if r.Left != 1 || r.Deleted+r.Copied > 0 || len(r.Problems) == 0 || r.Skipped != shards {
		t.Errorf("result: %+v", r)
	}
	if problems := b.checker().Report().Problems; len(problems) == 0 || !strings.Contains(problems[0], "document 3 on node "+at) {
		t.Errorf("problems: %v", problems)
	}
	b.same(20)
}

// A copy that lost its index, or very much of it, is made anew.
func TestACopyThatIsFarOffIsMadeAnew(t *testing.T) {
	b := newBed(t, 3, []string{"a", "b", "c"})
	b.put("as it is", upTo(60)...)
	b.do("b", http.MethodDelete, "/indexes/books", "")
	if r := b.check(false); r.Rebuilt != 1 || !slices.Equal(b.drifted, []string{"b"}) {
		t.Errorf("result: %+v, made anew: %v", r, b.drifted)
	}
}
