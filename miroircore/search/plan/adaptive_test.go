package plan_test

import (
	"math"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// timed is an adaptive policy under a clock that moves only when told to.
type timed struct {
	*plan.Adaptive
	at time.Time
}

func newTimed() *timed {
	p := &timed{at: time.Unix(1_700_000_000, 0)}
	p.Adaptive = plan.NewAdaptive(func() time.Time { return p.at })
	return p
}

// told has the policy see a request end, some time after what it saw before.
func (p *timed) told(after time.Duration, node string, took time.Duration, how plan.Ending) {
	p.at = p.at.Add(after)
	p.Begin(node)
	p.End(node, took, how)
}

// latency is the average that the rank of an idle node gives away.
func (p *timed) latency(node string) time.Duration {
	return time.Duration(p.Rank(node) * float64(time.Second))
}

func near(a, b time.Duration) bool { return math.Abs(math.Log(float64(a)/float64(b))) < 0.12 }

func TestAnObservedLatencyCountsHalfAfterFiveSeconds(t *testing.T) {
	p := newTimed()
	p.told(0, "a", 400*time.Millisecond, plan.Answered)
	p.told(5*time.Second, "a", 0, plan.Answered)
	if got := p.latency("a"); !near(got, 200*time.Millisecond) {
		t.Errorf("after one half-life: %v", got)
	}
	p.told(10*time.Second, "a", 0, plan.Answered)
	if got := p.latency("a"); !near(got, 50*time.Millisecond) {
		t.Errorf("after three: %v", got)
	}
}

func TestTheFasterTheIdleAndTheUnoccupiedComeFirst(t *testing.T) {
	p := newTimed()
	for range 20 {
		p.told(time.Second, "fast", 2*time.Millisecond, plan.Answered)
		p.told(0, "slower", 8*time.Millisecond, plan.Answered)
	}
	if p.Rank("fast") >= p.Rank("slower") {
		t.Error("the slower node comes first")
	}
	for range 10 {
		p.Begin("fast")
	}
	if p.Rank("slower") >= p.Rank("fast") {
		t.Error("the node with ten requests under way comes first")
	}
}

func TestANodeThatIsIndexingIsAskedLess(t *testing.T) {
	p := newTimed()
	busy := ""
	p.Watch(func(node string) bool { return node == busy })
	for range 20 {
		p.told(time.Second, "a", 4*time.Millisecond, plan.Answered)
		p.told(0, "b", 5*time.Millisecond, plan.Answered)
	}
	if p.Rank("a") >= p.Rank("b") {
		t.Error("the faster node is not asked first")
	}
	if busy = "a"; p.Rank("a") <= p.Rank("b") {
		t.Error("the node that is indexing is asked first")
	}
	if busy = ""; p.Rank("a") >= p.Rank("b") {
		t.Error("it is not asked first again when it has indexed")
	}
}

func TestASlowNodeIsKnownAndForgiven(t *testing.T) {
	p := newTimed()
	both := func(took time.Duration) {
		p.told(time.Second, "a", took, plan.Answered)
		p.told(0, "b", 5*time.Millisecond, plan.Answered)
	}
	for range 20 {
		both(5 * time.Millisecond)
	}
	if p.Slow("a") || p.Slow("b") || p.Slow("never asked") {
		t.Error("a node is slow among equals")
	}
	both(505 * time.Millisecond)
	if !p.Slow("a") || p.Slow("b") {
		t.Error("the slow node is not known as such at once")
	}
	seconds := 0
	for p.Slow("a") && seconds < 120 {
		both(5 * time.Millisecond)
		seconds++
	}
	if seconds < 2 || seconds > 30 {
		t.Errorf("it is forgiven after %d s", seconds)
	}
	for range 1000 {
		p.told(time.Second, "a", time.Minute, plan.Failed)
	}
	for seconds = 0; p.Slow("a") && seconds < 120; seconds++ {
		both(5 * time.Millisecond)
	}
	if seconds > 30 {
		t.Errorf("after a long outage it is forgiven after %d s", seconds)
	}
}

func TestWhatWasNotAnsweredTeachesWhatIsKnownOfIt(t *testing.T) {
	p := newTimed()
	for range 20 {
		p.told(time.Second, "a", 100*time.Millisecond, plan.Answered)
	}
	p.told(5*time.Second, "a", time.Millisecond, plan.Dropped)
	p.told(5*time.Second, "a", 20*time.Millisecond, plan.Outrun)
	if got := p.latency("a"); !near(got, 100*time.Millisecond) {
		t.Errorf("requests that were given up make the node look fast: %v", got)
	}
	p.told(5*time.Second, "a", 500*time.Millisecond, plan.Outrun)
	if got := p.latency("a"); got < 200*time.Millisecond {
		t.Errorf("a node that was outrun after half a second counts %v", got)
	}
}

func TestOneRequestInTwentyTriesTheNodeAskedLeastLately(t *testing.T) {
	p := newTimed()
	p.told(time.Second, "b", time.Millisecond, plan.Answered)
	p.told(time.Second, "a", time.Millisecond, plan.Answered)
	tried := 0
	for range 20_000 {
		switch p.Explore(func() []string { return []string{"a", "b"} }) {
		case "":
		case "b":
			tried++
		default:
			t.Fatal("the other one is tried")
		}
	}
	if tried < 800 || tried > 1200 {
		t.Errorf("%d of 20000 requests try a node", tried)
	}
	for range 100 {
		if p.Explore(func() []string { return nil }) != "" {
			t.Error("a node is tried where there is none")
		}
	}
}
