package request

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ParseUUID gives the usual form of a UUID, or what is wrong with it in the
// server's words.
func ParseUUID(s string) (uuid, wrong string) {
	plain := s
	switch {
	case len(s) == 38 && s[0] == '{' && s[37] == '}':
		plain = s[1:37]
	case len(s) == 45 && strings.HasPrefix(s, "urn:uuid:"):
		plain = s[9:]
	}
	var digits string
	switch {
	case len(plain) == 36 && plain[8] == '-' && plain[13] == '-' && plain[18] == '-' && plain[23] == '-':
		digits = plain[:8] + plain[9:13] + plain[14:18] + plain[19:23] + plain[24:]
	case len(s) == 32:
		digits = s
	}
	if len(digits) == 32 && isHex(digits) {
		digits = strings.ToLower(digits)
		return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:], ""
	}
	if digits != "" && plain != s {
		return "", uuidError(plain)
	}
	return "", uuidError(s)
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

func uuidError(s string) string {
	if s == "" || len(s) > 45 {
		return fmt.Sprintf("invalid length: found %d", len(s))
	}
	from, to, hyphenated := 0, len(s), false
	if s[0] == '{' && s[len(s)-1] == '}' && len(s) > 2 {
		from, to, hyphenated = 1, max(1, len(s)-3), true
	} else if strings.HasPrefix(s, "urn:uuid:") {
		from, to, hyphenated = 9, max(9, len(s)-9), true
	}
	hyphens, groups := 0, [4]int{}
	for i, r := range s[from:to] {
		c := byte(r) // the server looks at the lowest byte only
		switch {
		case '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f':
		case c == '-':
			hyphenated = true
			if hyphens < 4 {
				groups[hyphens] = i
			}
			hyphens++
		default:
			return fmt.Sprintf("invalid character: found `%c` at %d", r, i+from)
		}
	}
	switch {
	case !hyphenated:
		return fmt.Sprintf("invalid length: found %d", len(s))
	case hyphens != 4:
		return fmt.Sprintf("invalid group count: expected 5, found %d", hyphens+1)
	}
	starts, sizes := [5]int{0, 9, 14, 19, 24}, [5]int{8, 4, 4, 4, 12}
	for i := range groups {
		if groups[i] != starts[i+1]-1 {
			return fmt.Sprintf("invalid group length in group %d: expected %d, found %d", i, sizes[i], groups[i]-starts[i])
		}
	}
	return fmt.Sprintf("invalid group length in group 4: expected 12, found %d", len(s)-starts[4])
}

// firstRune gives a text's first character as text.
func firstRune(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size]
}
