package filter

import (
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// Sort is one sort criterion.
type Sort struct {
	Attr string      // empty when by distance
	Desc bool        // the other way round
	Geo  *[2]float64 // latitude and longitude of the place distances are from
}

// ParseSort reads the sort criteria of a search.
func ParseSort(criteria []string) ([]Sort, *meili.Error) {
	return ParseSortAs("invalid_search_sort", criteria)
}

// ParseSortAs is ParseSort with the errors' code given.
func ParseSortAs(code string, criteria []string) ([]Sort, *meili.Error) {
	if criteria == nil {
		return nil, nil
	}
	sorts := make([]Sort, len(criteria))
	for i, criterion := range criteria {
		sort, wrong := parseSort(criterion)
		if wrong != "" {
			return nil, meili.NewError(code, "%s", wrong)
		}
		sorts[i] = sort
	}
	return sorts, nil
}

func parseSort(criterion string) (sort Sort, wrong string) {
	colon := strings.LastIndexByte(criterion, ':')
	direction := criterion[colon+1:]
	if colon < 0 || direction != "asc" && direction != "desc" {
		return sort, "Invalid syntax for the sort parameter: expected expression ending by `:asc` or `:desc`, found `" +
			criterion + "`."
	}
	name := criterion[:colon]
	sort.Desc = direction == "desc"
	if point, ok := geoPoint(name); ok {
		sort.Geo, wrong = parsePoint(name, point)
		return sort, wrong
	}
	sort.Attr = name
	return sort, reservedSort(name)
}

func geoPoint(name string) (string, bool) {
	point, ok := strings.CutPrefix(name, "_geoPoint(")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(point, ")")
}

func parsePoint(name, point string) (*[2]float64, string) {
	lat, lng, ok := strings.Cut(point, ",")
	var at [2]float64
	for axis, text := range [2]string{lat, lng} {
		text = strings.TrimSpace(text)
		f, err := strconv.ParseFloat(text, 64)
		if ok = ok && (err == nil || f != 0) && !strings.ContainsAny(text, "xXpP_"); !ok {
			return nil, badPoint(name)
		}
		at[axis] = f
	}
	for axis, f := range at {
		if wrong := badCoordinate(axis, f); wrong != "" {
			return nil, wrong
		}
	}
	return &at, ""
}

func badPoint(name string) string {
	return "Invalid syntax for the geo parameter: expected expression formated like `_geoPoint(latitude, longitude)` " +
		"and ending by `:asc` or `:desc`, found `" + name + "`."
}

// reservedSort tells why a name cannot be sorted by, if it cannot.
func reservedSort(name string) string {
	const help = "` is a reserved keyword and thus can't be used as a sort expression."
	const geoHelp = help + " Use the _geoPoint(latitude, longitude) built-in rule to sort on _geo field coordinates."
	reserved := slices.Contains([]string{"_geo", "_geojson", "_geoDistance", "_geoPoint", "_geoRadius", "_geoBoundingBox"}, name)
	for _, prefix := range []string{"_geoRadius(", "_geoBoundingBox(", "_geo(", "_geoDistance("} {
		reserved = reserved || strings.HasPrefix(name, prefix)
	}
	switch {
	case !reserved:
		return ""
	case strings.HasPrefix(name, "_geoPoint"):
		return badPoint(name)
	case name == "_geo":
		return "`_geo" + geoHelp
	case strings.HasPrefix(name, "_geoRadius"):
		return "`_geoRadius" + geoHelp
	case strings.HasPrefix(name, "_geoBoundingBox"):
		return "`_geoBoundingBox" + geoHelp
	}
	return "`" + name + help
}

// SortRules are what sort criteria are checked against.
type SortRules struct {
	Index        string // named at the beginning of messages; empty leaves that out
	Code         string // of the errors; empty means invalid_search_sort
	Sortable     []string
	Displayed    []string // attributes that are not displayed are not named either
	RankingRules []string // nil when ranking rules do not matter, as for documents
}

// CheckSort refuses criteria on attributes that are not sortable.
func CheckSort(criteria []Sort, r SortRules) *meili.Error {
	if len(criteria) == 0 {
		return nil
	}
	if r.Code == "" {
		r.Code = "invalid_search_sort"
	}
	if r.RankingRules != nil && !slices.Contains(r.RankingRules, "sort") {
		return r.fault("You must specify where `sort` is listed in the rankingRules setting to use the sort parameter at search time.")
	}
	for _, criterion := range criteria {
		if criterion.Geo != nil {
			if !slices.Contains(r.Sortable, geoAttribute) {
				return r.notSortable(geoAttribute)
			}
			continue
		}
		if !slices.ContainsFunc(r.Sortable, func(field string) bool { return settings.Under(criterion.Attr, field) }) {
			return r.notSortable(criterion.Attr)
		}
	}
	return nil
}

func (r *SortRules) fault(message string) *meili.Error {
	if r.Index != "" {
		message = "Index `" + r.Index + "`: " + message
	}
	return meili.NewError(r.Code, "%s", message)
}

func (r *SortRules) notSortable(attribute string) *meili.Error {
	fields, hidden := settings.Visible(r.Sortable, r.Displayed)
	if len(fields) == 0 {
		return r.fault("Attribute `" + attribute + "` is not sortable. This index does not have configured sortable attributes.")
	}
	more := ""
	if hidden {
		more = ", <..hidden-attributes>"
	}
	return r.fault("Attribute `" + attribute + "` is not sortable. Available sortable attributes are: `" +
		strings.Join(fields, ", ") + more + "`.")
}
