package replica

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"github.com/zeebo/xxh3"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// Buckets is the number of parts that a shard's fingerprint has.
const Buckets = 256

// bucket is the part of a shard that the hash of an id belongs to. The shard is
// taken from the other end of the hash.
func bucket(key uint64) int { return int(key >> 56) }

// Part sums up some documents: how many there are, and the sum of their hashes,
// which does not depend on their order.
type Part struct {
	Count  uint64
	Lo, Hi uint64
}

// Print is the fingerprint of one shard on one node. Equal prints mean equal
// documents: ids and versions, and contents where these were read.
type Print [Buckets]Part

// add adds a document.
func (p *Print) add(e *Entry) {
	var fixed [17]byte
	binary.LittleEndian.PutUint64(fixed[:], e.Version)
	binary.LittleEndian.PutUint64(fixed[8:], e.Content)
	if e.Foreign {
		fixed[16] = 1
	}
	key := e.key()
	hash := xxh3.Hash128Seed(fixed[:], key)
	part := &p[bucket(key)]
	part.Count++
	var carry uint64
	part.Lo, carry = bits.Add64(part.Lo, hash.Lo, 0)
	part.Hi, _ = bits.Add64(part.Hi, hash.Hi, carry)
}

// Count is the number of documents.
func (p *Print) Count() (n uint64) {
	for i := range p {
		n += p[i].Count
	}
	return n
}

// Digest is the SHA-256 of the print, in hex.
func (p *Print) Digest() string {
	h := sha256.New()
	for i := range p {
		var raw [24]byte
		binary.LittleEndian.PutUint64(raw[:], p[i].Count)
		binary.LittleEndian.PutUint64(raw[8:], p[i].Lo)
		binary.LittleEndian.PutUint64(raw[16:], p[i].Hi)
		_, _ = h.Write(raw[:]) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Differing lists the buckets in which two prints differ.
func (p *Print) Differing(other *Print) []int {
	var list []int
	for i := range p {
		if p[i] != other[i] {
			list = append(list, i)
		}
	}
	return list
}

// Prints are the fingerprints of shards by their numbers.
type Prints map[int]*Print

// Differing lists the shards whose prints differ, in the order given.
func (p Prints) Differing(other Prints, shards []int) []int {
	var list []int
	for _, shard := range shards {
		a, b := p[shard], other[shard]
		if a == nil || b == nil || *a != *b {
			list = append(list, shard)
		}
	}
	return list
}

// Fingerprint reads what a node holds of shards, a fast pass only ids and
// versions. Throttle may be nil. Memory: 6 KiB a shard and a page of documents.
func Fingerprint(ctx context.Context, c *node.Client, ix *index.Index, shards []int, fast bool, throttle *Throttle) (Prints, error) {
	r := &reader{client: c, ix: ix, shards: shards, fast: fast, pace: throttle}
	return r.prints(ctx)
}

func (r *reader) prints(ctx context.Context) (Prints, error) {
	prints := make(Prints, len(r.shards))
	for _, shard := range r.shards {
		prints[shard] = new(Print)
	}
	err := r.each(ctx, func(e Entry, _ []byte) error {
		p := prints[e.Shard]
		if p == nil { // it is where it does not belong, which has to show somewhere
			p = prints[r.shards[0]]
		}
		p.add(&e)
		return nil
	})
	return prints, err
}
