package engine

import (
	"strings"
	"unicode/utf8"
)

// formatOptions say what to do with a field's texts.
type formatOptions struct {
	highlight bool
	crop      int // words; -1: do not crop
}

func (o formatOptions) formats() bool { return o.highlight || o.crop >= 0 }

func (o formatOptions) merge(p formatOptions) formatOptions {
	o.highlight = o.highlight || p.highlight
	if o.crop < 0 {
		o.crop = p.crop
	}
	return o
}

// highlighter marks and crops texts.
type highlighter struct {
	tok        *tokenizer
	words      *matchingWords
	marker     string
	open, shut string
}

// matchedText is a text with its matches.
type matchedText struct {
	text    string
	tokens  []token
	matches []match
}

func (h *highlighter) match(text string) *matchedText {
	m := &matchedText{text: text, tokens: h.tok.tokenize(text)}
	m.matches = h.words.matches(m.tokens)
	return m
}

// bounds gives the place and the length in bytes of every match.
func (m *matchedText) bounds(indices []int) []any {
	var out []any
	for _, mt := range m.matches {
		length, chars := 0, mt.chars
		for i := mt.firstToken; i <= mt.lastToken && chars > 0; i++ {
			for _, r := range m.text[m.tokens[i].start:m.tokens[i].end] {
				if chars == 0 {
					break
				}
				chars--
				length += utf8.RuneLen(r)
			}
		}
		o := &object{members: []member{{"start", intNumber(m.tokens[mt.firstToken].start)}, {"length", intNumber(length)}}}
		if len(indices) > 0 {
			list := make([]any, len(indices))
			for i, n := range indices {
				list[i] = intNumber(n)
			}
			o.set("indices", list)
		}
		out = append(out, o)
	}
	return out
}

// format marks and crops.
func (h *highlighter) format(m *matchedText, o formatOptions) string {
	start, end := 0, len(m.text)
	if o.crop > 0 {
		start, end = m.window(o.crop)
	}
	var b strings.Builder
	if start > 0 {
		b.WriteString(h.marker)
	}
	at := start
	if o.highlight {
		for _, mt := range m.matches {
			from, to := m.tokens[mt.firstToken].start, m.tokens[mt.lastToken].end
			if to < start || from > end {
				continue
			}
			from, to = max(from, start), min(to, end)
			if at < from {
				b.WriteString(m.text[at:from])
			}
			marked := min(to, from+prefixBytes(m.text[from:], mt.chars))
			b.WriteString(h.open)
			b.WriteString(m.text[from:marked])
			b.WriteString(h.shut)
			b.WriteString(m.text[marked:to])
			at = to
		}
	}
	if at < end {
		b.WriteString(m.text[at:end])
	}
	if end < len(m.text) {
		b.WriteString(h.marker)
	}
	return b.String()
}

// cropWindow grows from the best matches in both directions until it holds
// enough words.
type cropWindow struct {
	tokens []token
	before int // next token to the left, -1: none
	after  int // next token on the other side
	step   int // 1: that side grows to the right; -1: it shrinks from there
}

// window gives the bytes of the text to keep.
func (m *matchedText) window(size int) (int, int) {
	w := cropWindow{tokens: m.tokens, before: -1, after: 0, step: 1}
	remaining := size
	if len(m.matches) > 0 {
		i, j := bestInterval(m.matches, size)
		first, last := m.matches[i], m.matches[j]
		words := last.lastWord - first.firstWord + 1
		w.after = min(last.lastToken+1, len(m.tokens))
		if size >= words {
			w.before = first.firstToken - 1
			remaining = size - words
		} else {
			// The only match is longer than the window: take words off its end.
			w.step = -1
			w.after = min(w.after, len(m.tokens)-1)
			remaining = words - size
		}
	}
	for remaining > 0 {
		used, ok := w.grow(remaining)
		if !ok {
			break
		}
		remaining -= used
	}
	start, end := 0, len(m.text)
	if w.before >= 0 {
		start = m.tokens[w.before].end
	}
	if w.hasAfter() {
		end = m.tokens[w.after].start
	}
	return start, end
}

func (w *cropWindow) hasAfter() bool { return w.after >= 0 && w.after < len(w.tokens) }

// grow takes a token on one side or on both. It gives how many words that were.
func (w *cropWindow) grow(remaining int) (int, bool) {
	hasBefore, hasAfter := w.before >= 0, w.hasAfter()
	if !hasBefore && !hasAfter {
		return 0, false
	}
	if !hasBefore || !hasAfter {
		t := w.after
		if hasBefore {
			t = w.before
			w.before--
		} else {
			w.after += w.step
		}
		if w.tokens[t].kind.separator() {
			return 0, true
		}
		return 1, true
	}
	b, a := w.tokens[w.before].kind, w.tokens[w.after].kind
	switch {
	case b.separator() && a.separator():
		switch {
		case b == a:
			w.before--
			if remaining > 1 { // no separator right before the marker
				w.after += w.step
			}
		case b == hardSeparator:
			w.after += w.step
		default:
			w.before--
		}
		return 0, true
	case a.separator():
		w.before--
		return 1, true
	case b.separator():
		w.after += w.step
		return 1, true
	}
	w.before--
	if remaining > 1 {
		w.after += w.step
		return 2, true
	}
	return 1, true
}
