package engine

import (
	"math"
	"slices"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// usesPlaces tells whether the settings make the engine read _geo.
func (c *config) usesPlaces() bool {
	return slices.Contains(c.sortable, "_geo") || c.isFilterable("_geo")
}

// place gives the coordinates of a document, if the index cares and it has any.
func (ix *Index) place(d *document) ([2]float64, bool) {
	if !ix.cfg.usesPlaces() {
		return [2]float64{}, false
	}
	v, ok := d.body.get("_geo")
	if !ok {
		return [2]float64{}, false
	}
	o, ok := v.(*object)
	if !ok {
		return [2]float64{}, false
	}
	lat, _ := o.get("lat")
	lng, _ := o.get("lng")
	a, okA := finite(lat)
	b, okB := finite(lng)
	return [2]float64{a, b}, okA && okB
}

func (ix *Index) indexPlace(d *document) {
	if p, ok := ix.place(d); ok {
		ix.geo[d.docid] = p
		ix.points.add(d.docid)
	}
}

func finite(v any) (float64, bool) {
	f := 0.0
	switch v := v.(type) {
	case number:
		f = v.f
	case string:
		var err error
		if f, err = strconv.ParseFloat(v, 64); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return f, !math.IsInf(f, 0) && !math.IsNaN(f)
}

// checkPlace refuses a document whose _geo is no place.
func checkPlace(id string, body *object) *meili.Error {
	v, ok := body.get("_geo")
	if !ok || v == nil {
		return nil
	}
	quoted := string(appendString(nil, id))
	fail := func(format string, args ...any) *meili.Error {
		return meili.NewError("invalid_document_geo_field", format, args...)
	}
	o, ok := v.(*object)
	if !ok {
		return fail("The `_geo` field in the document with the id: `%s` is not an object. Was expecting an object with the `_geo.lat` and `_geo.lng` fields but instead got `%s`.", quoted, appendValue(nil, v))
	}
	lat, hasLat := o.get("lat")
	lng, hasLng := o.get("lng")
	switch {
	case !hasLat && !hasLng:
		return fail("Could not find latitude nor longitude in the document with the id: `%s`. Was expecting `_geo.lat` and `_geo.lng` fields.", quoted)
	case !hasLat:
		return fail("Could not find latitude in the document with the id: `%s`. Was expecting a `_geo.lat` field.", quoted)
	case !hasLng:
		return fail("Could not find longitude in the document with the id: `%s`. Was expecting a `_geo.lng` field.", quoted)
	case len(o.members) > 2:
		rest := cloneValue(o).(*object)
		rest.remove("lat")
		rest.remove("lng")
		return fail("The `_geo` field in the document with the id: `%s` contains the following unexpected fields: `%s`.", quoted, appendValue(nil, rest))
	}
	_, okLat := finite(lat)
	_, okLng := finite(lng)
	switch {
	case !okLat && !okLng:
		return fail("Could not parse latitude nor longitude in the document with the id: `%s`. Was expecting finite numbers but instead got `%s` and `%s`.", quoted, appendValue(nil, lat), appendValue(nil, lng))
	case !okLat:
		return fail("Could not parse latitude in the document with the id: `%s`. Was expecting a finite number but instead got `%s`.", quoted, appendValue(nil, lat))
	case !okLng:
		return fail("Could not parse longitude in the document with the id: `%s`. Was expecting a finite number but instead got `%s`.", quoted, appendValue(nil, lng))
	}
	return nil
}

// distance is the haversine distance of two places in metres, to the millimetre.
func distance(a, b [2]float64) float64 {
	const degree = math.Pi / 180
	haversine := func(t float64) float64 { return (1 - math.Cos(t)) / 2 }
	phi1, phi2 := a[0]*degree, b[0]*degree
	lambda1, lambda2 := a[1]*degree, b[1]*degree
	total := haversine(phi2-phi1) + math.Cos(phi1)*math.Cos(phi2)*haversine(lambda2-lambda1)
	return math.Round(2*6371e3*math.Asin(math.Sqrt(total))*1000) / 1000
}
