package room

import "testing"

func TestMemoryIsAPowerOfTwo(t *testing.T) {
	r := new(Room)
	for _, c := range []struct{ size, want int }{{1, 1}, {600, 1024}, {1024, 1024}, {1025, 2048}, {5, 2048}} {
		if got := r.Of(c.size); len(got) != 0 || cap(got) != c.want {
			t.Errorf("%d of %d bytes for %d", len(got), cap(got), c.size)
		}
	}
}

func TestWhatIsTooLargeIsNotKept(t *testing.T) {
	r := Take()
	r.Give(append(r.Of(most), make([]byte, most+1)...))
	if r.bytes != nil {
		t.Errorf("%d bytes are kept", cap(r.bytes))
	}
}
