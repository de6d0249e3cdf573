package recordings_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/recordings"
)

// realBinary names the variable that holds the path of a Meilisearch binary;
// when it is set every test also runs on that.
const realBinary = "MEILISEARCH_BIN"

// startReal starts the real server, empty, and returns its address.
func startReal(t *testing.T, binary string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	command := exec.Command(binary,
		"--db-path", filepath.Join(dir, "db"), "--dump-dir", filepath.Join(dir, "dumps"),
		"--snapshot-dir", filepath.Join(dir, "snapshots"), "--http-addr", address,
		"--master-key", recordings.MasterKey, "--no-analytics", "--log-level", "OFF")
	command.Dir = dir
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = command.Wait() // its exit code after a signal says nothing
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for !healthy(ctx, "http://"+address) {
		select {
		case <-ctx.Done():
			t.Fatal("the real server does not start")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return "http://" + address
}

func healthy(ctx context.Context, base string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/health", nil)
	if err != nil {
		return false
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
}
