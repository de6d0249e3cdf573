package decode

import (
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// location is where a value stands; the root has no prev.
type location struct {
	prev  *location
	key   string
	index int // when key is empty and isKey is false
	isKey bool
}

func (l *location) write(b *strings.Builder, query bool) {
	if l.prev == nil {
		return
	}
	l.prev.write(b, query)
	if !l.isKey {
		b.WriteByte('[')
		b.WriteString(strconv.Itoa(l.index))
		b.WriteByte(']')
		return
	}
	if !query || l.prev.prev != nil {
		b.WriteByte('.')
	}
	b.WriteString(l.key)
}

// In is a value being read: where it stands, and the code of the error it gives
// rise to when it is wrong.
type In struct {
	Value *Value
	Code  string

	at    *location
	query bool
	lax   bool // members that are not known are skipped, however deep they lie
}

// Body is the root of a JSON body whose errors have the code bad_request.
func Body(v *Value) In { return In{Value: v, Code: "bad_request", at: &location{}} }

// Foreign is Body for what a server has written that may know more members.
func Foreign(v *Value) In { return In{Value: v, at: &location{}, lax: true} }

// WithCode is in with another code.
func (in In) WithCode(code string) In {
	in.Code = code
	return in
}

// Null says whether the value is null.
func (in In) Null() bool { return in.Value.Kind == Null }

// where describes the location after the given words, or is empty at the root.
func (in In) where(words string) string {
	if in.at.prev == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString(words)
	b.WriteString(" `")
	in.at.write(&b, in.query)
	b.WriteByte('`')
	return b.String()
}

func (in In) pick(body, query string) string {
	if in.query {
		return query
	}
	return body
}

// Invalid refuses the value for a reason of its own.
func (in In) Invalid(reason string) *meili.Error {
	return meili.NewError(in.Code, "%s", "Invalid value"+in.where(in.pick(" at", " in parameter"))+": "+reason)
}

// WrongKind refuses a value that is of none of the accepted kinds.
func (in In) WrongKind(accepted ...Kind) *meili.Error {
	return meili.NewError(in.Code, "%s", "Invalid value type"+in.where(in.pick(" at", " for parameter"))+
		": expected "+in.kindNames(accepted)+", but found "+in.found())
}

// UnknownValue refuses a text that is none of the accepted ones.
func (in In) UnknownValue(accepted []string) *meili.Error {
	return meili.NewError(in.Code, "%s", "Unknown value `"+in.Value.Text+"`"+in.where(in.pick(" at", " for parameter"))+
		": "+didYouMean(in.Value.Text, accepted)+"expected one of "+quoted(accepted))
}

// UnknownField refuses an object's member whose name is none of the accepted ones.
func (in In) UnknownField(name string, accepted []string) *meili.Error {
	return meili.NewError(in.Code, "%s", "Unknown "+in.pick("field", "parameter")+" `"+name+"`"+in.where(" inside")+
		": "+didYouMean(name, accepted)+"expected one of "+quoted(accepted))
}

// Missing refuses an object that lacks a member.
func (in In) Missing(name string) *meili.Error {
	return meili.NewError(in.Code, "%s", "Missing "+in.pick("field", "parameter")+" `"+name+"`"+in.where(" inside"))
}

// BadLength refuses an array that has not the expected length.
func (in In) BadLength(expected int) *meili.Error {
	return meili.NewError(in.Code, "Invalid array len%s. Received %d elements instead of %d: `%s`",
		in.where(in.pick(" at", " for parameter")), len(in.Value.Elems), expected, in.Value.JSON())
}

// Immutable refuses a member that exists and cannot be changed.
func Immutable(code, name string, accepted []string) *meili.Error {
	return meili.NewError(code, "%s", "Immutable field `"+name+"`: expected one of "+quoted(accepted))
}

func quoted(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

var kindWords = [...]string{"null", "a boolean", "a positive integer", "a negative integer", "a number",
	"a string", "an array", "an object"}

func (in In) found() string {
	v := in.Value
	if v.Kind == Null {
		return "null"
	}
	if !in.query {
		return kindWords[v.Kind] + ": `" + string(v.JSON()) + "`"
	}
	return "a string: `" + v.Text + "`" // a query string has nothing else
}

// kindNames lists kinds in words; kinds of numbers are joined.
func (in In) kindNames(kinds []Kind) string {
	if in.query {
		return "a string"
	}
	kinds = slices.Clone(kinds)
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	var words []string
	for i := 0; i < len(kinds); i++ {
		rest := kinds[i:]
		switch {
		case len(rest) > 2 && rest[0] == Integer && rest[1] == Negative && rest[2] == Float:
			words = append(words, "a number")
			i += 2
		case len(rest) > 1 && (rest[0] == Integer || rest[0] == Negative) && rest[1] == Float:
			words = append(words, "a number")
			i++
		case len(rest) > 1 && rest[0] == Integer && rest[1] == Negative:
			words = append(words, "an integer")
			i++
		default:
			words = append(words, kindWords[rest[0]])
		}
	}
	switch len(words) {
	case 1:
		return words[0]
	case 2:
		return words[0] + " or " + words[1]
	}
	return strings.Join(words[:len(words)-1], ", ") + ", or " + words[len(words)-1]
}

// didYouMean names the accepted name closest to what was sent, if it is close.
func didYouMean(sent string, accepted []string) string {
	allowed := 5
	for _, step := range [...]struct{ upTo, allowed int }{{3, 0}, {7, 1}, {12, 2}, {17, 3}, {24, 4}} {
		if len(sent) <= step.upTo {
			allowed = step.allowed
			break
		}
	}
	if allowed == 0 || len(sent) > 1000 { // no accepted name is nearly as long
		return ""
	}
	best := ""
	for _, name := range accepted {
		if d := distance([]rune(sent), []rune(name)); d <= allowed && (best == "" || d < allowed) {
			best, allowed = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean `" + best + "`? "
}

// Distance counts the edits between two texts; swapping neighbours is one edit.
func Distance(a, b string) int { return distance([]rune(a), []rune(b)) }

// distance is the Damerau-Levenshtein distance, where edits may follow swaps.
func distance(a, b []rune) int {
	far := len(a) + len(b)
	width := len(b) + 2
	d := make([]int, (len(a)+2)*width)
	d[0] = far
	for i := range len(a) + 1 {
		d[(i+1)*width], d[(i+1)*width+1] = far, i
	}
	for j := range len(b) + 1 {
		d[j+1], d[width+j+1] = far, j
	}
	lastRow := make(map[rune]int)
	for i := 1; i <= len(a); i++ {
		lastColumn := 0
		for j := 1; j <= len(b); j++ {
			row, column, cost := lastRow[b[j-1]], lastColumn, 1
			if a[i-1] == b[j-1] {
				cost, lastColumn = 0, j
			}
			d[(i+1)*width+j+1] = min(d[i*width+j]+cost, d[(i+1)*width+j]+1, d[i*width+j+1]+1,
				d[row*width+column]+(i-row-1)+1+(j-column-1))
		}
		lastRow[a[i-1]] = i
	}
	return d[(len(a)+1)*width+len(b)+1]
}
