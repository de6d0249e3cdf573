package plan_test

import (
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/search/plan"
	"github.com/miroir-gateway/miroir/miroircore/search/plan/plantest"
)

func TestPolicies(t *testing.T) {
	for name, made := range map[string]func(func() time.Time) plan.Policy{
		"adaptive":    func(now func() time.Time) plan.Policy { return plan.NewAdaptive(now) },
		"round_robin": func(func() time.Time) plan.Policy { return plan.NewRoundRobin() },
		"random":      func(func() time.Time) plan.Policy { return plan.NewRandom() },
	} {
		t.Run(name, func(t *testing.T) { plantest.Policy(t, made) })
	}
}

func TestRoundRobinAsksInTurn(t *testing.T) {
	p := plan.NewRoundRobin()
	last := ""
	for range 10 {
		node := "a"
		if p.Rank("b") < p.Rank("a") {
			node = "b"
		}
		if node == last {
			t.Fatalf("%s is asked twice in a row", node)
		}
		p.Begin(node)
		last = node
	}
}

func TestAdaptiveKeepsWhatItLearnedAcrossConfigurations(t *testing.T) {
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	before := plan.NewAdaptive(clock)
	for range 20 {
		now = now.Add(time.Second)
		before.Begin("slow")
		before.End("slow", 300*time.Millisecond, plan.Answered)
		before.Begin("fast")
		before.End("fast", time.Millisecond, plan.Answered)
	}
	after := plan.NewAdaptive(clock)
	after.Inherit(before)
	wins := 0
	for range 100 {
		if after.Rank("fast") < after.Rank("slow") {
			wins++
		}
	}
	if wins < 80 {
		t.Errorf("the fast node wins %d of 100", wins)
	}
}
