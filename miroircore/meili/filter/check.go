package filter

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// Rules are what an expression is checked against.
type Rules struct {
	Index      string // named at the beginning of messages; empty leaves that out
	Code       string // of the errors; empty means invalid_search_filter
	Filterable []settings.Filterable
	Features   meili.Features
	Original   bool // messages show the filter as it was sent; else as it is written again, as searches do

	// Known says whether any document has ever had an attribute; without it all
	// are taken as known. On others any operator is allowed.
	Known func(attribute string) bool
}

// Check refuses an expression that needs a feature that is off, or whose
// attributes or operators the rules do not allow.
func (e *Expr) Check(r Rules) *meili.Error {
	if e == nil {
		return nil
	}
	if r.Code == "" {
		r.Code = defaultCode
	}
	if err := e.Allowed(r.Features); err != nil {
		return err
	}
	checked := e
	if !r.Original && !e.has(Foreign) {
		if again, err := ParseText(r.Code, e.String()); err == nil {
			checked = again
		}
	}
	err := checked.checkAttributes(&r)
	if err == nil {
		err = checked.checkOperators(&r)
	}
	if err != nil && r.Index != "" {
		err.Message = "Index `" + r.Index + "`: " + err.Message
	}
	return err
}

func (e *Expr) has(op Op) (found bool) {
	e.Walk(func(e *Expr) { found = found || e.Op == op })
	return found
}

// Allowed refuses an expression that needs a feature that is off. The server
// does so before it looks at the index.
func (e *Expr) Allowed(f meili.Features) *meili.Error {
	gates := []struct {
		feature, action string
		token           func(*Expr) *Token
	}{
		{"containsFilter", "Using `CONTAINS` in a filter", func(e *Expr) *Token { return tokenOf(e, Contains, &e.Keyword) }},
		{"foreignKeys", "using a foreign filter", func(e *Expr) *Token { return tokenOf(e, Foreign, &e.Attr) }},
		{"network", "using a shard filter", func(e *Expr) *Token {
			if e.Attr.Text == shardAttribute && e.Op != Vectors {
				return &e.Attr
			}
			return nil
		}},
		{"multimodal", "using a vector filter", func(e *Expr) *Token { return tokenOf(e, Vectors, &e.Attr) }},
	}
	for _, gate := range gates {
		if f.Get(gate.feature) {
			continue
		}
		var first *Token
		e.Walk(func(e *Expr) {
			if first == nil {
				first = gate.token(e)
			}
		})
		if first != nil {
			return first.fault("feature_not_enabled", meili.FeatureMessage(gate.action, gate.feature))
		}
	}
	return nil
}

func tokenOf(e *Expr, op Op, token *Token) *Token {
	if e.Op == op {
		return token
	}
	return nil
}

const (
	shardAttribute   = "_shard"
	geoAttribute     = "_geo"
	geoJSONAttribute = "_geojson"
)

// checkAttributes looks at the attributes from the last to the first, as the
// server does: of several that are not filterable the last is told.
func (e *Expr) checkAttributes(r *Rules) *meili.Error {
	for i := len(e.Children) - 1; i >= 0 && e.Op != Foreign; i-- {
		if err := e.Children[i].checkAttributes(r); err != nil {
			return err
		}
	}
	if e.Attr.Source() == "" || e.Op == Vectors || e.Attr.Text == shardAttribute || e.Attr.Text == "_vectors" {
		return nil
	}
	if rule, _ := settings.MatchFilterable(r.Filterable, e.Attr.Text); rule != nil && (rule.Equality || rule.Comparison) {
		return nil
	}
	return e.Attr.fault(r.Code, r.notFilterable(e.Attr.Text))
}

// Source is the filter the token was read from; it is empty for no token.
func (t *Token) Source() string { return t.source }

func (r *Rules) notFilterable(attribute string) string {
	var patterns []string
	for _, rule := range r.Filterable {
		if rule.Equality || rule.Comparison {
			patterns = append(patterns, rule.Patterns...)
		}
	}
	message := "Attribute `" + attribute + "` is not filterable."
	if len(patterns) == 0 {
		return message + " This index does not have configured filterable attributes."
	}
	slices.Sort(patterns)
	return message + " Available filterable attribute patterns are: `" + strings.Join(slices.Compact(patterns), "`, `") + "`."
}

// checkOperators looks at operators and places from the first to the last.
func (e *Expr) checkOperators(r *Rules) *meili.Error {
	switch e.Op {
	case GeoRadius, GeoBox, GeoPolygon:
		return e.checkGeo(r)
	case Foreign:
		return nil
	}
	for _, child := range e.Children {
		if err := child.checkOperators(r); err != nil {
			return err
		}
	}
	return e.checkOperator(r)
}

func (e *Expr) checkOperator(r *Rules) *meili.Error {
	rule, index := settings.MatchFilterable(r.Filterable, e.Attr.Text)
	if e.Attr.Source() == "" || rule == nil || r.Known != nil && !r.Known(e.Attr.Text) {
		return nil
	}
	operator, group := names[e.Op], ""
	switch e.Op {
	case Greater, GreaterOrEqual, Less, LessOrEqual, Between:
		if !rule.Comparison {
			group = "comparison"
		}
	case Equal, NotEqual:
		if !rule.Equality {
			group = "equality"
		}
	case In:
		if !rule.Equality && len(e.Values) > 0 {
			operator, group = "=", "equality"
		}
	}
	if group == "" {
		return nil
	}
	allowed := []string{"OR", "AND", "NOT"}
	if rule.Equality {
		allowed = append(allowed, "=", "!=", "IN")
	}
	if rule.Comparison {
		allowed = append(allowed, "<", ">", "<=", ">=", "TO")
	}
	allowed = append(allowed, "IS EMPTY", "IS NULL", "EXISTS")
	return meili.NewError(defaultCode, "Filter operator `%[1]s` is not allowed for the attribute `%[2]s`.\n"+
		"  - Note: allowed operators: %[3]s.\n"+
		"  - Note: field `%[2]s` matched rule #%[4]d in `filterableAttributes`\n"+
		"  - Hint: enable %[5]s in rule #%[4]d by modifying the features.filter object\n"+
		"  - Hint: prepend another rule matching `%[2]s` with appropriate filter features before rule #%[4]d",
		operator, e.Attr.Text, strings.Join(allowed, ", "), index, group)
}

func (e *Expr) checkGeo(r *Rules) *meili.Error {
	json := r.plain(geoJSONAttribute)
	if e.Op == GeoPolygon && !json {
		return e.Points[0][0].fault(r.Code, r.notFilterable(geoJSONAttribute))
	}
	var numbers [][2]float64
	for i := range e.Points {
		var point [2]float64
		for axis := range point {
			var err *meili.Error
			if point[axis], err = e.Points[i][axis].float(r.Code); err != nil {
				return err
			}
		}
		numbers = append(numbers, point)
	}
	for i, point := range numbers {
		for axis, number := range point {
			if wrong := badCoordinate(axis, number); wrong != "" {
				return e.Points[i][axis].fault(r.Code, wrong)
			}
		}
	}
	if err := e.checkShape(r, numbers); err != nil {
		return err
	}
	if !json && !r.plain(geoAttribute) {
		return e.Points[0][0].fault(r.Code, r.notFilterable(geoAttribute+"/"+geoJSONAttribute))
	}
	return nil
}

func (e *Expr) checkShape(r *Rules, points [][2]float64) *meili.Error {
	switch {
	case e.Op == GeoBox && points[0][0] < points[1][0]:
		return e.Points[1][1].fault(r.Code, "The top latitude `"+display(points[0][0])+"` is below the bottom latitude `"+
			display(points[1][0])+"`.")
	case e.Op != GeoRadius:
		return nil
	}
	if _, err := e.Radius.float(r.Code); err != nil {
		return err
	}
	if e.Resolution == nil {
		return nil
	}
	resolution, err := e.Resolution.float(r.Code)
	if err != nil {
		return err
	}
	if n := uint64(max(0, min(resolution, math.MaxInt64))); n < 3 || n > 1000 {
		return e.Resolution.fault(r.Code, "Invalid resolution `"+strconv.FormatUint(n, 10)+
			"`. Resolution must be between 3 and 1000.")
	}
	return nil
}

// plain says whether an attribute is filterable by its own name, not by a pattern.
func (r *Rules) plain(attribute string) bool {
	return slices.ContainsFunc(r.Filterable, func(f settings.Filterable) bool {
		return f.Plain && f.Patterns[0] == attribute
	})
}

// float reads a token that was recognised as a number.
func (t *Token) float(code string) (float64, *meili.Error) {
	f, _ := strconv.ParseFloat(t.Text, 64) // only its range can be wrong
	if math.IsInf(f, 0) {
		return 0, t.fault(code, "Non finite floats are not supported")
	}
	return f, nil
}

func badCoordinate(axis int, number float64) string {
	if axis == 0 && !(-90 <= number && number <= 90) {
		return "Bad latitude `" + display(number) + "`. Latitude must be contained between -90 and 90 degrees."
	}
	if axis == 1 && !(-180 <= number && number <= 180) {
		around := math.Mod(number+180, 360)
		if around < 0 {
			around += 360
		}
		return "Bad longitude `" + display(number) + "`. Longitude must be contained between -180 and 180 degrees. " +
			"Hint: try using `" + display(around-180) + "` instead."
	}
	return ""
}

func display(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
