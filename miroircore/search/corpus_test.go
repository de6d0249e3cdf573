package search

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// The corpus has a small vocabulary with misspellings, joined words and common
// prefixes, so that ties and near misses between shards are frequent: the worst
// case for a merge.
var (
	adjectives = strings.Fields("amber ancient autumn bitter blue brave broken bronze calm clever crimson curious dark distant dusty eager early electric empty endless faint fallen fierce final foggy forgotten frozen gentle golden grand green grey hidden hollow honest hungry idle iron ivory jagged keen kind last late lazy lonely lost loud lunar marble midnight misty narrow noble northern pale patient plain proud quiet rapid rusty sacred salt scarlet second secret shallow sharp silent silver simple sleepy slow small solemn southern steady still stormy strange sunken swift tall tender thin thirsty tidal tiny tired twisted upper velvet violet vivid warm weary western white wild winter wise wooden young")
	nouns      = strings.Fields("anchor apple arch archive arrow attic bakery beacon bell birch bird bishop blade boat bone book border bottle branch bread bridge brook candle canyon castle cathedral cavern cellar chapel chart circus city clock cloud coast comet compass copper coral corner cottage cradle crown crystal current dagger dawn delta desert diary dock dragon dream drum dune dust eagle echo ember engine feather ferry field fire fisher flame flower forest forge fountain fox gallery garden gate ghost glacier glass grove harbor harvest hawk heart hill horizon house hunter island jewel journey jungle key king kingdom kite lake lamp lantern library light lighthouse lily lion machine map maple market mask meadow mill mine mirror monk moon moth mountain museum needle nest night oak ocean orchard owl palace paper path pearl pilot pine planet poet pond prairie prince prism quarry queen rabbit rain raven reef ridge river road robin root rose ruin sailor sand sea seed shadow shell ship shore signal sister sky smoke snow song sparrow spear spice spider spring star station stone storm story stream street summer sun sunflower swan sword tailor temple thief thorn thread throne thunder tide tiger timber tower trail train treasure tunnel valley vessel village vine voyage wall watch water wave weaver well whale wheat wheel willow wind window wing winter wolf wood word world")
	verbs      = strings.Fields("builds calls carries chases counts crosses dreams drifts enters finds follows forgets gathers guards hears hides holds keeps leads learns leaves loses makes meets mends moves names opens paints reads remembers returns rides saves sees sells sends shapes sings sleeps speaks steals swims takes teaches tells trades turns waits walks watches weaves whispers writes")
	topics     = []string{"fantasy", "history", "mystery", "poetry", "romance", "science", "travel", "biography", "Children", "cooking"}
)

func oneOf(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

func misspell(r *rand.Rand, w string) string {
	if len(w) < 5 {
		return w
	}
	k := 1 + r.IntN(len(w)-2)
	switch r.IntN(4) {
	case 0:
		return w[:k] + w[k+1:]
	case 1:
		return w[:k] + w[k+1:k+2] + w[k:k+1] + w[k+2:]
	case 2:
		return w[:k] + string("aeiou"[r.IntN(5)]) + w[k+1:]
	}
	return w[:k] + w[k:k+1] + w[k:]
}

const corpusSettings = `{"searchableAttributes":["title","body"],` +
	`"filterableAttributes":["topic","score","day","shelf","price","_geo","id"],` +
	`"sortableAttributes":["score","day","price","_geo","title"]}`

// corpus makes documents, each as the members of an object.
func corpus(n int) []string {
	r := rand.New(rand.NewPCG(11, 0))
	docs := make([]string, n)
	for i := range docs {
		words := make([]string, 6+r.IntN(55))
		for k := range words {
			w := oneOf(r, [][]string{adjectives, nouns, nouns, verbs}[r.IntN(4)])
			switch x := r.Float64(); {
			case x < 0.04:
				w = misspell(r, w)
			case x < 0.06:
				w = oneOf(r, adjectives) + w
			}
			if r.Float64() < 0.1 {
				w += string(".,;"[r.IntN(3)])
			}
			words[k] = w
		}
		price := fmt.Sprintf(`"price":%.1f,`, 1+98*r.Float64())
		if r.Float64() < 0.1 {
			price = `"price":null,`
		}
		docs[i] = fmt.Sprintf(`"id":%d,"title":%q,"body":%q,"topic":%q,"score":%d,"day":%d,"shelf":"s%d",%s"_geo":{"lat":%.5f,"lng":%.5f}`,
			i, strings.Join(words[:2+r.IntN(4)], " "), strings.Join(words, " "), oneOf(r, topics), r.IntN(51), r.IntN(401), r.IntN(241),
			price, -50+100*r.Float64(), -120+240*r.Float64())
	}
	return docs
}

// queries makes bodies of searches that exercise ranking, typos, prefixes,
// phrases, filters, sorts, facets and pages.
func queries(n int) []string {
	r := rand.New(rand.NewPCG(23, 0))
	out := make([]string, n)
	for i := range out {
		words := make([]string, 1+r.IntN(4))
		for k := range words {
			words[k] = oneOf(r, [][]string{adjectives, nouns, verbs}[r.IntN(3)])
		}
		if r.Float64() < 0.3 {
			words[0] = misspell(r, words[0])
		}
		if last := &words[len(words)-1]; r.Float64() < 0.3 {
			*last = (*last)[:1+r.IntN(len(*last))]
		}
		q := strings.Join(words, " ")
		switch x := r.Float64(); {
		case x < 0.1:
			q = `"` + words[0] + `" ` + strings.Join(words[1:], " ")
		case x < 0.18:
			q = ""
		case x < 0.24:
			q += " -" + oneOf(r, nouns)
		}
		body := fmt.Sprintf(`{"q":%q`, q)
		maybe := func(share float64, members ...string) {
			if r.Float64() < share {
				body += "," + members[r.IntN(len(members))]
			}
		}
		maybe(0.35, `"filter":"score > 25"`, `"filter":"topic = fantasy"`, `"filter":"topic IN [history, poetry] AND day < 200"`,
			`"filter":"NOT topic = travel"`, `"filter":"price 10 TO 40"`, `"filter":"_geoRadius(10, 10, 3000000)"`,
			`"filter":[["topic = science","topic = Children"],"score >= 10"]`)
		maybe(0.25, `"sort":["score:desc"]`, `"sort":["price:asc","score:desc"]`, `"sort":["title:asc"]`, `"sort":["_geoPoint(0, 0):asc"]`,
			`"sort":["day:desc"]`, `"sort":["_geoPoint(10, 20):desc","score:asc"]`)
		maybe(0.3, `"facets":["topic"]`, `"facets":["topic","score"]`, `"facets":["shelf"]`, `"facets":["*"]`)
		maybe(0.3, `"limit":5`, `"limit":50,"offset":10`, `"offset":20`, `"page":2,"hitsPerPage":7`, `"hitsPerPage":30`)
		maybe(0.2, `"matchingStrategy":"all"`, `"matchingStrategy":"all"`, `"matchingStrategy":"last"`)
		maybe(0.1, `"attributesToSearchOn":["title"]`)
		maybe(0.1, `"rankingScoreThreshold":0.2`, `"rankingScoreThreshold":0.5`, `"rankingScoreThreshold":0.8`)
		maybe(0.15, `"attributesToRetrieve":["id","title"]`, `"attributesToRetrieve":["id","_geo"]`, `"attributesToRetrieve":[]`)
		maybe(0.15, `"attributesToHighlight":["*"]`, `"attributesToHighlight":["title"],"attributesToCrop":["body:5"]`)
		maybe(0.15, `"showMatchesPosition":true`)
		out[i] = body + "}"
	}
	return out
}
