package meili

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

// Marshal encodes v as JSON the way the server writes it: encoding/json
// escapes <, > and & and the two Unicode line separators, the server does not.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return plainSeparators(bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})), nil
}

// plainSeparators undoes the escapes of U+2028 and U+2029.
func plainSeparators(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u202`)) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 >= len(b) {
			out = append(out, b[i])
			continue
		}
		if i+5 < len(b) && string(b[i+1:i+5]) == "u202" && (b[i+5] == '8' || b[i+5] == '9') {
			out = utf8.AppendRune(out, 0x2028+rune(b[i+5]-'8'))
			i += 5
			continue
		}
		out = append(out, b[i], b[i+1])
		i++
	}
	return out
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string with the escapes the server uses.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// AppendFloat appends f the way the server writes a 64-bit float in JSON: always
// with a fraction or an exponent, shortest form that reads back the same.
func AppendFloat(dst []byte, f float64) []byte { return appendFloat(dst, f, 64) }

// AppendFloat32 is AppendFloat for a 32-bit float, as vectors have.
func AppendFloat32(dst []byte, f float32) []byte { return appendFloat(dst, float64(f), 32) }

// appendFloat uses plain notation for decimal exponents from -5 to 15 (for 32
// bits from -6 to 12), else a signed exponent: 1e-6, 1.5e+16.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if f == 0 {
		if math.Signbit(f) {
			dst = append(dst, '-')
		}
		return append(dst, "0.0"...)
	}
	low, high := -5, 15
	if bits == 32 {
		low, high = -6, 12
	}
	var scratch [32]byte
	sci := strconv.AppendFloat(scratch[:0], f, 'e', -1, bits)
	cut := bytes.IndexByte(sci, 'e')
	exp, _ := strconv.Atoi(string(sci[cut+1:])) // written by strconv just above
	if low <= exp && exp <= high {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
		if bytes.IndexByte(dst[start:], '.') < 0 {
			dst = append(dst, '.', '0')
		}
		return dst
	}
	dst = append(dst, sci[:cut]...)
	if exp < 0 {
		dst = append(dst, 'e', '-')
		exp = -exp
	} else {
		dst = append(dst, 'e', '+')
	}
	return strconv.AppendInt(dst, int64(exp), 10)
}
