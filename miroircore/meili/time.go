package meili

import (
	"strconv"
	"time"
)

// FormatTime writes t as the server writes dates: RFC 3339 in UTC, with up to
// nine digits after the point and no trailing zeros.
func FormatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// FormatDuration writes d as the server writes durations: ISO 8601 in seconds,
// with none, three, six or nine digits after the point, and days apart.
func FormatDuration(d time.Duration) string {
	out := make([]byte, 0, 24)
	d = max(d, 0) // a clock that went back
	out = append(out, 'P')
	if days := d / (24 * time.Hour); days > 0 {
		out = strconv.AppendInt(out, int64(days), 10)
		out = append(out, 'D')
		if d -= days * 24 * time.Hour; d == 0 {
			return string(out)
		}
	}
	out = append(out, 'T')
	out = strconv.AppendInt(out, int64(d/time.Second), 10)
	if nanos := int64(d % time.Second); nanos != 0 {
		digits := 9
		for digits > 3 && nanos%1000 == 0 {
			nanos /= 1000
			digits -= 3
		}
		text := strconv.FormatInt(nanos, 10)
		out = append(out, '.')
		for i := len(text); i < digits; i++ {
			out = append(out, '0')
		}
		out = append(out, text...)
	}
	return string(append(out, 'S'))
}

func appendInt(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }
