// Package hidden encodes the fields that Miroir adds to each document so that
// no search can find them.
//
// A number in a document is searchable text to Meilisearch when
// searchableAttributes is ["*"]: a plain shard number would make the query "7"
// match every document of shard 7. The values are therefore strings over the
// 32 separator characters U+22B0 … U+22CF, five bits each, big-endian, of fixed
// width: they make no word, no position and no prefix, survive the
// normalisation that facet values go through, and sort as their values.
package hidden

import "fmt"

const (
	// Prefix starts the name of every field that belongs to Miroir. A client's
	// document with a top-level field of this prefix is refused.
	Prefix = "_miroir_"
	// ShardField holds the number of a document's shard.
	ShardField = "_miroir_shard"
	// VersionField holds the version of a document's last write.
	VersionField = "_miroir_version"
	// ExpiresField is the one hidden field that clients may set: when a document expires.
	ExpiresField = "_miroir_expires_at"
)

const (
	first     = 0x22B0 // ⊰, the character that stands for 0
	bits      = 5
	charBytes = 3 // each of the 32 characters takes three bytes in UTF-8

	versionChars = 13 // 65 bits hold a 64-bit version
	// VersionBytes is the length of an encoded version in UTF-8.
	VersionBytes = versionChars * charBytes
)

// MaxShards is the largest number of shards an index can have.
const MaxShards = 1 << (3 * bits)

// PositionBits is how many of a version's bits number the document inside its
// payload; the bits above hold the operation's number.
const PositionBits = 24

// Version joins an operation's number and a document's position in the
// operation's payload. Versions grow with operations and, inside one, with
// positions, so documents that rank equal come in insertion order.
func Version(op uint64, position int) uint64 {
	return op<<PositionBits | uint64(position)
}

// AppendVersion appends the 13 characters of a version.
func AppendVersion(dst []byte, version uint64) []byte {
	return appendDigits(dst, version, versionChars)
}

// ShardChars is the number of characters that encode a shard of an index with
// the given number of shards: two up to 1,024 shards, three up to MaxShards.
func ShardChars(shards int) int {
	if shards <= 1<<(2*bits) {
		return 2
	}
	return 3
}

// AppendShard appends the characters of a shard of an index with the given
// number of shards.
func AppendShard(dst []byte, shard, shards int) []byte {
	return appendDigits(dst, uint64(shard), ShardChars(shards))
}

func appendDigits(dst []byte, value uint64, chars int) []byte {
	for i := chars - 1; i >= 0; i-- {
		digit := byte(value >> (uint(i) * bits) & (1<<bits - 1))
		// U+22B0+digit is E2 8A B0+digit up to U+22BF, then E2 8B 80+…
		if digit < 16 {
			dst = append(dst, 0xE2, 0x8A, 0xB0+digit)
		} else {
			dst = append(dst, 0xE2, 0x8B, 0x80+digit-16)
		}
	}
	return dst
}

// Value decodes a shard or a version. It reports an error for anything that
// AppendShard and AppendVersion do not write.
func Value(text string) (uint64, error) {
	if len(text) == 0 || len(text)%charBytes != 0 || len(text) > VersionBytes {
		return 0, fmt.Errorf("hidden value %q has %d bytes", text, len(text))
	}
	var value uint64
	for _, r := range text {
		if r < first || r >= first+1<<bits {
			return 0, fmt.Errorf("hidden value %q holds %q", text, r)
		}
		value = value<<bits | uint64(r-first)
	}
	return value, nil
}

// Alphabet are the 32 characters, in the order of their values. A
// nonSeparatorTokens setting that names one of them would make hidden values
// searchable and is refused.
const Alphabet = "⊰⊱⊲⊳⊴⊵⊶⊷⊸⊹⊺⊻⊼⊽⊾⊿⋀⋁⋂⋃⋄⋅⋆⋇⋈⋉⋊⋋⋌⋍⋎⋏"

// ShardFilter is the filter that matches the documents of some of an index's
// shards. Its quotes are those that a JSON text need not escape.
func ShardFilter(some []int, shards int) string {
	text := append(make([]byte, 0, 32+12*len(some)), ShardField+" IN ["...)
	for i, shard := range some {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(AppendShard(append(text, '\''), shard, shards), '\'')
	}
	return string(append(text, ']'))
}
