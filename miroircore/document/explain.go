package document

import (
	"fmt"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// refuse refuses the body for a fault in the text that begins at index i of
// the window.
func (p *parser) refuse(i int, f *fault) {
	line, column := position(p.body, p.w.off+int64(i+f.at))
	p.refused = meili.MalformedDocuments(p.o.Format.String(), fmt.Sprintf("%s at line %d column %d", f.reason, line, column))
}

// examine lets look find the fault in what begins at index i of the window,
// with as much of the body in the window as it takes.
func (p *parser) examine(i int, look func(c *checker) *fault) (int, *checker, *fault) {
	for {
		c := &checker{text: p.w.buf[i:]}
		f := look(c)
		if f != nil && f.eof && !p.w.end || f == nil && c.i == len(c.text) && !p.w.end {
			i = p.w.grow(i)
			continue
		}
		return i, c, f
	}
}

// explain says what is wrong with the object at index i.
func (p *parser) explain(i int) int {
	i, c, f := p.examine(i, (*checker).skim)
	if f == nil { // it is well formed, so its encoding is at fault
		f = c.failHere(badUnicode)
	}
	p.refuse(i, f)
	return bad
}

// explainName says which of an object's names is no text. The server finds out
// when it reads the object again, by itself: the position is one inside it.
func (p *parser) explainName(i, end int) int {
	c := &checker{text: p.w.buf[i:end]}
	c.i = 1
	for {
		c.token()
		c.strict = true
		at := c.i
		if f := c.key(); f != nil {
			lines := strings.Count(string(c.text[:f.at]), "\n")
			column := f.at - (strings.LastIndexByte(string(c.text[:f.at]), '\n') + 1)
			p.refused = meili.MalformedDocuments(p.o.Format.String(), fmt.Sprintf("%s at line %d column %d", f.reason, lines+1, column))
			return bad
		}
		c.strict = false
		if f := c.skim(); f != nil || c.i <= at { // not reached: the object was walked over
			p.refuse(i, &fault{reason: badUnicode, at: end - i})
			return bad
		}
		c.token()
		c.i++ // the comma
	}
}

// stranger refuses what stands where a document has to. In a list or a
// sequence of documents the server answers a value that is none with a 500, if
// the text goes on as it should.
func (p *parser) stranger(i int) int {
	i, c, f := p.examine(i, func(c *checker) *fault { return p.strange(c) })
	if f != nil {
		p.refuse(i, f)
		return bad
	}
	text := c.text[:c.i]
	if p.inList {
		text = text[:c.depth] // see strange
	}
	message, f := unexpected(text)
	if f != nil { // not a number that there is, or not a text
		p.refused = meili.MalformedDocuments(p.o.Format.String(), fmt.Sprintf("%s at line 1 column %d", f.reason, f.at))
		return bad
	}
	p.refused = meili.NewError("internal", "%s", message)
	return bad
}

// strange goes over a value that is not an object, and over what follows it as
// far as the server looks. It leaves the length of the value in c.depth.
func (p *parser) strange(c *checker) *fault {
	b := c.peek()
	if f := c.skim(); f != nil {
		return f
	}
	c.depth = c.i
	if !scannedWell(c.text[:c.i]) {
		return c.failHere(badUnicode)
	}
	if !p.inList {
		if b != '[' && b != '"' && c.i < len(c.text) && !strings.ContainsRune(" \n\t\r\"[]{},:", rune(c.text[c.i])) {
			return c.failNext(trailing)
		}
		return nil
	}
	// The list has to end here for the server to tell what it did not expect.
	next, ok := c.token()
	switch {
	case !ok:
		return c.failEnd(eofList)
	case next == ']':
		return nil
	case next != ',':
		return c.failNext(trailing)
	}
	c.i++
	if next, ok = c.token(); ok && next == ']' {
		return c.failNext(commaAtEnd)
	} else if !ok {
		return &fault{reason: trailing, at: len(c.text), eof: true}
	}
	return c.failNext(trailing)
}

// neither refuses a body that is neither a list nor an object.
func (p *parser) neither(i int) {
	i, _, f := p.examine(i, func(c *checker) *fault {
		b := c.peek()
		c.strict = true
		return c.scalar(b)
	})
	if f != nil {
		p.refuse(i, f)
		return
	}
	p.refused = meili.MalformedDocuments(p.o.Format.String(), "data are neither an object nor a list of objects")
}

// unexpected says of a value that it is no object, as the server does.
func unexpected(text []byte) (string, *fault) {
	what, seen, f := unexpectedHere(text)
	if f != nil {
		return "", f
	}
	return fmt.Sprintf("invalid type: %s, expected a map at line 1 column %d", what, seen), nil
}

// unexpectedHere tells what a value is and how much of it the server looks at
// to tell.
func unexpectedHere(text []byte) (what string, seen int, _ *fault) {
	c := &checker{text: text, strict: true}
	switch text[0] {
	case 'n':
		return "null", 4, nil
	case 't':
		return "boolean `true`", 4, nil
	case 'f':
		return "boolean `false`", 5, nil
	case '[':
		return "sequence", 0, nil
	case '{':
		return "map", 0, nil
	case '"':
		c.i = 1
		s, f := c.str()
		if f != nil {
			return "", 0, f
		}
		return "string " + decode.Debug(s), c.i, nil
	}
	if f := c.number(); f != nil {
		return "", 0, f
	}
	if integer(text) {
		return "integer `" + string(text) + "`", c.i, nil
	}
	return "floating point `" + string(renderNumber(nil, text)) + "`", c.i, nil
}
