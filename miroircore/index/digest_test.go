package index

import (
	"encoding/json"
	"testing"
)

// What a newer server has beyond what this gateway knows is no difference; a
// value that is not the one proposed is.
func TestDigestsBearNewerServers(t *testing.T) {
	digest := func(text string) string {
		t.Helper()
		d, err := ShownDigest(json.RawMessage(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return d
	}
	for _, c := range []struct{ known, newer, other string }{
		{`{}`, `{"novelty":{"a":1}}`, `{"facetSearch":false}`},
		{`{"typoTolerance":{"enabled":false}}`, `{"typoTolerance":{"enabled":false,"novelty":1,"minWordSizeForTypos":{"threeTypos":12}}}`, `{"typoTolerance":{"enabled":true}}`},
		{`{"faceting":{"maxValuesPerFacet":7}}`, `{"faceting":{"novelty":[],"maxValuesPerFacet":7}}`, `{"faceting":{"maxValuesPerFacet":8}}`},
		{`{"embedders":{"e":{"source":"userProvided","dimensions":2}}}`, `{"embedders":{"e":{"source":"userProvided","novelty":true,"dimensions":2}}}`,
			`{"embedders":{"e":{"source":"userProvided","dimensions":3}}}`},
		{`{"filterableAttributes":[{"attributePatterns":["a"],"features":{"facetSearch":true,"filter":{"equality":true,"comparison":false}}}]}`,
			`{"filterableAttributes":[{"attributePatterns":["a"],"features":{"facetSearch":true,"filter":{"equality":true,"comparison":false,"fuzzy":true}}}]}`,
			`{"filterableAttributes":[{"attributePatterns":["a"],"features":{"facetSearch":true,"filter":{"equality":true,"comparison":true}}}]}`},
	} {
		if digest(c.known) != digest(c.newer) {
			t.Errorf("%s differs from %s", c.newer, c.known)
		}
		if digest(c.known) == digest(c.other) {
			t.Errorf("%s does not differ from %s", c.other, c.known)
		}
	}
}
