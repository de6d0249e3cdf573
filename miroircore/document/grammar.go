package document

// This is the grammar told again, slowly: it finds what is wrong with a text
// and where, in the words of the server's parser. Clients compare these
// messages, and people search for them.

// Reasons, as the server's parser words them.
const (
	eofList      = "EOF while parsing a list"
	eofObject    = "EOF while parsing an object"
	eofString    = "EOF while parsing a string"
	eofValue     = "EOF while parsing a value"
	wantColon    = "expected `:`"
	wantListNext = "expected `,` or `]`"
	wantMapNext  = "expected `,` or `}`"
	wantIdent    = "expected ident"
	wantValue    = "expected value"
	badEscape    = "invalid escape"
	badNumber    = "invalid number"
	hugeNumber   = "number out of range"
	badUnicode   = "invalid unicode code point"
	controlChar  = "control character (\\u0000-\\u001F) found while parsing a string"
	keyNoString  = "key must be a string"
	loneHalf     = "lone leading surrogate in hex escape"
	missingHalf  = "unexpected end of hex escape"
	commaAtEnd   = "trailing comma"
	trailing     = "trailing characters"
	tooDeep      = "recursion limit exceeded"
)

// maxDepth is how deep the server's parser goes where it builds a value.
const maxDepth = 127

// fault is what is wrong with a text.
type fault struct {
	reason string
	at     int // the offset behind the last byte that was looked at
	eof    bool
}

// checker walks over a text and stops at the first fault.
type checker struct {
	text []byte
	i    int
	// strict demands what building a value demands: characters where escapes
	// are, numbers within range, bounded depth.
	strict bool
	depth  int
}

func (c *checker) failHere(reason string) *fault { return &fault{reason: reason, at: c.i} }

// failNext is the fault that is seen in the next byte, without taking it.
func (c *checker) failNext(reason string) *fault {
	return &fault{reason: reason, at: min(c.i+1, len(c.text))}
}

func (c *checker) failEnd(reason string) *fault {
	return &fault{reason: reason, at: len(c.text), eof: true}
}

// peek gives the next byte, 0 at the end.
func (c *checker) peek() byte {
	if c.i < len(c.text) {
		return c.text[c.i]
	}
	return 0
}

// token skips white space and says whether something follows.
func (c *checker) token() (byte, bool) {
	c.i = skipSpace(c.text, c.i)
	return c.peek(), c.i < len(c.text)
}

// scalar goes over the string, number or word that begins with b.
func (c *checker) scalar(b byte) *fault {
	switch {
	case b == '"':
		c.i++
		_, f := c.str()
		return f
	case b == '-' || isDigit(b):
		return c.number()
	case b == 'n':
		return c.word("null")
	case b == 't':
		return c.word("true")
	case b == 'f':
		return c.word("false")
	default:
		return c.failNext(wantValue)
	}
}

// skim goes over one value as the server's parser does when it keeps the value
// as it is written, white space in front included. It has no bound of depth
// and therefore does not recur.
func (c *checker) skim() *fault {
	var enclosing []byte
	for {
		b, ok := c.token()
		if !ok {
			return c.failEnd(eofValue)
		}
		opened := b == '{' || b == '['
		if opened {
			c.i++
			enclosing = append(enclosing, b)
		} else if f := c.scalar(b); f != nil {
			return f
		}
		var f *fault
		if enclosing, f = c.unwind(enclosing, opened); f != nil || len(enclosing) == 0 {
			return f
		}
		if enclosing[len(enclosing)-1] == '{' {
			if f := c.key(); f != nil {
				return f
			}
		}
	}
}

// unwind goes from the end of a value, or from an opening bracket, to where
// the next value or key has to begin.
func (c *checker) unwind(enclosing []byte, opened bool) ([]byte, *fault) {
	for len(enclosing) > 0 {
		top := enclosing[len(enclosing)-1]
		b, ok := c.token()
		switch {
		case !ok && top == '[':
			return enclosing, c.failEnd(eofList)
		case !ok:
			return enclosing, c.failEnd(eofObject)
		case b == ',' && !opened:
			c.i++
			return enclosing, nil
		case b == top+2:
			c.i++
			enclosing = enclosing[:len(enclosing)-1]
		case opened:
			return enclosing, nil
		case top == '[':
			return enclosing, c.failNext(wantListNext)
		default:
			return enclosing, c.failNext(wantMapNext)
		}
		opened = false
	}
	return enclosing, nil
}

// key goes over a key and its colon.
func (c *checker) key() *fault {
	b, ok := c.token()
	if !ok {
		return c.failEnd(eofObject)
	}
	if b != '"' {
		return c.failNext(keyNoString)
	}
	c.i++
	if _, f := c.str(); f != nil {
		return f
	}
	if b, ok = c.token(); !ok {
		return c.failEnd(eofObject)
	}
	if b != ':' {
		return c.failNext(wantColon)
	}
	c.i++
	return nil
}

// build goes over one value as the server's parser does when it builds the
// value, white space in front included.
func (c *checker) build() *fault {
	b, ok := c.token()
	if !ok {
		return c.failEnd(eofValue)
	}
	if b != '{' && b != '[' {
		return c.scalar(b)
	}
	if c.depth++; c.depth > maxDepth {
		return c.failNext(tooDeep)
	}
	defer func() { c.depth-- }()
	c.i++
	for first := true; ; first = false {
		done, f := c.item(b, first)
		if f != nil || done {
			return f
		}
		if b == '{' {
			if f := c.key(); f != nil {
				return f
			}
		}
		if f := c.build(); f != nil {
			return f
		}
	}
}

// item goes to the next item of a list or an object that is being built.
func (c *checker) item(open byte, first bool) (done bool, _ *fault) {
	eof, want := eofList, wantListNext
	if open == '{' {
		eof, want = eofObject, wantMapNext
	}
	b, ok := c.token()
	switch {
	case !ok:
		return false, c.failEnd(eof)
	case b == open+2:
		c.i++
		return true, nil
	case first:
		return false, nil
	case b != ',':
		return false, c.failNext(want)
	}
	c.i++
	if b, ok = c.token(); !ok {
		return false, c.failEnd(eofValue)
	}
	if b == open+2 {
		return false, c.failNext(commaAtEnd)
	}
	return false, nil
}
