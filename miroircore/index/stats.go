package index

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// JoinStats adds up what the nodes tell of one index: the sum is divided by the
// number of nodes that hold each document.
func JoinStats(parts []meili.IndexStats, copies int) meili.IndexStats {
	joined := meili.IndexStats{FieldDistribution: map[string]int{}}
	var raw, embeddings, embedded uint64
	sizes := map[string]uint64{}
	counted := false
	for _, p := range parts {
		joined.NumberOfDocuments += p.NumberOfDocuments
		joined.IsIndexing = joined.IsIndexing || p.IsIndexing
		raw += plain(p.RawDocumentDBSize)
		for field, n := range p.FieldDistribution {
			if !strings.HasPrefix(field, hidden.Prefix) {
				joined.FieldDistribution[field] += n
			}
		}
		if p.NumberOfEmbeddings != nil && p.NumberOfEmbeddedDocuments != nil {
			counted = true
			embeddings += *p.NumberOfEmbeddings
			embedded += *p.NumberOfEmbeddedDocuments
		}
		addSizes(sizes, p.InternalDatabaseSizes)
	}
	n := uint64(max(copies, 1))
	joined.NumberOfDocuments /= n
	for field := range joined.FieldDistribution {
		joined.FieldDistribution[field] /= int(n)
	}
	if counted {
		embeddings, embedded = embeddings/n, embedded/n
		joined.NumberOfEmbeddings, joined.NumberOfEmbeddedDocuments = &embeddings, &embedded
	}
	raw /= n
	joined.RawDocumentDBSize = number(raw)
	joined.AvgDocumentSize = number(raw / max(joined.NumberOfDocuments, 1))
	if len(sizes) > 0 {
		joined.InternalDatabaseSizes = encode(sizes)
	}
	return joined
}

func addSizes(sum map[string]uint64, raw json.RawMessage) {
	var part map[string]uint64
	if len(raw) == 0 || json.Unmarshal(raw, &part) != nil {
		return
	}
	for name, size := range part {
		sum[name] += size
	}
}

// plain reads a size that was asked for in bytes.
func plain(raw json.RawMessage) uint64 {
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func number(n uint64) json.RawMessage { return json.RawMessage(strconv.FormatUint(n, 10)) }
