package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// rawConn is a connection on which a test says what no client would.
type rawConn struct {
	*net.TCPConn
	t *testing.T
}

func dial(t *testing.T, f *fleet.Fleet) rawConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return rawConn{conn.(*net.TCPConn), t}
}

func (c rawConn) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one answer, and whether it says that it is the last.
func (c rawConn) answer() (status int, body string, last bool) {
	c.t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, string(content), response.Close
}

// head is the head of a write of documents with some more lines.
func head(uid string, lines ...string) string {
	return "POST /indexes/" + uid + "/documents HTTP/1.1\r\n" + site + "Authorization: Bearer " + fleet.MasterKey +
		"\r\nContent-Type: application/x-ndjson\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// site is the host that fleets answer for on every port.
const site = "Host: 127.0.0.1\r\n"

// untouched fails unless the gateway has no task and no index, no node has been
// sent anything and nothing is left of a body.
func untouched(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	fleet.Eventually(t, "nobody reads a body any more", func() bool { return !readsABody(t) })
	if left := spooled(t, f); len(left) > 0 {
		t.Errorf("left in the spool: %v", left)
	}
	var list struct {
		Total int `json:"total"`
	}
	for _, path := range []string{"/tasks", "/indexes"} {
		if f.Want(t, 200, "GET", path, "").Decode(t, &list); list.Total != 0 {
			t.Errorf("%s of the gateway has %d entries", path, list.Total)
		}
		for _, n := range f.Nodes {
			// Each node has one index, with one document, that says whose it is.
			if n.Do(t, "GET", path, "").Decode(t, &list); list.Total != 1 {
				t.Errorf("%s of %s has %d entries, want the one of its mark", path, n.ID, list.Total)
			}
		}
	}
}

// readsABody tells whether some goroutine waits for the rest of a body.
func readsABody(t *testing.T) bool {
	t.Helper()
	var stacks bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
		t.Fatal(err)
	}
	return strings.Contains(stacks.String(), "document.(*Spool).Accept")
}

// spooled lists the files of bodies: those in the folder, and, where the system
// tells, those that this process has open though they have no name any more.
func spooled(t *testing.T, f *fleet.Fleet) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(f.Dir(), "*spool", "*"))
	if err != nil {
		t.Fatal(err)
	}
	open, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, f.Dir()) && strings.Contains(target, "body-") {
			files = append(files, target)
		}
	}
	return files
}

func TestClientsThatVanishLeaveNothing(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	small, large := books(10), books(100_000) // in memory, on disk
	for name, vanish := range map[string]func(c rawConn){
		"in a small body": func(c rawConn) {
			c.say(head("gone", fmt.Sprintf("Content-Length: %d", len(small))) + small[:len(small)-5])
			_ = c.Close()
		},
		"in a large body": func(c rawConn) {
			c.say(head("gone", fmt.Sprintf("Content-Length: %d", len(large))) + large[:len(large)-5])
			_ = c.Close()
		},
		"with a reset": func(c rawConn) {
			c.say(head("gone", fmt.Sprintf("Content-Length: %d", len(large))) + large[:len(large)/2])
			_ = c.SetLinger(0)
			_ = c.Close()
		},
		"between two chunks": func(c rawConn) {
			c.say(head("gone", "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s\r\n", len(small), small))
			_ = c.Close()
		},
		"in the header": func(c rawConn) {
			c.say("POST /indexes/gone/documents HTTP/1.1\r\nHost: 127.")
			_ = c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			vanish(dial(t, f))
			untouched(t, f)
		})
	}
}

// Who stops sending but still listens is told what the server tells.
func TestBodiesThatEndTooSoonAreRefused(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	const incomplete = `{"message":"The provided payload is incomplete and cannot be parsed","code":"bad_request","type":"invalid_request","link":"https://docs.meilisearch.com/errors#bad_request"}`
	small, large := books(10), books(100_000)
	for name, said := range map[string]string{
		"small":   head("cut", fmt.Sprintf("Content-Length: %d", len(small))) + small[:len(small)-5],
		"large":   head("cut", fmt.Sprintf("Content-Length: %d", len(large))) + large[:len(large)-5],
		"chunked": head("cut", "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s\r\n", len(small), small),
		"garbage": head("cut", "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s\r\n", len(small), small) + "no length\r\n",
		"gzip":    head("cut", "Content-Encoding: gzip", "Content-Length: 12") + "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, f)
			c.say(said)
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if status, body, _ := c.answer(); status != 400 || body != incomplete {
				t.Errorf("answer %d %s", status, body)
			}
			untouched(t, f)
		})
	}
}

// A client may take its time: no node waits with it, others are served, and what
// it says in the end counts as if it had come at once.
func TestSlowBodiesAreTakenWholeOrNotAtAll(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	var long strings.Builder // on disk, before half of it is there
	for i := range 1000 {
		fmt.Fprintf(&long, "{\"id\":%d,\"text\":%q}\n", i, strings.Repeat("x", 4000))
	}
	body := long.String()
	c := dial(t, f)
	c.say(head("slow", fmt.Sprintf("Content-Length: %d", len(body))))
	const pieces = 8
	for i := range pieces - 1 {
		c.say(body[i*len(body)/pieces : (i+1)*len(body)/pieces])
		if i == pieces/2 {
			fleet.Eventually(t, "the body is being read", func() bool { return readsABody(t) && len(spooled(t, f)) == 1 })
			var list struct {
				Total int `json:"total"`
			}
			for _, n := range f.Nodes {
				if n.Do(t, "GET", "/tasks", "").Decode(t, &list); list.Total != 1 {
					t.Errorf("%s has %d tasks while the body is still coming", n.ID, list.Total)
				}
			}
			f.Want(t, 404, "GET", "/indexes/slow", "")
		}
	}
	c.say(body[(pieces-1)*len(body)/pieces:])
	status, answer, _ := c.answer()
	if status != 202 {
		t.Fatalf("answer %d %s", status, answer)
	}
	if task := f.Await(t, 0); task.Status != "succeeded" {
		t.Errorf("task %+v", task)
	}
	fleet.Eventually(t, "the spool is empty", func() bool { return len(spooled(t, f)) == 0 })
}

// A server takes 128 KiB; Caddy by itself would take 16.
func TestOverLongHeadersAreRefusedAsByTheServer(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	long := strings.Repeat("a", 200_000)
	for name, said := range map[string]string{
		"a header":     head("long", "Content-Length: 8", "X-Long: "+long) + `{"id":1}`,
		"the path":     "GET /indexes/" + long + " HTTP/1.1\r\n" + site + "\r\n",
		"the query":    "GET /indexes/a/search?q=" + long + " HTTP/1.1\r\n" + site + "\r\n",
		"many headers": head("long", "Content-Length: 8", strings.Repeat("X-Many: "+long[:1000]+"\r\n", 200)+"X-Last: 1") + `{"id":1}`,
		"endless":      "GET /health HTTP/1.1\r\n" + site + "X-Long: " + strings.Repeat(long, 10),
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, f)
			_, _ = io.WriteString(c, said) // it may be cut off before it has said all
			if status, body, last := c.answer(); status != http.StatusRequestHeaderFieldsTooLarge || !last {
				t.Errorf("answer %d %q, the last %v", status, body, last)
			}
			untouched(t, f)
		})
	}
	f.Want(t, 404, "GET", "/indexes/none/search?q="+long[:100_000], "")
}
