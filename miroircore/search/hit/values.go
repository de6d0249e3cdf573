package hit

// Kind is what a score value was made by.
type Kind uint8

// The kinds of score values.
const (
	// Relevancy is a run of relevancy rules joined into one number.
	Relevancy Kind = iota
	// Vector is the similarity of vectors.
	Vector
	// Field is a sort by a field.
	Field
	// Distance is a sort by the distance to a point.
	Distance
)

// Value is one of the values by which Meilisearch compares hits of different
// queries: consecutive relevancy rules make one, every other rule its own.
type Value struct {
	Kind   Kind
	Desc   bool
	Null   bool
	IsText bool
	Number float64
	Text   []byte
}

// valueRun joins consecutive relevancy rules: each rule's rank subdivides the
// slice that the rules before it chose.
type valueRun struct {
	low, width float64 // the slice chosen so far is (low, low+width]
	rules      int
	words      int
}

// add takes a rule of which the rank and the greatest rank are known.
func (r *valueRun) add(rank, most float64) {
	if r.rules == 0 {
		r.low, r.width = 0, 1
	}
	if most < 1 {
		most = 1
	}
	r.low += (rank - 1) / most * r.width
	r.width /= most
	r.rules++
}

// ratio takes a rule of which only rank/most is told and most is a guess, right
// wherever the query's words stand for themselves. The guess only weighs the
// rules that follow.
func (r *valueRun) ratio(score, most float64) {
	r.add(score*most, most)
}

func (s *scanner) endRun(r *valueRun) {
	if r.rules == 0 {
		return
	}
	s.a.values = append(s.a.values, Value{Kind: Relevancy, Number: r.low + r.width})
	*r = valueRun{words: r.words}
}

func (s *scanner) addValue(r *valueRun, v Value) {
	if !s.want.Values {
		return
	}
	s.endRun(r)
	s.a.values = append(s.a.values, v)
}

// Values are read before a hit's score is known; Score replaces the single
// relevancy value of a hit that no sort interrupts, because it is exact.
func (h *Hit) exactValues() {
	values := h.answer.values[h.values.From:h.values.To]
	at := -1
	for i, v := range values {
		if v.Kind != Relevancy {
			continue
		}
		if at >= 0 {
			return
		}
		at = i
	}
	if at >= 0 && h.Score >= 0 {
		values[at].Number = h.Score
	}
}

// tell notes what a rule told.
func (s *scanner) tell(key string, r *rule) {
	told := Rule{Name: "sort", Count: r.count, Most: r.max, Score: r.score}
	for _, name := range ruleNames {
		if name == key { // the constant, which does not keep the answer's bytes
			told.Name = name
		}
	}
	s.a.rules = append(s.a.rules, told)
}

var ruleNames = []string{"words", "typo", "proximity", "attributeRank", "attribute", "wordPosition", "exactness", "vectorSort", "skipped", "pin"}
