package document

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestVersionsGoOnInTheNextOperation(t *testing.T) {
	for position, want := range map[int]uint64{0: 9 << 24, 1: 9<<24 | 1, 1<<24 - 1: 9<<24 | (1<<24 - 1), 1 << 24: 10 << 24, 1<<24 + 1: 10<<24 | 1} {
		if got := Version(9, position); got != want {
			t.Errorf("version at %d is %x, want %x", position, got, want)
		}
	}
	for count, want := range map[int]int{0: 1, 1: 1, 1 << 24: 1, 1<<24 + 1: 2} {
		if got := (&Batch{Count: count}).Ops(); got != want {
			t.Errorf("%d documents need %d numbers, want %d", count, got, want)
		}
	}
}

func TestGroupSendsEachKeyToItsOwners(t *testing.T) {
	keys, owners := keysAndOwners(1000, 64, 3, 2)
	var g Groups
	for range 2 { // the second time over the first one's memory
		g.Group(keys, owners, 3)
		seen := make([]int, keys.Len())
		for node, positions := range g.Nodes {
			last := -1
			for _, at := range positions {
				if int(at) <= last {
					t.Fatalf("node %d: %d after %d", node, at, last)
				}
				last = int(at)
				shard := Shard(keys.At(int(at)), 64)
				if g.Shards[at] != uint16(shard) || owners[shard][0] != uint16(node) && owners[shard][1] != uint16(node) {
					t.Fatalf("key %s of shard %d is at node %d", keys.At(int(at)), shard, node)
				}
				seen[at]++
			}
		}
		for i, n := range seen {
			if n != 2 {
				t.Fatalf("key %d is at %d nodes", i, n)
			}
		}
	}
}

func keysAndOwners(n, shards, nodes, copies int) (*Keys, [][]uint16) {
	rnd := rand.New(rand.NewPCG(1, 2))
	keys := &Keys{}
	for range n {
		keys.Add([]byte(fmt.Sprint(rnd.IntN(10_000_000))))
	}
	owners := make([][]uint16, shards)
	for shard := range owners {
		for c := range copies {
			owners[shard] = append(owners[shard], uint16((shard+c)%nodes))
		}
	}
	return keys, owners
}
