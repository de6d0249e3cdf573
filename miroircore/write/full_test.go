package write

import (
	"fmt"
	"log/slog"
	"net/http"
	"syscall"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/write/journal"
)

// Whichever file the full disk has no room for, the client is told the same.
func TestAFullDiskIs507WhereverItShows(t *testing.T) {
	w := &Writer{log: slog.New(slog.DiscardHandler)}
	for _, cause := range []error{journal.ErrFull, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if got := w.refusal(fmt.Errorf("reserve operation numbers: %w", cause)); got.Status != http.StatusInsufficientStorage || got.Code != "miroir_spool_full" {
			t.Errorf("%v is answered %d %s", cause, got.Status, got.Code)
		}
	}
	if got := w.refusal(syscall.EIO); got.Status != http.StatusInternalServerError {
		t.Errorf("a broken disk is answered %d", got.Status)
	}
}
