package filter

import "strconv"

const (
	radiusHelp  = "The `_geoRadius` filter must be in the form: `_geoRadius(latitude, longitude, radius, optionalResolution)`."
	boxHelp     = "The `_geoBoundingBox` filter expects two pairs of arguments: `_geoBoundingBox([latitude, longitude], [latitude, longitude])`."
	polygonHelp = "The `_geoPolygon` filter doesn't match the expected format: `_geoPolygon([latitude, longitude], [latitude, longitude])`."
)

// geo reads one of the geo operations. ok says that one of their names stands at
// pos, so that nothing else can be meant.
func (s *scanner) geo(pos int) (e *Expr, end int, f *fault, ok bool) {
	start := s.space(pos)
	if !s.has(start, "_geo") {
		return nil, pos, nil, false
	}
	after := s.word(start)
	switch s.text[start:after] {
	case "_geoRadius":
		e, end, f = s.radius(after)
	case "_geoBoundingBox":
		e, end, f = s.box(after)
	case "_geoPolygon":
		e, end, f = s.polygon(after)
	default:
		return nil, pos, nil, false
	}
	return e, end, f.cut(), true
}

func (s *scanner) radius(pos int) (*Expr, int, *fault) {
	if !s.has(pos, "(") {
		return nil, pos, s.fault(other, radiusHelp, pos)
	}
	args, pos, bad := s.floats(pos + 1)
	if bad >= 0 {
		return nil, pos, s.fault(other, radiusHelp, bad)
	}
	if !s.has(pos, ")") {
		return nil, pos, s.fault(other, radiusHelp, pos)
	}
	pos++
	if len(args) != 3 && len(args) != 4 {
		return nil, pos, s.fault(other,
			"Was expecting 3 or 4 arguments for `_geoRadius`, but instead found "+strconv.Itoa(len(args))+".", pos)
	}
	e := &Expr{Op: GeoRadius, Points: [][2]Token{{args[0], args[1]}}, Radius: args[2]}
	if len(args) == 4 {
		e.Resolution = &args[3]
	}
	return e, pos, nil
}

func (s *scanner) box(pos int) (*Expr, int, *fault) {
	points, pos, f := s.points(pos, boxHelp, false)
	if f != nil {
		return nil, pos, f
	}
	if len(points) != 2 {
		return nil, pos, s.fault(other, boxHelp, pos)
	}
	return s.shape(GeoBox, points, pos)
}

func (s *scanner) polygon(pos int) (*Expr, int, *fault) {
	points, pos, f := s.points(pos, polygonHelp, true)
	if f != nil {
		return nil, pos, f
	}
	if len(points) < 3 {
		last := points[len(points)-1]
		return nil, pos, s.faultAt(last[len(last)-1],
			"The `_geoPolygon` filter expects at least 3 points but only "+strconv.Itoa(len(points))+" were specified")
	}
	return s.shape(GeoPolygon, points, pos)
}

func (s *scanner) shape(op Op, points [][]place, pos int) (*Expr, int, *fault) {
	e := &Expr{Op: op}
	for _, point := range points {
		if len(point) != 2 {
			return nil, pos, s.faultAt(point[0],
				"Was expecting 2 coordinates but instead found "+strconv.Itoa(len(point))+".")
		}
		e.Points = append(e.Points, [2]Token{s.token(point[0].from, point[0].to), s.token(point[1].from, point[1].to)})
	}
	return e, pos, nil
}

type place struct{ from, to int }

func (s *scanner) faultAt(p place, words string) *fault {
	return &fault{kind: other, words: words, from: p.from, to: p.to, source: s.source}
}

// points reads a list of lists of numbers in parentheses.
func (s *scanner) points(pos int, help string, lastComma bool) ([][]place, int, *fault) {
	bad := func(at int) ([][]place, int, *fault) { return nil, pos, s.fault(other, help, at) }
	if !s.has(pos, "(") {
		return bad(pos)
	}
	var points [][]place
	point, end, wrong := s.point(pos + 1)
	for wrong < 0 {
		points = append(points, point)
		pos = end
		if !s.has(pos, ",") {
			break
		}
		point, end, wrong = s.point(pos + 1)
	}
	if wrong >= 0 && points == nil {
		return bad(wrong)
	}
	if comma := s.space(pos); lastComma && s.has(comma, ",") {
		pos = s.space(comma + 1)
	}
	if !s.has(pos, ")") {
		return bad(pos)
	}
	return points, pos + 1, nil
}

// point reads numbers in brackets; wrong is where it cannot, or -1.
func (s *scanner) point(pos int) (point []place, end, wrong int) {
	pos = s.space(pos)
	if !s.has(pos, "[") {
		return nil, pos, pos
	}
	point, pos, wrong = s.numbers(pos + 1)
	if wrong < 0 && !s.has(pos, "]") {
		wrong = pos
	}
	return point, s.space(min(pos+1, len(s.text))), wrong
}

// floats reads numbers with commas between them; bad is where it cannot, or -1.
func (s *scanner) floats(pos int) (args []Token, end, bad int) {
	places, end, bad := s.numbers(pos)
	for _, p := range places {
		args = append(args, s.token(p.from, p.to))
	}
	return args, end, bad
}

func (s *scanner) numbers(pos int) (all []place, end, wrong int) {
	p, end, wrong := s.number(pos)
	for wrong < 0 {
		all = append(all, p)
		pos = end
		if !s.has(pos, ",") {
			return all, pos, -1
		}
		p, end, wrong = s.number(pos + 1)
	}
	if all == nil || s.exponentCut(wrong) {
		return nil, pos, wrong
	}
	return all, pos, -1 // what follows the comma is not a number: the comma stays
}

// exponentCut says that a number breaks off behind its e, which ends the reading.
func (s *scanner) exponentCut(at int) bool {
	for at > 0 && (s.text[at-1] == '+' || s.text[at-1] == '-') {
		at--
	}
	return at > 0 && (s.text[at-1]|0x20) == 'e'
}

// number reads a number and the blanks around it; wrong is where it cannot, or -1.
func (s *scanner) number(pos int) (p place, end, wrong int) {
	start := s.space(pos)
	pos = start
	if s.has(pos, "+") || s.has(pos, "-") {
		pos++
	}
	mantissa := pos
	pos = s.digits(pos)
	switch whole := pos > mantissa; {
	case s.has(pos, ".") && whole:
		pos = s.digits(pos + 1)
	case s.has(pos, "."):
		if after := s.digits(pos + 1); after > pos+1 {
			pos = after
			break
		}
		return p, pos, pos + 1
	case !whole:
		return p, pos, mantissa
	}
	if s.has(pos, "e") || s.has(pos, "E") {
		exponent := pos + 1
		if s.has(exponent, "+") || s.has(exponent, "-") {
			exponent++
		}
		if pos = s.digits(exponent); pos == exponent {
			return p, pos, exponent
		}
	}
	return place{start, pos}, s.space(pos), -1
}

func (s *scanner) digits(pos int) int {
	for pos < len(s.text) && '0' <= s.text[pos] && s.text[pos] <= '9' {
		pos++
	}
	return pos
}
