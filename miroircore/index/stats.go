package index

import (
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// JoinStats adds up what the nodes of a group tell of one index, each document
// of which copies of them hold. Hidden fields are left out. Sizes are given in
// bytes: nodes must be asked for raw ones.
func JoinStats(parts []meili.IndexStats, copies int) meili.IndexStats {
	copies = max(copies, 1)
	var documents, embeddings, embedded, size uint64
	var hasEmbeddings, indexing bool
	fields := make(map[string]int)
	sizes := make(map[string]uint64)
	for _, part := range parts {
		documents += part.NumberOfDocuments
		size += bytesOf(part.RawDocumentDBSize)
		indexing = indexing || part.IsIndexing
		if part.NumberOfEmbeddings != nil {
			hasEmbeddings = true
			embeddings += *part.NumberOfEmbeddings
		}
		if part.NumberOfEmbeddedDocuments != nil {
			embedded += *part.NumberOfEmbeddedDocuments
		}
		addSizes(sizes, part.InternalDatabaseSizes)
		for field, n := range part.FieldDistribution {
			if !strings.HasPrefix(field, hidden.Prefix) {
				fields[field] += n
			}
		}
	}
	// While a replica is behind, sums are no multiples of the copies: the nearest
	// number is nearer to the truth than the next lower one.
	divide := func(n uint64) uint64 { return (n + uint64(copies)/2) / uint64(copies) }
	for field, n := range maps.Clone(fields) {
		fields[field] = int(divide(uint64(n)))
	}
	out := meili.IndexStats{
		NumberOfDocuments: divide(documents), RawDocumentDBSize: number(divide(size)), AvgDocumentSize: number(0),
		IsIndexing: indexing, FieldDistribution: fields,
	}
	if documents > 0 {
		out.AvgDocumentSize = number(size / documents)
	}
	if len(sizes) > 0 { // of all copies: the space that is taken
		out.InternalDatabaseSizes = encode(sizes)
	}
	if hasEmbeddings {
		embeddings, embedded = divide(embeddings), divide(embedded)
		out.NumberOfEmbeddings, out.NumberOfEmbeddedDocuments = &embeddings, &embedded
	}
	return out
}

func addSizes(sum map[string]uint64, raw json.RawMessage) {
	for _, m := range members(raw) {
		sum[m.name] += bytesOf(m.value)
	}
}

func number(n uint64) json.RawMessage { return strconv.AppendUint(nil, n, 10) }

func bytesOf(raw json.RawMessage) uint64 {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f < 0 || f > math.MaxInt64 {
		return 0
	}
	return uint64(f)
}
