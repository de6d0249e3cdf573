package document

import "github.com/zeebo/xxh3"

// Shard gives the shard of the document with the given id in an index of so
// many shards. The id of a document whose primary key is an integer is its
// decimal text, so that 1 and "1" are one document.
func Shard(id []byte, shards int) int { return int(xxh3.Hash(id) % uint64(shards)) }

// ShardString is Shard for an id that is a string.
func ShardString(id string, shards int) int { return int(xxh3.HashString(id) % uint64(shards)) }

// Keys are ids one behind the other, without an allocation for each.
type Keys struct {
	text []byte
	ends []uint32
}

// Add appends an id.
func (k *Keys) Add(id []byte) {
	k.text = append(k.text, id...)
	k.ends = append(k.ends, uint32(len(k.text)))
}

// Len gives the number of ids.
func (k *Keys) Len() int { return len(k.ends) }

// At gives the i-th id. It is valid until the next Reset.
func (k *Keys) At(i int) []byte {
	var from uint32
	if i > 0 {
		from = k.ends[i-1]
	}
	return k.text[from:k.ends[i]:k.ends[i]]
}

// Reset forgets the ids and keeps their memory.
func (k *Keys) Reset() { k.text, k.ends = k.text[:0], k.ends[:0] }

// Groups are the positions of documents by node. It can be filled again and
// again; its memory is kept.
type Groups struct {
	// Nodes lists for each node the positions of its documents, in order.
	Nodes [][]uint32
	// Shards holds the shard of each document.
	Shards []uint16
}

// Group finds the shard of each key and lists for each of so many nodes the
// positions of the keys that go there. Owners names, for each shard, the
// nodes that hold it.
func (g *Groups) Group(keys *Keys, owners [][]uint16, nodes int) {
	for len(g.Nodes) < nodes {
		g.Nodes = append(g.Nodes, nil)
	}
	g.Nodes = g.Nodes[:nodes]
	expect := keys.Len()/max(nodes, 1) + keys.Len()/8 + 8
	for i := range g.Nodes {
		if cap(g.Nodes[i]) == 0 {
			g.Nodes[i] = make([]uint32, 0, expect)
		}
		g.Nodes[i] = g.Nodes[i][:0]
	}
	if cap(g.Shards) < keys.Len() {
		g.Shards = make([]uint16, keys.Len())
	}
	g.Shards = g.Shards[:keys.Len()]
	shards := uint64(len(owners))
	var from uint32
	for i, end := range keys.ends {
		shard := xxh3.Hash(keys.text[from:end]) % shards
		from = end
		g.Shards[i] = uint16(shard)
		for _, node := range owners[shard] {
			g.Nodes[node] = append(g.Nodes[node], uint32(i))
		}
	}
}
