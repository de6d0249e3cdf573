package engine

import (
	_ "embed"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// nfkdTable is Unicode's compatibility decomposition, a line a character: its
// code point and those it stands for, or = and its combining class. Hangul
// syllables are worked out.
//
//go:embed nfkd.txt
var nfkdTable string

// decompositions are the lines of the table.
type decompositions struct {
	of    map[rune]string
	class map[rune]uint8
}

var loadNFKD = sync.OnceValue(func() decompositions {
	d := decompositions{of: map[rune]string{}, class: map[rune]uint8{}}
	for line := range strings.Lines(nfkdTable) {
		fields := strings.Fields(line)
		r := codePoint(fields[0])
		if class, ok := strings.CutPrefix(fields[1], "="); ok {
			n, err := strconv.ParseUint(class, 10, 8)
			if err != nil {
				panic("nfkd.txt: " + line)
			}
			d.class[r] = uint8(n)
			continue
		}
		var text strings.Builder
		for _, field := range fields[1:] {
			text.WriteRune(codePoint(field))
		}
		d.of[r] = text.String()
	}
	return d
})

func codePoint(hex string) rune {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		panic("nfkd.txt: " + hex)
	}
	return rune(n)
}

// The first of the Hangul syllables, of their parts, and how many parts there are.
const (
	hangul      = 0xAC00
	hangulL     = 0x1100
	hangulV     = 0x1161
	hangulT     = 0x11A7
	hangulVs    = 21
	hangulTs    = 28
	hangulCount = 19 * hangulVs * hangulTs
)

// nfkd gives a text's compatibility decomposition.
func nfkd(text string) string {
	if ascii(text) {
		return text
	}
	d := loadNFKD()
	var out []rune
	for _, r := range text {
		switch of, ok := d.of[r]; {
		case ok:
			out = append(out, []rune(of)...)
		case r >= hangul && r < hangul+hangulCount:
			n := r - hangul
			out = append(out, hangulL+n/(hangulVs*hangulTs), hangulV+n/hangulTs%hangulVs)
			if t := n % hangulTs; t > 0 {
				out = append(out, hangulT+t)
			}
		default:
			out = append(out, r)
		}
	}
	for start := 0; start < len(out); {
		end := start + 1
		for end < len(out) && d.class[out[end]] != 0 {
			end++
		}
		marks := out[start:end]
		if d.class[out[start]] == 0 {
			marks = marks[1:]
		}
		sort.SliceStable(marks, func(i, j int) bool { return d.class[marks[i]] < d.class[marks[j]] })
		start = end
	}
	return string(out)
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
