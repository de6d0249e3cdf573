package parity

import (
	"fmt"
	"math"
)

// placeSet is points that lie in clusters, some of them on the same spot, asked
// for by where they are.
func placeSet() set {
	s := set{
		name: "places",
		settings: object{
			"searchableAttributes": list("name", "kind"), "filterableAttributes": list("_geo", "kind", "beds", "stars"),
			"sortableAttributes": list("_geo", "beds", "stars", "name"),
		},
	}
	d := newDice(41)
	type centre struct{ lat, lng float64 }
	centres := make([]centre, 12)
	for i := range centres {
		centres[i] = centre{d.uniform(-60, 65, 3), d.uniform(-175, 175, 3)}
	}
	for i := range 2500 {
		c := pick(d, centres)
		p := object{
			"id": fmt.Sprintf("p%d", i), "name": pick(d, adjectives) + " " + pick(d, nouns), "kind": pick(d, list("inn", "farm", "tower", "harbor", "cabin")),
			"beds": d.between(1, 12), "stars": pick(d, []any{1, 2, 3, 4, 5, nil}),
		}
		switch {
		case i%23 == 0: // nowhere
		case i%17 == 0:
			p["_geo"] = object{"lat": c.lat, "lng": c.lng} // all at one spot
		case i%11 == 0:
			p["_geo"] = object{"lat": fmt.Sprint(c.lat + 0.01), "lng": fmt.Sprint(d.uniform(c.lng, c.lng+0.2, 4))}
		default:
			p["_geo"] = object{"lat": round(c.lat+d.NormFloat64()*0.4, 5), "lng": round(c.lng+d.NormFloat64()*0.4, 5)}
		}
		s.documents = append(s.documents, p)
	}
	for range 250 {
		c := pick(d, centres)
		body := object{}
		if d.chance(0.4) {
			body["q"] = d.phrase([][]string{adjectives, nouns})
		}
		point := fmt.Sprintf("_geoPoint(%g, %g)", c.lat, c.lng)
		s.queries = append(s.queries, search(d.add(body, append(showing("name"),
			option{0.5, each("filter", fmt.Sprintf("_geoRadius(%g, %g, 30000)", c.lat, c.lng), fmt.Sprintf("_geoRadius(%g, %g, 200000) AND beds > 3", c.lat, c.lng),
				fmt.Sprintf("_geoBoundingBox([%g, %g], [%g, %g])", round(c.lat+0.5, 3), round(c.lng+0.5, 3), round(c.lat-0.5, 3), round(c.lng-0.5, 3)),
				fmt.Sprintf("_geoPolygon([%g, %g], [%g, %g], [%g, %g])", c.lat, c.lng, round(c.lat+1, 3), c.lng, c.lat, round(c.lng+1, 3)),
				"kind = inn", "stars IS NULL")},
			option{0.7, each("sort", list(point+":asc"), list(point+":asc"), list(point+":desc"), list("stars:desc", point+":asc"), list(point+":asc", "beds:desc"), list("name:asc"))},
			option{0.2, each("facets", list("kind"), list("beds", "stars"), list("*"))},
			option{0.1, each("distinct", "kind", "beds")},
			windows,
		))))
	}
	return s
}

func round(v float64, digits int) float64 {
	scale := math.Pow(10, float64(digits))
	return math.Round(v*scale) / scale
}
