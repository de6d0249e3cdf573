package topology

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/test/fleet"
)

// childFile holds the Caddyfile of a gateway that runs as a process of its own;
// childDies names the step at which it kills itself.
const (
	childFile = "MIROIR_TEST_CADDYFILE"
	childDies = "MIROIR_TEST_DIES_AT"
)

// TestGatewayChild is the body of that process; elsewhere it does nothing.
func TestGatewayChild(t *testing.T) {
	file := os.Getenv(childFile)
	if file == "" {
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer failpoint.Set(os.Getenv(childDies), func() error {
		_ = self.Kill()
		select {} // nothing more is done until that has happened
	})()
	if err := new(fleet.Fleet).Load(string(text)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
}

// killedAt runs the gateway as a process that is killed at a step of what change
// brings about, has documents written to it until then, and starts it again in
// this process. It gives the documents whose writes had succeeded.
func killedAt(t *testing.T, f *fleet.Fleet, point string, first int, change func()) (acknowledged []int) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/Caddyfile"
	if err := os.WriteFile(file, []byte(f.Caddyfile()), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestGatewayChild$")
	child.Env = append(os.Environ(), childFile+"="+file, childDies+"="+point)
	var said bytes.Buffer
	child.Stdout, child.Stderr = &said, &said
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the child said:\n%s", said.String())
		}
	})
	dead := make(chan error, 1)
	go func() { dead <- child.Wait() }()
	ask := func(method, path, body string) (status int) {
		request, err := http.NewRequestWithContext(t.Context(), method, f.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+fleet.MasterKey)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-Miroir-Wait", "1s")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return 0
		}
		return answer.StatusCode
	}
	fleet.Eventually(t, "the child serves", func() bool { return ask(http.MethodGet, "/_miroir/ready", "") == http.StatusOK })
	change()
	over := false
	fleet.Eventually(t, "the gateway is killed at "+point, func() bool {
		id := first + len(acknowledged)
		if ask(http.MethodPost, "/indexes/books/documents", fmt.Sprintf(`[{"id":%d,"kind":"late"}]`, id)) == http.StatusAccepted {
			acknowledged = append(acknowledged, id)
		}
		select {
		case err := <-dead:
			var exit *exec.ExitError
			over = true
			if !errors.As(err, &exit) || exit.ExitCode() != -1 {
				t.Fatalf("the child ended by itself: %v\n%s", err, said.String())
			}
		default:
		}
		return over
	})
	if err := f.Load(f.Caddyfile()); err != nil {
		t.Fatal(err)
	}
	return acknowledged
}

// kept fails the test unless documents are there.
func kept(t *testing.T, f *fleet.Fleet, acknowledged []int) {
	t.Helper()
	shown := ids(t, f.Want(t, http.StatusOK, http.MethodGet, "/indexes/books/documents?limit=10000&fields=id", ""))
	for _, id := range acknowledged {
		if !shown[id] {
			t.Errorf("document %d is gone, and its write was acknowledged", id)
		}
	}
}

// wish sends a wish of which the answer may not come.
func wish(t *testing.T, f *fleet.Fleet, method, path, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, f.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+fleet.MasterKey)
	if answer, err := http.DefaultClient.Do(request); err == nil {
		_ = answer.Body.Close()
	}
}

// large is a shape in which all that one node gives another moves at once.
func large(s fleet.Shape) fleet.Shape {
	s.Options = append([]string{"rebalance_shards 64", "write_quorum one"}, s.Options...)
	return s
}

// The gateway is killed at each step of moving shards: after its restart it goes
// on or takes the step back, and nothing is lost, repeated or left over.
func TestAGatewayThatIsKilledAtAnyStepOfAMoveGoesOn(t *testing.T) {
	f := fleet.Start(t, large(fleet.Split))
	load(t, f)
	next := 1_000_000
	for _, point := range []string{"marked", "quiet", "prepared", "round", "caught_up", "held", "switch", "switched", "shape", "purge", "purged"} {
		copies := 2
		if point == "shape" || strings.HasPrefix(point, "purge") {
			copies = 1
		}
		other := func(n int) {
			f.Want(t, http.StatusOK, http.MethodPut, "/_miroir/replication", fmt.Sprintf(`{"copies":%d}`, n))
			settled(t, f, n, func(map[string]int) bool { return true })
		}
		other(3 - copies)
		acknowledged := killedAt(t, f, "rebalance."+point, next, func() {
			wish(t, f, http.MethodPut, "/_miroir/replication", fmt.Sprintf(`{"copies":%d}`, copies))
		})
		next += len(acknowledged) + 1
		settled(t, f, copies, func(map[string]int) bool { return true })
		whole(t, f)
		kept(t, f, acknowledged)
		same(t, f, f.Nodes, copies)
		if t.Failed() {
			t.Fatalf("killed at %s", point)
		}
	}
}

// So is it while a copy is made anew, and while a node is forgotten.
func TestAGatewayThatIsKilledWhileACopyIsMadeAnewGoesOn(t *testing.T) {
	f := fleet.Start(t, large(fleet.Copies))
	load(t, f)
	next := 1_000_000
	for _, point := range []string{"expel", "expelled", "rebuild", "cleaned", "rebuilt"} {
		acknowledged := killedAt(t, f, "rebalance."+point, next, func() {
			f.Nodes[1].Kill()
			f.Nodes[1].Wipe(t)
			f.Nodes[1].Restart()
		})
		next += len(acknowledged) + 1
		fleet.Eventually(t, "the node is being filled", func() bool {
			return len(ids(t, f.Nodes[1].Do(t, http.MethodGet, everything, ""))) >= documents
		})
		settled(t, f, 3, func(map[string]int) bool { return true })
		whole(t, f)
		kept(t, f, acknowledged)
		same(t, f, f.Nodes, 3)
		if t.Failed() {
			t.Fatalf("killed at %s", point)
		}
	}
	f.Grow(t)
	settled(t, f, 3, func(s map[string]int) bool { return s["g1n4"] > 0 })
	killedAt(t, f, "rebalance.forget", next, func() { wish(t, f, http.MethodDelete, "/_miroir/nodes/g1n4", "") })
	settled(t, f, 3, func(s map[string]int) bool { _, there := s["g1n4"]; return !there })
	whole(t, f)
	same(t, f, f.Nodes[:3], 3)
}

// moving gives the node that is being filled, and the one it is filled from.
func moving(t *testing.T, f *fleet.Fleet) (to, from *fleet.Node) {
	var last struct {
		Rebalance struct {
			Moves []struct{ Node, From string }
		}
	}
	send(t, f, http.MethodGet, "/_miroir/topology", "", &last)
	for _, m := range last.Rebalance.Moves {
		for n := range f.Nodes {
			switch {
			case m.From == "":
			case f.Nodes[n].ID == m.Node:
				to = &f.Nodes[n]
			case f.Nodes[n].ID == m.From:
				from = &f.Nodes[n]
			}
		}
	}
	return to, from
}

// A node that is copied to, or from, is killed at each step of that.
func TestANodeThatIsKilledAtAnyStepOfAMoveHoldsUpNothingForGood(t *testing.T) {
	f := fleet.Start(t, large(fleet.Mixed))
	load(t, f)
	copies := func(n int) {
		t.Helper()
		f.Want(t, http.StatusOK, http.MethodPut, "/_miroir/replication", fmt.Sprintf(`{"copies":%d}`, n))
	}
	for i, point := range []string{"marked", "quiet", "prepared", "round", "caught_up", "held", "switch", "switched"} {
		copies(2)
		settled(t, f, 2, func(map[string]int) bool { return true })
		// New settings have the nodes prepared anew.
		write(t, f, http.MethodPatch, "/indexes/books/settings", fmt.Sprintf(`{"stopWords":["word%d"]}`, i))
		died := make(chan *fleet.Node, 1)
		var once sync.Once
		disarm := failpoint.Set("rebalance."+point, func() error {
			once.Do(func() {
				victim, source := moving(t, f)
				if i%2 == 1 {
					victim = source
				}
				victim.Kill()
				died <- victim
			})
			return nil
		})
		t.Cleanup(disarm)
		copies(3)
		var killed *fleet.Node
		fleet.Eventually(t, "a node is killed at "+point, func() bool {
			select {
			case killed = <-died:
			default:
			}
			return killed != nil
		})
		whole(t, f)
		disarm()
		killed.Restart()
		settled(t, f, 3, func(map[string]int) bool { return true })
		whole(t, f)
		same(t, f, f.Nodes, 3)
		if t.Failed() {
			t.Fatalf("killed at %s", point)
		}
	}
}
