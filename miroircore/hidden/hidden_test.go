package hidden

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestVersionsReadBackAndSortAsTheirValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
		textA, textB := string(AppendVersion(nil, a)), string(AppendVersion([]byte{}, b))
		if len(textA) != VersionBytes || !utf8.ValidString(textA) {
			t.Fatalf("%d is written as %q", a, textA)
		}
		if back, err := Value(textA); err != nil || back != a {
			t.Fatalf("%d is read back as %d, %v", a, back, err)
		}
		if a < b != (textA < textB) {
			t.Fatalf("%d and %d sort as %q and %q", a, b, textA, textB)
		}
	})
}

func TestShardsReadBackAndHaveOneWidth(t *testing.T) {
	for _, shards := range []int{1, 2, 64, 1024, 1025, MaxShards} {
		seen := map[string]bool{}
		for shard := 0; shard < shards; shard += 1 + shards/2000 {
			text := string(AppendShard(nil, shard, shards))
			if len(text) != 3*ShardChars(shards) || seen[text] {
				t.Fatalf("shard %d of %d is %q", shard, shards, text)
			}
			seen[text] = true
			if back, err := Value(text); err != nil || back != uint64(shard) {
				t.Fatalf("shard %d is read back as %d, %v", shard, back, err)
			}
		}
	}
	if ShardChars(1024) != 2 || ShardChars(1025) != 3 {
		t.Errorf("widths %d and %d", ShardChars(1024), ShardChars(1025))
	}
}

func TestAlphabetIsInTheOrderOfItsValues(t *testing.T) {
	runes := []rune(Alphabet)
	if len(runes) != 32 {
		t.Fatalf("%d characters", len(runes))
	}
	for i, r := range runes {
		if value, err := Value(string(r)); err != nil || value != uint64(i) {
			t.Errorf("%c is %d, %v", r, value, err)
		}
	}
}

func TestVersionsGrowWithOperationsThenPositions(t *testing.T) {
	last := uint64(0)
	for _, v := range []uint64{Version(0, 1), Version(0, 1<<24-1), Version(1, 0), Version(1, 1), Version(2, 0), Version(1<<40-1, 1<<24-1)} {
		if v <= last {
			t.Errorf("%x does not grow from %x", v, last)
		}
		last = v
	}
}

func TestOtherTextsAreNoValues(t *testing.T) {
	for _, text := range []string{"", "a", "abc", "⊰⊰a", "⋐", "⊯", strings.Repeat("⊰", 14), "⊰\xe2\x8a", "\xff\xff\xff"} {
		if value, err := Value(text); err == nil {
			t.Errorf("%q is read as %d", text, value)
		}
	}
}
