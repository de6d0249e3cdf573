package fleet

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/minimeili"
)

// Binary is the path of the real Meilisearch to run suites on, or "".
func Binary() string { return os.Getenv("MEILISEARCH_BIN") }

// Node is one Meilisearch of a fleet.
type Node struct {
	ID string
	// Double is the test double, nil where the node is a real server.
	Double *minimeili.Server

	addr string
	dir  string // of its data
	key  string
	real *process
}

// URL is the node's address.
func (n Node) URL() string { return "http://" + n.addr }

func startNode(t testing.TB, id string) Node {
	t.Helper()
	return start(t, id, nodeKey)
}

func start(t testing.TB, id, masterKey string) Node {
	t.Helper()
	if Binary() == "" {
		dir := t.TempDir()
		double := minimeili.Run(t, minimeili.WithMasterKey(masterKey), minimeili.WithDir(dir))
		return Node{ID: id, Double: double, addr: double.Addr(), dir: dir, key: masterKey}
	}
	p := &process{t: t, dir: t.TempDir(), addr: freeAddress(t), key: masterKey}
	p.start()
	t.Cleanup(p.kill)
	return Node{ID: id, addr: p.addr, dir: filepath.Join(p.dir, "db"), real: p, key: masterKey}
}

// Do asks the node itself, as the gateway does.
func (n Node) Do(t testing.TB, method, path, body string) Answer {
	t.Helper()
	return Do(t, n.URL(), n.key, method, path, body)
}

// Kill ends the node as a power cut would: what it had not synced is gone.
func (n Node) Kill() {
	if n.real != nil {
		n.real.kill()
		return
	}
	n.Double.Stop()
}

// Wipe gives a killed node an empty disk.
func (n Node) Wipe(t testing.TB) {
	t.Helper()
	entries, err := os.ReadDir(n.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(n.dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// Restart brings a killed node back on its address and its data.
func (n Node) Restart() {
	if n.real != nil {
		n.real.start()
		return
	}
	if err := n.Double.Restart(); err != nil {
		panic(err) // its port was taken: no test can go on
	}
}

// Upgrade kills the node and has a server of another version take its place on
// its address and its data. A real server stays of its version.
func (n Node) Upgrade(version string) {
	if n.real != nil {
		n.real.kill()
		n.real.start()
		return
	}
	if err := n.Double.Upgrade(version); err != nil {
		panic(err)
	}
}

// Pause stops the node without ending it; Resume lets it go on.
func (n Node) Pause() { n.signal(syscall.SIGSTOP, (*minimeili.Server).Pause) }

// Resume ends a Pause.
func (n Node) Resume() { n.signal(syscall.SIGCONT, (*minimeili.Server).Resume) }

func (n Node) signal(s syscall.Signal, double func(*minimeili.Server)) {
	if n.real == nil {
		double(n.Double)
		return
	}
	if err := n.real.command.Process.Signal(s); err != nil {
		n.real.t.Error(err)
	}
}

// process is a real server.
type process struct {
	t       testing.TB
	dir     string
	addr    string
	key     string
	command *exec.Cmd
}

func (p *process) start() {
	p.t.Helper()
	p.command = exec.Command(Binary(), "--db-path", filepath.Join(p.dir, "db"), "--dump-dir", filepath.Join(p.dir, "dumps"),
		"--snapshot-dir", filepath.Join(p.dir, "snapshots"), "--http-addr", p.addr, "--master-key", p.key, "--no-analytics", "--log-level", "OFF")
	p.command.Dir = p.dir
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; {
		response, err := http.Get("http://" + p.addr + "/health")
		if err == nil {
			_ = response.Body.Close()
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("the real server does not start: %v", err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// kill ends the process at once; a second call does nothing.
func (p *process) kill() {
	if p.command.ProcessState != nil {
		return
	}
	_ = p.command.Process.Kill()
	_ = p.command.Wait() // its exit code after a signal says nothing
}
