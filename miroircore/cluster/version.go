package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// Lowest is the oldest version of Meilisearch that Miroir works with: earlier
// ones lack the ranking rules that it sets by default. Below is the first
// version that it is not expected to work with.
const (
	Lowest = "1.50.0"
	Below  = "2.0.0"
)

// Compatible tells why nodes of a version cannot be used, or nil.
func Compatible(version string) error {
	if CompareVersions(version, Lowest) < 0 || CompareVersions(version, Below) >= 0 {
		return fmt.Errorf("version %s of Meilisearch is not supported: it must be at least %s and below %s", version, Lowest, Below)
	}
	return nil
}

// CompareVersions orders two versions by their numbers; what follows a hyphen
// does not count.
func CompareVersions(a, b string) int {
	left, right := numbers(a), numbers(b)
	for i := range left {
		if left[i] != right[i] {
			return left[i] - right[i]
		}
	}
	return 0
}

func numbers(version string) (n [3]int) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	for i, part := range strings.SplitN(version, ".", 3) {
		n[i], _ = strconv.Atoi(part) // what is no number counts as 0 and is refused as too old
	}
	return n
}
