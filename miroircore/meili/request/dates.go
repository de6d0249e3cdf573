package request

import (
	"strings"
	"time"
)

// parseRFC3339 reads a date and time. What stands between the two does not
// matter, neither does the case of the Z; fractions may have any length.
func parseRFC3339(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02T15:04:05Z") {
		return time.Time{}, false
	}
	if s[10] >= 0x80 || !digitsAt(s, 0, 4) || !digitsAt(s, 11, 2) {
		return time.Time{}, false
	}
	text := s[:10] + "T" + s[11:19]
	rest := s[19:]
	if rest[0] == '.' {
		end := 1
		for end < len(rest) && '0' <= rest[end] && rest[end] <= '9' {
			end++
		}
		if end == 1 || end == len(rest) {
			return time.Time{}, false
		}
		text += rest[:min(end, 10)]
		rest = rest[end:]
	}
	if rest == "z" {
		rest = "Z"
	}
	if strings.ContainsAny(text, ",") || len(rest) == 6 && (rest[1:3] > "23" || rest[4:] > "59") {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, text+rest)
	return t.UTC(), err == nil
}

func digitsAt(s string, from, n int) bool {
	for _, c := range []byte(s[from : from+n]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// parseDay reads a date without time, as the beginning of that day in UTC.
func parseDay(s string) (time.Time, bool) {
	t, err := time.Parse(time.DateOnly, s)
	return t, err == nil && len(s) == len(time.DateOnly)
}

// parseExpiry reads a date and time, of which the zone or all of the time may lack.
func parseExpiry(s string) (time.Time, bool) {
	if t, ok := parseRFC3339(s); ok {
		return t, true
	}
	for _, layout := range []string{"2006-01-02T15:04:05", time.DateTime} {
		if t, err := time.Parse(layout, s); err == nil && len(s) == len(layout) {
			return t, true
		}
	}
	return parseDay(s)
}
