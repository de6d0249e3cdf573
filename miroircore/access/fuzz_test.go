package access_test

import (
	"strings"
	"testing"
)

func FuzzToken(f *testing.F) {
	uid := "01b4bc42-eb33-4041-b481-254d00cce834"
	good := token(`{"searchRules":["*"],"apiKeyUid":"`+uid+`"}`, uid)
	for _, seed := range []string{good, "a.b.c", "..", good + "=", strings.ToUpper(good)} {
		f.Add("Bearer " + seed)
	}
	w := open(f)
	w.create(uid, []string{"search"}, []string{"bo*"})
	f.Fuzz(func(t *testing.T, header string) {
		g, refusal := w.Authorize(header, "search", "books")
		if (g == nil) == (refusal == nil) {
			t.Fatalf("%q gives %v and %v", header, g, refusal)
		}
		parts := strings.Split(strings.TrimSpace(header), ".")
		if g != nil && len(parts) == 3 && parts[2] != strings.Split(good, ".")[2] {
			t.Fatalf("%q was let in", header)
		}
	})
}

func FuzzClaims(f *testing.F) {
	uid := "01b4bc42-eb33-4041-b481-254d00cce834"
	for _, seed := range []string{
		`{"searchRules":["*"],"apiKeyUid":"` + uid + `"}`, `{"searchRules":{"a*":{"filter":[["x"]]}},"apiKeyUid":"` + uid + `","exp":1}`,
		`[`, `{"exp":1e400}`, `{"searchRules":[null]}`, " {}", `{"apiKeyUid":"{"}`, "{\"x\":\"\\ud800\"}",
	} {
		f.Add(seed)
	}
	w := open(f)
	w.create(uid, []string{"search"}, []string{"bo*"})
	f.Fuzz(func(t *testing.T, claims string) {
		g, refusal := w.Authorize("Bearer "+token(claims, uid), "search", "books")
		if (g == nil) == (refusal == nil) {
			t.Fatalf("%q gives %v and %v", claims, g, refusal)
		}
	})
}

func BenchmarkAuthorize(b *testing.B) {
	w := open(b)
	uid := "01b4bc42-eb33-4041-b481-254d00cce834"
	made := w.create(uid, []string{"search"}, []string{"bo*"})
	for name, bearer := range map[string]string{
		"master": master, "key": made.Key, "tenant": token(`{"searchRules":{"bo*":{"filter":"a = 1"}},"apiKeyUid":"`+uid+`"}`, uid),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := w.Authorize("Bearer "+bearer, "search", "books"); refusal != nil {
					b.Fatal(refusal)
				}
			}
		})
	}
}
