package settings_test

import (
	"regexp"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// longNumber finds numbers that may be read as a neighbour of the nearest
// double, as the server reads them, and so may change when they are read again.
var longNumber = regexp.MustCompile(`[0-9.]{16}|[0-9][eE]`)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{}`, `{"rankingRules":["words","a:asc"],"stopWords":["b","a"]}`, `{"typoTolerance":{"enabled":false}}`,
		`{"embedders":{"e":{"source":"userProvided","dimensions":2},"x":null}}`, `{"faceting":{"sortFacetValuesBy":{"a":"count"}}}`,
		`{"filterableAttributes":["a",{"attributePatterns":["b*"]}],"synonyms":{"a":["b"]}}`, `{"chat":{"searchParameters":{"limit":1}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := settings.Parse(body)
		if err != nil {
			return
		}
		again, err := settings.Parse(p.Raw())
		if err != nil || string(again.Raw()) != string(p.Raw()) && !longNumber.Match(body) {
			t.Fatalf("%s: %s reads back as %s, %v", body, p.Raw(), again.Raw(), err)
		}
		_ = p.Details()
		s, err := p.Apply(settings.Default())
		if err != nil {
			return
		}
		back, fail := settings.FromRaw(s.Raw())
		if fail != nil || !back.Equal(s) && !longNumber.Match(body) {
			t.Fatalf("%s: %s reads back as %s, %v", body, s.Raw(), back.Raw(), fail)
		}
	})
}
