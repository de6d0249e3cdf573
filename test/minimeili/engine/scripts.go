package engine

import "unicode"

// script is the writing system of a run of text; it decides which
// normalisations apply to its words.
type script uint8

const (
	scriptOther script = iota
	scriptLatin
	scriptCyrillic
	scriptGreek
	scriptGeorgian
	scriptArmenian
	scriptArabic
	scriptHebrew
	scriptThai
	scriptUncased // any other known script: nothing but decomposition applies, yet it breaks a run
	scriptCJ
	scriptHangul
)

var scriptRanges = []struct {
	script script
	ranges [][2]rune
}{
	{scriptLatin, [][2]rune{{'a', 'z'}, {'A', 'Z'}, {0x80, 0x2AF}, {0x1D00, 0x1DBF}, {0x1E00, 0x1EFF}, {0x2100, 0x214F}, {0x2C60, 0x2C7F}, {0xA720, 0xA7FF}, {0xAB30, 0xAB6F}}},
	{scriptCyrillic, [][2]rune{{0x400, 0x484}, {0x487, 0x52F}, {0x2DE0, 0x2DFF}, {0xA640, 0xA69D}, {0x1D2B, 0x1D2B}, {0x1D78, 0x1D78}, {0xA69F, 0xA69F}}},
	{scriptArabic, [][2]rune{{0x600, 0x6FF}, {0x750, 0x7FF}, {0x8A0, 0x8FF}, {0xFB50, 0xFDFF}, {0xFE70, 0xFEFF}, {0x10E60, 0x10E7F}, {0x1EE00, 0x1EEFF}}},
	{scriptHebrew, [][2]rune{{0x590, 0x5FF}}},
	{scriptGeorgian, [][2]rune{{0x10A0, 0x10FF}}},
	{scriptCJ, [][2]rune{{0x2E80, 0x2E99}, {0x2E9B, 0x2EF3}, {0x2F00, 0x2FD5}, {0x3005, 0x3005}, {0x3007, 0x3007}, {0x3021, 0x3029}, {0x3038, 0x303B}, {0x3040, 0x30FF}, {0x3400, 0x4DB5}, {0x4E00, 0x9FCC}, {0xF900, 0xFA6D}, {0xFA70, 0xFAD9}}},
	{scriptHangul, [][2]rune{{0xAC00, 0xD7AF}, {0x1100, 0x11FF}, {0x3130, 0x318F}, {0x3200, 0x32FF}, {0xA960, 0xA97F}, {0xD7B0, 0xD7FF}, {0xFF00, 0xFFEF}}},
	{scriptGreek, [][2]rune{{0x370, 0x3FF}}},
	{scriptArmenian, [][2]rune{{0x531, 0x58F}}},
	{scriptThai, [][2]rune{{0xE00, 0xE7F}}},
	{scriptUncased, [][2]rune{{0x900, 0xDFF}, {0x1000, 0x109F}, {0x1200, 0x139F}, {0x1780, 0x17FF}, {0x19E0, 0x19FF}, {0x1CD0, 0x1CFF}, {0x2D80, 0x2DDF}, {0xA8E0, 0xA8FF}, {0xAB00, 0xAB2F}}},
}

func scriptOf(r rune) script {
	if r < 0x80 {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return scriptLatin
		}
		return scriptOther
	}
	for _, s := range scriptRanges {
		for _, b := range s.ranges {
			if r >= b[0] && r <= b[1] {
				return s.script
			}
		}
	}
	return scriptOther
}

// cased tells whether words of the script are lower-cased.
func (s script) cased() bool { return s >= scriptLatin && s <= scriptArmenian }

// stripsMarks tells whether non-spacing marks are dropped from words of the script.
func (s script) stripsMarks() bool {
	return s == scriptLatin || s == scriptGreek || s >= scriptArabic && s <= scriptThai
}

func isControl(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }

// asciiPunctuation is what may stand between the digits of a number.
func asciiPunctuation(r rune) bool {
	return r >= '!' && r <= '/' || r >= ':' && r <= '@' || r >= '[' && r <= '`' || r >= '{' && r <= '~'
}

// isNumeric tells whether a word is made of digits and punctuation only.
func isNumeric(word string) bool {
	for _, r := range word {
		if !unicode.IsNumber(r) && !asciiPunctuation(r) {
			return false
		}
	}
	return true
}
