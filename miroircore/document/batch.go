package document

import (
	"encoding/binary"
	"io"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
)

// positionLimit is how many documents one operation number tells apart.
const positionLimit = 1 << hidden.PositionBits

const (
	shardOpen   = `,"` + hidden.ShardField + `":"`
	versionOpen = `","` + hidden.VersionField + `":"`
	docClose    = "\"}\n"
)

// Batch are the documents of one payload: where each of them is, and in which
// shard it belongs. The documents themselves stay in the body.
type Batch struct {
	// PrimaryKey is the key that was given or found. It is empty where it was
	// not given and there is no document.
	PrimaryKey string
	// Count is the number of documents.
	Count int

	body    *Body
	chunks  []chunk
	docs    []int   // by shard, the number of documents
	bytes   []int64 // by shard, the length of the documents
	patches map[int][]byte
	tail    int      // length of what replaces a document's last brace
	opening [][]byte // by shard, what follows a document up to its version
}

// chunk is the whereabouts of some thousand documents, in order. They are kept
// as differences: five bytes a document, where plain fields would take twelve.
type chunk struct {
	position int   // of the first document in the payload
	offset   int64 // of the byte behind the document before the first
	entries  []byte
}

// chunkBytes is the size of a full chunk's entries.
const chunkBytes = 64 << 10

func newBatch(body *Body, shards int) *Batch {
	b := &Batch{body: body, docs: make([]int, shards), bytes: make([]int64, shards)}
	b.opening = make([][]byte, shards)
	b.tail = len(shardOpen) + hidden.ShardChars(shards)*3 + len(versionOpen) + hidden.VersionBytes + len(docClose)
	return b
}

// add notes a document of the body. Last is the end of the one before.
func (b *Batch) add(start, end, last int64, shard int) {
	if n := len(b.chunks); n == 0 || len(b.chunks[n-1].entries) > chunkBytes-24 {
		room := 64
		if n > 0 {
			room = chunkBytes
		}
		b.chunks = append(b.chunks, chunk{position: b.Count, offset: last, entries: make([]byte, 0, room)})
	}
	c := &b.chunks[len(b.chunks)-1]
	c.entries = binary.AppendUvarint(c.entries, uint64(start-last))
	c.entries = binary.AppendUvarint(c.entries, uint64(end-start))
	c.entries = binary.LittleEndian.AppendUint16(c.entries, uint16(shard))
	b.docs[shard]++
	b.bytes[shard] += end - start
	b.Count++
}

// patch replaces the text of the document noted last.
func (b *Batch) patch(shard int, was int, text []byte) {
	if b.patches == nil {
		b.patches = make(map[int][]byte)
	}
	b.patches[b.Count-1] = text
	b.bytes[shard] += int64(len(text) - was)
}

// seal is called when all documents are noted.
func (b *Batch) seal() {
	shards := len(b.docs)
	for shard, n := range b.docs {
		if n == 0 {
			continue
		}
		text := append([]byte(nil), shardOpen...)
		text = hidden.AppendShard(text, shard, shards)
		b.opening[shard] = append(text, versionOpen...)
	}
}

// Shards gives the number of shards the documents were sorted into.
func (b *Batch) Shards() int { return len(b.docs) }

// Touched lists the shards that get a document, in order.
func (b *Batch) Touched() []int {
	var touched []int
	for shard, n := range b.docs {
		if n > 0 {
			touched = append(touched, shard)
		}
	}
	return touched
}

// InShard gives the number of documents in a shard.
func (b *Batch) InShard(shard int) int { return b.docs[shard] }

// Ops gives how many operation numbers the documents need, at least 1. One
// number tells 2^24 documents apart; a larger payload takes the numbers that
// follow it, which the caller reserves together with the first.
func (b *Batch) Ops() int { return max(1, (b.Count+positionLimit-1)/positionLimit) }

// Version gives the version of the document at a position, where op is the
// first of the operation's numbers.
func Version(op uint64, position int) uint64 {
	return hidden.Version(op+uint64(position/positionLimit), position%positionLimit)
}

// Len gives the number of documents in the wanted shards.
func (b *Batch) Len(wanted func(shard int) bool) int {
	var n int
	for shard, docs := range b.docs {
		if docs > 0 && wanted(shard) {
			n += docs
		}
	}
	return n
}

// Size gives the exact number of bytes that Reader gives for the wanted shards.
// It costs as much as there are shards.
func (b *Batch) Size(wanted func(shard int) bool) int64 {
	var size int64
	for shard, docs := range b.docs {
		if docs > 0 && wanted(shard) {
			size += b.bytes[shard] + int64(docs)*int64(b.tail-1) // the tail takes a brace's place
		}
	}
	return size
}

// All wants every shard.
func All(int) bool { return true }

// Reader gives the documents of the wanted shards as NDJSON, each with its
// shard and its version, where op is the first of the operation's numbers. It
// may be called as often as the documents are sent, and by several at once.
func (b *Batch) Reader(wanted func(shard int) bool, op uint64) io.ReadCloser {
	return newReader(b, wanted, func(position int) uint64 { return Version(op, position) })
}

// WriteShards writes what Reader gives, with versions of the caller's choice.
func (b *Batch) WriteShards(w io.Writer, wanted func(shard int) bool, version func(position int) uint64) error {
	_, err := newReader(b, wanted, version).WriteTo(w)
	return err
}

// Close gives the body back. Readers that are still open fail.
func (b *Batch) Close() error { return b.body.Close() }
