package write

// Behind reports whether something speaks against reading a node, which is read
// all the same where it is Readable: no other copy has what it has.
func (w *Writer) Behind(id, physical string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return !w.inOrder(id, physical)
}
