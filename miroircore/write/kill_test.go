package write

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state/bolt"
)

// childDir names the folder of a child process, which then writes until it is
// killed; childNodes are the addresses of its nodes, childFrom its first number.
const (
	childDir   = "MIROIR_TEST_WRITER_DIR"
	childNodes = "MIROIR_TEST_WRITER_NODES"
	childFrom  = "MIROIR_TEST_WRITER_FROM"
)

// persistent is a fleet whose state is in a folder.
func persistent(t testing.TB, dir string, urls []*url.URL) *fleet {
	store, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return newFleet(t, 2, func(f *fleet) { f.store, f.dir = store, filepath.Join(dir, "journal") }, urls)
}

// TestWriterChild is the body of the child process; elsewhere it does nothing.
func TestWriterChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	var urls []*url.URL
	for _, text := range strings.Split(os.Getenv(childNodes), ",") {
		urls = append(urls, parse(t, text))
	}
	f := persistent(t, dir, urls)
	from, err := strconv.Atoi(os.Getenv(childFrom))
	if err != nil {
		t.Fatal(err)
	}
	key := "id"
	for i := from; ; i++ {
		fmt.Printf("sending %d\n", i)
		r, err := f.w.Documents(t.Context(), creating, "a", &request.Documents{PrimaryKey: &key}, false, request.JSON,
			f.body(fmt.Sprintf(`[{"id":%d,"n":%d}]`, i%50, i)))
		if err == nil {
			fmt.Printf("acked %d %d\n", i, r.Summary.TaskUID)
		}
	}
}

// The gateway is killed while it writes, again and again: what it answered 202
// is on every copy in the end, nothing older comes back over it, and no task
// uid is given twice.
func TestKilledGatewayLosesNothing(t *testing.T) {
	dir := t.TempDir()
	nodes := []*url.URL{parse(t, double(t).URL()), parse(t, double(t).URL()), parse(t, double(t).URL())}
	var texts []string
	for _, n := range nodes {
		texts = append(texts, n.String())
	}
	sent, acked := make(map[int]int), make(map[int]int) // by document, the newest number
	tasks := make(map[string]int)
	next := 0
	for round := range 4 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestWriterChild$")
		cmd.Env = append(os.Environ(), childDir+"="+dir, childNodes+"="+strings.Join(texts, ","), childFrom+"="+strconv.Itoa(next))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		count := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			words := strings.Fields(lines.Text())
			if len(words) < 2 {
				continue
			}
			n, err := strconv.Atoi(words[1])
			if err != nil {
				continue
			}
			switch {
			case words[0] == "sending":
				sent[n%50] = n
				next = n + 1
			case words[0] == "acked" && len(words) == 3:
				acked[n%50] = n
				if other, twice := tasks[words[2]]; twice {
					t.Errorf("task %s was given to the writes %d and %d", words[2], other, n)
				}
				tasks[words[2]] = n
				if count++; count == 40+37*round {
					_ = cmd.Process.Kill()
				}
			}
		}
		_ = cmd.Wait()
		if count == 0 {
			t.Fatalf("round %d: nothing was acknowledged", round)
		}
	}
	f := persistent(t, dir, nodes)
	f.drain()
	want := make(map[string]string)
	got := make(map[string]string)
	for _, n := range f.topology.Groups[0].Nodes {
		for id, doc := range f.documents(n.ID, "a") {
			if other := got[id]; other != "" && other != doc {
				t.Errorf("document %s is %s and %s", id, other, doc)
			}
			got[id] = doc
		}
	}
	for id, newest := range sent {
		// A write without an answer may or may not have been stored.
		want[strconv.Itoa(id)] = got[strconv.Itoa(id)]
		isNewest := got[strconv.Itoa(id)] == fmt.Sprintf(`{"id":%d,"n":%d}`, id, newest)
		a, ok := acked[id]
		isAcked := ok && got[strconv.Itoa(id)] == fmt.Sprintf(`{"id":%d,"n":%d}`, id, a)
		if ok && !isNewest && !isAcked {
			t.Errorf("document %d is %s: %d was acknowledged, %d sent", id, got[strconv.Itoa(id)], a, newest)
		}
		if want[strconv.Itoa(id)] == "" {
			delete(want, strconv.Itoa(id))
		}
	}
	f.same("a", want)
	for uid, n := range tasks {
		number, err := strconv.ParseUint(uid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		ended, err := f.tasks.Wait(ctx, uint32(number))
		if err != nil || ended.Status != meili.StatusSucceeded {
			t.Errorf("the task of write %d is %s: %v", n, ended.Status, err)
		}
	}
}
