package hit

// AppendFacets appends an object of facets, which must be well formed, without
// the facets that only does not keep and with at most that many members of
// each; a negative number keeps all. An empty raw gives an empty object.
func AppendFacets(dst, raw []byte, most int, only func(name string) bool) []byte {
	dst = append(dst, '{')
	c := cursor{b: raw}
	if !c.take('{') {
		return append(dst, '}')
	}
	mark := len(dst)
	for c.peek() == '"' {
		from := c.i
		name, escaped, ok := c.text()
		if !ok || !c.take(':') {
			break
		}
		key := raw[name.From:name.To]
		if escaped {
			key = Unescape(nil, key)
		}
		value := c.i
		end, ok := c.first(most)
		if !ok {
			break
		}
		if only == nil || only(string(key)) {
			if len(dst) > mark {
				dst = append(dst, ',')
			}
			dst = append(dst, raw[from:value]...)
			dst = append(dst, raw[value:end]...)
			if end < c.i {
				dst = append(dst, '}')
			}
		}
		if !c.take(',') {
			break
		}
	}
	return append(dst, '}')
}

// first passes an object and gives where its first members end, or where the
// object does if it has no more.
func (c *cursor) first(most int) (end int, ok bool) {
	if most < 0 || c.peek() != '{' {
		ok = c.skip(1)
		return c.i, ok
	}
	c.i++
	if c.take('}') {
		return c.i, true
	}
	end = -1
	for n := 0; ; n++ {
		if n == most {
			end = c.i - 1 // before the comma
			if n == 0 {
				end = c.i
			}
		}
		if _, _, ok := c.text(); !ok || !c.take(':') || !c.skip(2) {
			return 0, false
		}
		switch c.peek() {
		case ',':
			c.i++
		case '}':
			c.i++
			if end < 0 {
				end = c.i
			}
			return end, true
		default:
			return 0, false
		}
	}
}
