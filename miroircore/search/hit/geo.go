package hit

import (
	"math"
	"strconv"
)

// earthRadius is the radius that Meilisearch computes distances with, in metres.
const earthRadius = 6372797.560856

// Metres is the great-circle distance between two places, in metres.
func Metres(lat1, lng1, lat2, lng2 float64) float64 {
	a1, a2 := lat1*math.Pi/180, lat2*math.Pi/180
	dLat := math.Sin((lat2 - lat1) * math.Pi / 360)
	dLng := math.Sin((lng2 - lng1) * math.Pi / 360)
	return 2 * earthRadius * math.Asin(math.Sqrt(dLat*dLat+math.Cos(a1)*math.Cos(a2)*dLng*dLng))
}

// place reads a hit's _geo: an object with lat and lng, each a number or a
// number's text. Anything else is no place, as it is none to Meilisearch.
func (s *scanner) place(h *Hit) {
	c := cursor{b: s.b, i: s.i}
	if !c.take('{') {
		return
	}
	var found int
	for !c.take('}') {
		c.take(',')
		name, _, ok := c.text()
		if !ok || !c.take(':') {
			return
		}
		target := &h.lat
		switch string(c.b[name.From:name.To]) {
		case "lat":
		case "lng":
			target = &h.lng
		default:
			if !c.skip(1) {
				return
			}
			continue
		}
		if !c.coordinate(target) {
			return
		}
		found++
	}
	h.located = found == 2
}

func (c *cursor) coordinate(target *float64) (ok bool) {
	if c.peek() != '"' {
		*target, ok = c.float()
		return ok
	}
	span, _, ok := c.text()
	if !ok {
		return false
	}
	f, err := strconv.ParseFloat(string(c.b[span.From:span.To]), 64)
	*target = f
	return err == nil
}
