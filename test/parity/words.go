// Package parity holds searches through Miroir to what one server that has all
// the documents answers: the same hits in the same order, the same totals and
// facets.
package parity

import (
	"math/rand/v2"
	"strings"
)

// The vocabulary is small, so that ties and near misses between the parts of an
// index are frequent: the worst case for a merge.
var (
	adjectives = strings.Fields("amber ancient autumn bitter blue brave broken bronze calm candid clever crimson curious daring dark distant dusty eager early electric empty endless faint fallen fierce final foggy forgotten frozen gentle gilded golden grand green grey hidden hollow honest humble hungry idle iron ivory jagged joyful keen kind last late lazy lonely lost loud lunar marble midnight mild misty narrow nimble noble northern pale patient plain proud quiet rapid restless rusty sacred salt scarlet second secret shallow sharp silent silver simple sleepy slow small solemn southern stark steady still stormy strange subtle sudden sunken swift tall tender thin third thirsty tidal tiny tired twisted upper velvet violet vivid wandering warm weary western white wild winter wise wooden young")
	nouns      = strings.Fields("anchor apple arch archive arrow attic bakery beacon bell birch bird bishop blade boat bone book border bottle branch bread bridge brook candle canyon castle cathedral cavern cellar chapel chart circus city clock cloud coast comet compass copper coral corner cottage cradle crown crystal current dagger dawn delta desert diary dock dragon dream drum dune dust eagle echo ember engine feather ferry field fire fisher flame flower forest forge fountain fox gallery garden gate ghost glacier glass grove harbor harvest hawk heart hill horizon house hunter island jewel journey jungle key king kingdom kite ladder lagoon lake lamp lantern library light lighthouse lily lion machine map maple market mask meadow mill mine mirror monk moon moth mountain museum needle nest night oak oasis ocean orchard orchid owl palace paper parrot path pearl pilgrim pilot pine planet pocket poet pond prairie prince prism quarry queen rabbit rain raven reef ridge ring river road robin root rose ruin sailor sand sea seed shadow shell ship shore signal sister sky smoke snow song sparrow spear spice spider spring stable star station stone storm story stream street summer sun sunflower swan sword tailor temple theatre thief thorn thread throne thunder tide tiger timber tower trail train traveler treasure tunnel valley vessel village vine voyage wall watch water wave weaver well whale wheat wheel willow wind window wing wolf wood word workshop world")
	verbs      = strings.Fields("builds calls carries chases counts crosses dreams drifts enters finds follows forgets gathers guards hears hides holds keeps leads learns leaves loses makes meets mends moves names opens paints reads remembers returns rides saves sees sells sends shapes sings sleeps speaks steals swims takes teaches tells trades turns waits walks watches weaves whispers writes")
	firstNames = strings.Fields("Ada Alma Anton Aya Boris Clara Dario Edith Elif Emil Farah Felix Greta Hana Hugo Ines Iris Ivan Jonas Kaya Lars Lena Lucia Marco Mina Nadia Nils Noor Olga Omar Petra Quentin Rosa Samir Sofia Tariq Uma Vera Viktor Wanda Yara Zeno")
	lastNames  = strings.Fields("Abbas Almeida Bauer Castillo Dahl Eriksen Fontaine García Haddad Ito Jansen Kowalski Lindqvist Moreau Nakamura Novák O'Brien Okafor Petrov Quispe Rossi Sato Şahin Torres Ueda Vogel Weiß Xu Yılmaz Zhou")
	topics     = []string{"fantasy", "history", "mystery", "poetry", "romance", "science", "travel", "biography", "Children", "cooking"}
	publishers = []object{
		{"name": "Northwind", "city": "Oslo"}, {"name": "Harbor House", "city": "Lisbon"}, {"name": "Paper Moon", "city": "Kyoto"},
		{"name": "Quill & Sons", "city": "Dublin"}, {"name": "Éditions du Lac", "city": "Genève"},
	}
)

// dice makes the choices of a set. Each set has dice of its own, so that none
// changes when another does.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0))} }

// chance is true in a share of all throws.
func (d dice) chance(share float64) bool { return d.Float64() < share }

// between gives an integer from low to high, both included.
func (d dice) between(low, high int) int { return low + d.IntN(high-low+1) }

// uniform gives a number between low and high of that many digits after the
// point.
func (d dice) uniform(low, high float64, digits int) float64 {
	scale := 1.0
	for range digits {
		scale *= 10
	}
	return float64(int64((low+(high-low)*d.Float64())*scale)) / scale
}

func pick[T any](d dice, list []T) T { return list[d.IntN(len(list))] }

// sample picks n different elements.
func sample[T any](d dice, list []T, n int) []T {
	out := make([]T, n)
	for i, k := range d.Perm(len(list))[:n] {
		out[i] = list[k]
	}
	return out
}

// misspell makes one slip of a keyboard in a word.
func (d dice) misspell(word string) string {
	w := []rune(word)
	if len(w) < 5 {
		return word
	}
	k := d.between(1, len(w)-2)
	switch d.IntN(4) {
	case 0:
		return string(w[:k]) + string(w[k+1:])
	case 1:
		w[k], w[k+1] = w[k+1], w[k]
		return string(w)
	case 2:
		w[k] = []rune("aeiou")[d.IntN(5)]
		return string(w)
	}
	return string(w[:k+1]) + string(w[k:])
}

// phrase makes the words of a search out of a set's own words.
func (d dice) phrase(pool [][]string) string {
	words := make([]string, d.between(1, 4))
	for i := range words {
		words[i] = pick(d, pick(d, pool))
	}
	if d.chance(0.3) {
		words[0] = d.misspell(words[0])
	}
	if last := &words[len(words)-1]; d.chance(0.3) {
		letters := []rune(*last)
		*last = string(letters[:d.between(1, len(letters))])
	}
	q := strings.Join(words, " ")
	if d.chance(0.1) {
		q = `"` + words[0] + `" ` + strings.Join(words[1:], " ")
	}
	if d.chance(0.06) {
		q += " -" + pick(d, pick(d, pool))
	}
	return q
}
