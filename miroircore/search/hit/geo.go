package hit

import "math"

// earthRadius is the radius that Meilisearch computes distances with, in metres.
const earthRadius = 6372797.560856

// Metres is the great-circle distance between two places, in metres.
func Metres(lat1, lng1, lat2, lng2 float64) float64 {
	a1, a2 := lat1*math.Pi/180, lat2*math.Pi/180
	dLat := math.Sin((lat2 - lat1) * math.Pi / 360)
	dLng := math.Sin((lng2 - lng1) * math.Pi / 360)
	return 2 * earthRadius * math.Asin(math.Sqrt(dLat*dLat+math.Cos(a1)*math.Cos(a2)*dLng*dLng))
}
