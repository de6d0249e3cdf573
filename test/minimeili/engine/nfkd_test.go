package engine

import (
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestDecompositionIsUnicodes(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if text := string(r); nfkd(text) != norm.NFKD.String(text) {
			t.Fatalf("%U becomes %+q", r, nfkd(text))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		runes := rapid.SliceOfN(rapid.SampledFrom([]rune("aéÅ\u0301\u0327\u0323ﬁ각ⅷ½ﷺ\u0345ω")), 0, 12).Draw(t, "text")
		if text := string(runes); nfkd(text) != norm.NFKD.String(text) {
			t.Fatalf("%+q becomes %+q, want %+q", text, nfkd(text), norm.NFKD.String(text))
		}
	})
}
