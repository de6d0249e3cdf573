package decode

import (
	"strconv"
	"strings"
	"unicode"
)

// Debug writes s the way Rust prints a string for debugging, quotes included;
// some of the server's messages have that.
func Debug(s string) string { return `"` + escapeDebug(s, true) + `"` }

// EscapeDebug escapes s the way Rust's escape_debug does.
func EscapeDebug(s string) string {
	return strings.ReplaceAll(escapeDebug(s, true), "'", `\'`)
}

func escapeDebug(s string, double bool) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == 0:
			b.WriteString(`\0`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\\', r == '"' && double:
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r) && i == 0, !unicode.IsPrint(r):
			// An accent at the start of the text would join with the quote before it.
			b.WriteString(`\u{` + strconv.FormatInt(int64(r), 16) + `}`)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
