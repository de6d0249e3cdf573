package outbox

// OperationOf gives the number of the last operation that a node's task did, as
// its metadata says; false where the task is none of an outbox's.
func OperationOf(metadata *string) (uint64, bool) {
	s, ok := parseMetadata(metadata)
	return s.lastOp, ok
}
