package parity

import "math"

// dimensions of the vectors: few, so that neighbours are far apart and a search
// that is approximate finds them all the same.
const dimensions = 12

// vectorSet is documents with vectors of their own, asked for by vector, by
// vector and words, and by what a document is like.
func vectorSet() set {
	s := set{
		name: "vectors",
		settings: object{
			"searchableAttributes": list("title"), "filterableAttributes": list("topic", "score"), "sortableAttributes": list("score"),
			"embedders": object{"own": object{"source": "userProvided", "dimensions": dimensions}},
		},
	}
	d := newDice(53)
	for i := range 800 {
		doc := object{
			"id": i, "title": pick(d, adjectives) + " " + pick(d, nouns) + " " + pick(d, verbs) + " " + pick(d, nouns),
			"topic": pick(d, topics), "score": d.between(0, 50), "_vectors": object{"own": d.vector()},
		}
		if i%31 == 0 {
			doc["_vectors"] = object{"own": nil}
		}
		s.documents = append(s.documents, doc)
	}
	shared := append(showing("title"),
		option{0.3, each("filter", "topic = poetry", "score > 20", "NOT topic IN [travel, science]")},
		option{0.2, each("facets", list("topic"))},
		option{0.3, []object{{"limit": 5}, {"offset": 5, "limit": 10}, {"hitsPerPage": 12}, {"page": 2, "hitsPerPage": 6}}},
		option{0.1, each("retrieveVectors", true)},
		option{0.1, each("distinct", "topic")},
	)
	for range 150 {
		body := object{"vector": d.vector(), "hybrid": object{"embedder": "own", "semanticRatio": pick(d, []float64{1, 1, 0.8, 0.5, 0.3, 0})}}
		if d.chance(0.6) {
			body["q"] = d.phrase([][]string{adjectives, nouns, verbs})
		}
		s.queries = append(s.queries, search(d.add(body, shared)))
	}
	for range 30 {
		body := object{"id": d.between(1, 30), "embedder": "own"}
		s.queries = append(s.queries, query{kind: meaning, path: "/similar", body: d.add(body, []option{
			{0.3, each("limit", 5, 40)}, {0.3, each("filter", "score > 20")}, {0.3, each("showRankingScore", true)},
			{0.2, each("rankingScoreThreshold", 0.6)}, {0.2, each("offset", 3)},
		})})
	}
	return s
}

func (d dice) vector() []float64 {
	v := make([]float64, dimensions)
	norm := 0.0
	for i := range v {
		v[i] = d.NormFloat64()
		norm += v[i] * v[i]
	}
	for i := range v {
		v[i] = round(v[i]/math.Sqrt(norm), 6)
	}
	return v
}
