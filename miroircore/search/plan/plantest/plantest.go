// Package plantest holds selection policies to what the search expects of them.
package plantest

import (
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// Policy runs the suite. made makes a policy that works by the clock given.
func Policy(t *testing.T, made func(now func() time.Time) plan.Policy) {
	t.Run("ranks are numbers", func(t *testing.T) { ranksAreNumbers(t, made) })
	t.Run("nodes alike share the load", func(t *testing.T) { share(t, made) })
	t.Run("a new node is asked and does not get all", func(t *testing.T) { newcomer(t, made) })
	t.Run("what follows a policy chooses as well", func(t *testing.T) { inherit(t, made) })
	t.Run("many at once", func(t *testing.T) { concurrent(t, made) })
}

// clock moves only when told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Unix(1_700_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// choose is what a search does with equal nodes: the lowest rank is asked.
func choose(p plan.Policy, nodes ...string) string {
	best, least := "", math.Inf(1)
	for _, n := range nodes {
		if r := p.Rank(n); r < least {
			best, least = n, r
		}
	}
	return best
}

func ask(p plan.Policy, c *clock, node string, took time.Duration, failed bool) {
	p.Begin(node)
	c.advance(took)
	how := plan.Answered
	if failed {
		how = plan.Failed
	}
	p.End(node, took, how)
}

func ranksAreNumbers(t *testing.T, made func(func() time.Time) plan.Policy) {
	c := newClock()
	p := made(c.now)
	check := func(when string) {
		t.Helper()
		for _, n := range []string{"a", "never asked", ""} {
			if r := p.Rank(n); math.IsNaN(r) || math.IsInf(r, 0) {
				t.Errorf("%s: the rank of %q is %v", when, n, r)
			}
		}
	}
	check("at first")
	ask(p, c, "a", 0, false)
	check("after an answer at once")
	for range 1000 {
		ask(p, c, "a", time.Minute, true)
	}
	check("after many failures")
	c.advance(365 * 24 * time.Hour)
	check("after a year")
	ask(p, c, "a", time.Millisecond, false)
	check("after an answer, a year later")
	c.advance(-time.Hour)
	ask(p, c, "a", time.Millisecond, false)
	check("with a clock set back")
}

func share(t *testing.T, made func(func() time.Time) plan.Policy) {
	c := newClock()
	p := made(c.now)
	asked := map[string]int{}
	for range 900 {
		n := choose(p, "a", "b", "c")
		asked[n]++
		ask(p, c, n, time.Millisecond, false)
	}
	for _, n := range []string{"a", "b", "c"} {
		if asked[n] < 200 || asked[n] > 400 {
			t.Errorf("of 900 requests to three equal nodes: %v", asked)
		}
	}
}

func newcomer(t *testing.T, made func(func() time.Time) plan.Policy) {
	c := newClock()
	p := made(c.now)
	for range 1000 {
		ask(p, c, choose(p, "a", "b"), time.Millisecond, false)
	}
	asked := map[string]int{}
	for range 300 {
		n := choose(p, "a", "b", "new")
		asked[n]++
		ask(p, c, n, time.Millisecond, false)
	}
	if asked["new"] < 50 || asked["new"] > 200 {
		t.Errorf("of 300 requests: %v", asked)
	}
}

func inherit(t *testing.T, made func(func() time.Time) plan.Policy) {
	c := newClock()
	before, after := made(c.now), made(c.now)
	for range 100 {
		ask(before, c, choose(before, "a", "b"), time.Millisecond, false)
	}
	before.Begin("a") // under way while the other takes over
	if heir, ok := after.(plan.Heir); ok {
		heir.Inherit(before)
		heir.Inherit(after)
		heir.Inherit(plan.NewRandom())
	}
	before.End("a", time.Millisecond, plan.Answered)
	asked := map[string]int{}
	for range 300 {
		n := choose(after, "a", "b")
		asked[n]++
		ask(after, c, n, time.Millisecond, false)
	}
	if asked["a"] < 90 || asked["b"] < 90 {
		t.Errorf("of 300 requests to equal nodes: %v", asked)
	}
}

func concurrent(t *testing.T, made func(func() time.Time) plan.Policy) {
	c := newClock()
	p := made(c.now)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 200 {
				ask(p, c, choose(p, "a", "b", strconv.Itoa(i)), time.Millisecond, n%7 == 0)
			}
		})
	}
	if heir, ok := p.(plan.Heir); ok {
		heir.Inherit(made(c.now))
	}
	wg.Wait()
}
