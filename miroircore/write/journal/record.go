package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Kind says what a record tells about its operation.
type Kind uint8

// The kinds of records, in the order in which an operation writes them.
const (
	// Header opens an operation: who it is and what it does.
	Header Kind = iota + 1
	// Payload holds what the client sent.
	Payload
	// Bound says what the operation was found to mean when its turn came: the
	// physical index, the shards, the nodes.
	Bound
	// Delivered says that a node enqueued a step of the operation.
	Delivered
	// Ended says that a step of the operation ended on a node.
	Ended
	// Finished says how the operation's task ended.
	Finished
	// Closed says that nothing is left to do.
	Closed
	// whole stands for all earlier records of its operation, which it holds one
	// after the other: they were brought forward.
	whole
)

// Record is one entry of the journal.
type Record struct {
	Kind Kind
	Op   uint64
	Body []byte
}

// A record lies in a segment as length (of all that follows the checksum),
// checksum of the same, kind, operation, body. A length of zero ends a segment.
const (
	frameHead = 8
	bodyHead  = 9
	// maxRecord bounds what a torn or foreign length can make a reader allocate.
	maxRecord = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn ends the reading of a segment: what follows was never synced.
var errTorn = errors.New("torn record")

func appendRecord(dst []byte, r Record) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, frameHead)...)
	dst = append(dst, byte(r.Kind))
	dst = binary.BigEndian.AppendUint64(dst, r.Op)
	dst = append(dst, r.Body...)
	content := dst[start+frameHead:]
	binary.BigEndian.PutUint32(dst[start:], uint32(len(content)))
	binary.BigEndian.PutUint32(dst[start+4:], crc32.Checksum(content, castagnoli))
	return dst
}

func frameSize(r Record) int64 { return int64(frameHead + bodyHead + len(r.Body)) }

// readRecord gives the next record and the number of bytes it takes.
func readRecord(r io.Reader) (Record, int64, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return Record{}, 0, io.EOF
		}
		return Record{}, 0, errTorn
	}
	length := binary.BigEndian.Uint32(head[:])
	if length < bodyHead || length > maxRecord {
		return Record{}, 0, errTorn
	}
	content := make([]byte, length)
	if _, err := io.ReadFull(r, content); err != nil {
		return Record{}, 0, errTorn
	}
	if crc32.Checksum(content, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
		return Record{}, 0, errTorn
	}
	record := Record{Kind: Kind(content[0]), Op: binary.BigEndian.Uint64(content[1:]), Body: content[bodyHead:]}
	if record.Kind < Header || record.Kind > whole {
		return Record{}, 0, fmt.Errorf("record of unknown kind %d", record.Kind)
	}
	return record, frameHead + int64(length), nil
}
