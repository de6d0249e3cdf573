package requestuid

import (
	"testing"

	"github.com/google/uuid"
)

func TestUIDsAreVersionSevenAndGrow(t *testing.T) {
	before := ""
	for range 10_000 {
		uid := New()
		id, err := uuid.Parse(uid)
		if err != nil || id.Version() != 7 || id.Variant() != uuid.RFC4122 || uid <= before {
			t.Fatalf("%q after %q: %v", uid, before, err)
		}
		before = uid
	}
}
