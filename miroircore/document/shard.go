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

	positions []uint32 // of all nodes, one node behind the other
	counts    []uint32 // by shard
	next      []uint32 // by node, where its next position goes
}

// Group finds the shard of each key and lists for each of so many nodes the
// positions of the keys that go there. Owners names, for each shard, the
// nodes that hold it.
func (g *Groups) Group(keys *Keys, owners [][]uint16, nodes int) {
	g.Shards = resize(g.Shards, keys.Len())
	g.counts = resize(g.counts, len(owners))
	clear(g.counts)
	g.hash(keys, uint64(len(owners)))
	g.layOut(owners, nodes)
	// With counted places a position is stored and nothing is grown.
	positions, next := g.positions, g.next
	for i, shard := range g.Shards {
		for _, node := range owners[shard] {
			at := next[node]
			positions[at] = uint32(i)
			next[node] = at + 1
		}
	}
}

// hash notes the shard of each key and counts the keys of each shard.
func (g *Groups) hash(keys *Keys, shards uint64) {
	var mask uint64
	if shards&(shards-1) == 0 { // the usual case, and a division costs as much as the hash
		mask = shards - 1
	}
	text, counts, noted := keys.text, g.counts, g.Shards
	var from uint32
	for i, end := range keys.ends {
		hash := xxh3.Hash(text[from:end])
		from = end
		shard := hash & mask
		if mask == 0 {
			shard = hash % shards
		}
		noted[i] = uint16(shard)
		counts[shard]++
	}
}

// layOut gives each node its place among the positions.
func (g *Groups) layOut(owners [][]uint16, nodes int) {
	g.next = resize(g.next, nodes)
	clear(g.next)
	for shard, count := range g.counts {
		for _, node := range owners[shard] {
			g.next[node] += count
		}
	}
	g.Nodes = resize(g.Nodes, nodes)
	var total uint32
	for _, count := range g.next {
		total += count
	}
	g.positions = resize(g.positions, int(total))
	var from uint32
	for node, count := range g.next {
		g.Nodes[node] = g.positions[from : from+count : from+count]
		g.next[node] = from
		from += count
	}
}

// resize gives a slice of length n, in the memory of s if that is large enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
