package main

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// A checker that takes everything would prove nothing.
func TestHistoriesThatCannotBeAreRefused(t *testing.T) {
	op := func(s step, from, to int64) porcupine.Operation {
		return porcupine.Operation{Input: s, Call: from, Return: to}
	}
	write := func(value string, uid, from, acknowledged, ended int64) []porcupine.Operation {
		return []porcupine.Operation{op(step{"r", beginWrite, value, uid}, from, acknowledged), op(step{"r", endWrite, value, uid}, acknowledged, ended)}
	}
	read := func(value string, from, to int64) []porcupine.Operation {
		return []porcupine.Operation{op(step{"r", readValue, value, 0}, from, to)}
	}
	for name, c := range map[string]struct {
		right bool
		parts [][]porcupine.Operation
	}{
		"a value that was written":            {true, [][]porcupine.Operation{write("a", 1, 0, 10, 20), read("a", 30, 40)}},
		"one copy is ahead of another":        {true, [][]porcupine.Operation{write("a", 1, 0, 10, 20), read("a", 11, 12), read(nothing, 13, 14)}},
		"the later of two that came together": {true, [][]porcupine.Operation{write("a", 1, 0, 10, 20), write("b", 2, 0, 10, 20), read("b", 30, 40)}},
		"a write that was lost":               {false, [][]porcupine.Operation{write("a", 1, 0, 10, 20), read(nothing, 30, 40)}},
		"a write before it began":             {false, [][]porcupine.Operation{read("a", 0, 5), write("a", 1, 10, 20, 30)}},
		"an older value came back":            {false, [][]porcupine.Operation{write("a", 1, 0, 10, 20), write("b", 2, 30, 40, 50), read("a", 60, 70)}},
		"writes in another order than tasks":  {false, [][]porcupine.Operation{write("a", 1, 0, 10, 20), write("b", 2, 0, 10, 20), read("a", 30, 40)}},
		"a value that nobody wrote":           {false, [][]porcupine.Operation{read("a", 0, 5)}},
	} {
		var all []porcupine.Operation
		for _, part := range c.parts {
			all = append(all, part...)
		}
		if got := porcupine.CheckOperations(registerModel, all); got != c.right {
			t.Errorf("%s: %t", name, got)
		}
	}
	uids := func(pairs ...int64) (all []porcupine.Operation) {
		for i := 0; i < len(pairs); i += 3 {
			all = append(all, porcupine.Operation{Input: pairs[i], Call: pairs[i+1], Return: pairs[i+2]})
		}
		return all
	}
	if !porcupine.CheckOperations(taskModel, uids(1, 0, 10, 0, 5, 15)) {
		t.Error("uids of writes at the same time may come in any order")
	}
	if porcupine.CheckOperations(taskModel, uids(1, 0, 10, 0, 11, 15)) || porcupine.CheckOperations(taskModel, uids(1, 0, 10, 1, 5, 15)) {
		t.Error("uids that fall, or come twice, are taken")
	}
}
