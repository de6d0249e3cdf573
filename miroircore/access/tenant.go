package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// rules are the search rules of a tenant token.
type rules struct {
	patterns
	filters []json.RawMessage // one for each pattern of the object form, nil adds nothing
}

func (r *rules) all() bool { return slices.Contains(r.list, "*") }

// filter gives the filter for an index: of the exact name, else of the longest
// pattern that matches.
func (r *rules) filter(index string) json.RawMessage {
	best, length := -1, -1
	for i, pattern := range r.list {
		switch {
		case i >= len(r.filters) || !matches(pattern, index):
		case !strings.HasSuffix(pattern, "*"):
			return r.filters[i]
		case len(pattern) > length:
			best, length = i, len(pattern)
		}
	}
	if best < 0 {
		return nil
	}
	return r.filters[best]
}

// claims are what a tenant token says.
type claims struct {
	keyUID   uuid.UUID
	rules    *rules
	expires  *int64
	audience bool
}

var algorithms = map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}

// maxVerified bounds how many verified tokens are remembered.
const maxVerified = 1024

// verified remembers the tokens whose signature was found good under one ring:
// a page's visitor sends the same one with each key stroke.
type verified struct {
	mu     sync.RWMutex
	claims map[[32]byte]*claims
}

func (v *verified) get(digest [32]byte) *claims {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.claims[digest]
}

func (v *verified) put(digest [32]byte, c *claims) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.claims == nil || len(v.claims) >= maxVerified {
		v.claims = make(map[[32]byte]*claims)
	}
	v.claims[digest] = c
}

// tenant reads and verifies a tenant token. What has not the three parts of one
// is none, and may be the value of a key.
func (k *Keys) tenant(r *ring, token string, digest [32]byte) (*claims, bool, *meili.Error) {
	c := r.verified.get(digest)
	if c == nil {
		var refusal *meili.Error
		if c, refusal = verify(r, token); c == nil {
			return nil, false, refusal
		}
		r.verified.put(digest, c)
	}
	if now := k.now().Unix(); c.expires != nil && now > *c.expires {
		return nil, false, meili.NewError("invalid_api_key",
			"Tenant token expired. Was valid up to `%d` and we're now `%d`.", *c.expires, now)
	}
	return c, true, nil
}

// verify gives the claims of a token with a good signature; nothing at all for
// what is no token.
func verify(r *ring, token string) (*claims, *meili.Error) {
	last := strings.LastIndexByte(token, '.')
	if last < 0 {
		return nil, nil
	}
	message, signature := token[:last], token[last+1:]
	middle := strings.LastIndexByte(message, '.')
	if middle < 0 {
		return nil, nil
	}
	header, reason := decodePart(message[:middle])
	if reason != "" {
		return nil, undecodable(reason)
	}
	algorithm, reason := parseHeader(header)
	if reason != "" {
		return nil, undecodable(reason)
	}
	payload, reason := decodePart(message[middle+1:])
	if reason != "" {
		return nil, undecodable(reason)
	}
	c, reason := parseClaims(payload)
	if reason != "" {
		return nil, undecodable(reason)
	}
	newHash, known := algorithms[algorithm]
	if !known {
		return nil, undecodable("InvalidAlgorithm")
	}
	sent, reason := decodePart(signature)
	if reason != "" {
		return nil, undecodable(reason)
	}
	mac := hmac.New(newHash, []byte(r.valueOf(c.keyUID)))
	mac.Write([]byte(message))
	if !hmac.Equal(mac.Sum(nil), sent) {
		return nil, undecodable("InvalidSignature")
	}
	if c.audience {
		return nil, undecodable("InvalidAudience")
	}
	return c, nil
}

// valueOf gives the value that the key of a uid has or would have.
func (r *ring) valueOf(uid uuid.UUID) string {
	if found := r.byUID[uid]; found != nil {
		return found.value
	}
	return keyValue(r.master, uid)
}

func undecodable(reason string) *meili.Error {
	return meili.NewError("invalid_api_key", "Could not decode tenant token, %s.", reason)
}

var partEncoding = base64.RawURLEncoding.Strict()

// decodePart decodes one part of a token; a reason says why it cannot.
func decodePart(part string) (decoded []byte, reason string) {
	if strings.ContainsAny(part, "\r\n") { // which Go would skip
		return nil, "Base64 error: " + base64Reason(part)
	}
	decoded, err := partEncoding.DecodeString(part)
	if err != nil {
		return nil, "Base64 error: " + base64Reason(part)
	}
	return decoded, ""
}

func symbolValue(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '-':
		return 62
	case c == '_':
		return 63
	}
	return -1
}

// base64Reason says what is wrong with text, as the server's decoder does: whole
// groups of four are looked at first, then the last group, which alone may be
// short and where padding would stand.
func base64Reason(s string) string {
	symbol := func(at int) string {
		return "Invalid symbol " + strconv.Itoa(int(s[at])) + ", offset " + strconv.Itoa(at) + "."
	}
	tail := len(s) - len(s)%4
	if tail == len(s) {
		tail = max(0, len(s)-4)
	}
	if end := len(s) - 1; len(s)%4 == 1 && s[end] != '=' && symbolValue(s[end]) < 0 {
		return symbol(end)
	}
	for i := range tail {
		if symbolValue(s[i]) < 0 {
			return symbol(i)
		}
	}
	symbols, padding := 0, -1
	for i := tail; i < len(s); i++ {
		switch {
		case s[i] == '=':
			if i < tail+2 {
				return symbol(i)
			}
			if padding < 0 {
				padding = i
			}
			continue
		case padding >= 0:
			return symbol(padding)
		case symbolValue(s[i]) < 0:
			return symbol(i)
		}
		symbols++
	}
	if symbols < 2 {
		return "Invalid input length: " + strconv.Itoa(tail+symbols)
	}
	if padding >= 0 {
		return "Invalid padding"
	}
	end := tail + symbols - 1
	return "Invalid last symbol " + strconv.Itoa(int(s[end])) + ", offset " + strconv.Itoa(end) + "."
}

// quoteList writes a list of names the way the server's messages do.
func quoteList(names []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		quote(&b, name)
	}
	b.WriteByte(']')
	return b.String()
}

func quote(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == 0:
			b.WriteString(`\0`)
		case r == utf8.RuneError || strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(`\u{` + strconv.FormatInt(int64(r), 16) + `}`)
		}
	}
	b.WriteByte('"')
}
