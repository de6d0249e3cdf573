package fleet

import "testing"

// PlainKey is the master key of a Plain server.
const PlainKey = nodeKey

// Plain starts a Meilisearch that belongs to no fleet: what a fleet is held to.
func Plain(t testing.TB) Node {
	t.Helper()
	return startNode(t, "plain")
}

// PlainWith is Plain with another master key.
func PlainWith(t testing.TB, masterKey string) Node {
	t.Helper()
	return start(t, "plain", masterKey)
}
