package write

import (
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/minimeili"
)

// killable is a server that can be killed and started again with its disk.
type killable struct {
	url  *url.URL
	kill func()
	back func()
}

func killables(t *testing.T) map[string]func(*testing.T) killable {
	all := map[string]func(*testing.T) killable{"double": func(t *testing.T) killable {
		s := minimeili.Run(t, minimeili.WithMasterKey(serverKey), minimeili.WithDir(t.TempDir()))
		return killable{parse(t, s.URL()), s.Stop, func() {
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
		}}
	}}
	if bin := os.Getenv("MEILISEARCH_BIN"); bin != "" {
		all["real"] = func(t *testing.T) killable {
			s := startReal(t, bin)
			return killable{s.url, s.stop, func() { s.run(bin) }}
		}
	}
	return all
}

// Servers are killed and started again while clients write: what was answered
// 202 is on every copy in the end, in order.
func TestKilledServersGetEverything(t *testing.T) {
	for name, start := range killables(t) {
		t.Run(name, func(t *testing.T) {
			nodes := []killable{start(t), start(t), start(t)}
			f := newFleet(t, 3, nil, []*url.URL{nodes[0].url, nodes[1].url, nodes[2].url})
			f.ok(f.add("a", `[{"id":0}]`))
			var mutex sync.Mutex
			want := map[string]string{"0": `{"id":0}`}
			var clients sync.WaitGroup
			stop := make(chan struct{})
			for c := range 3 {
				clients.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						id := fmt.Sprint(100*(c+1) + i%7)
						text := fmt.Sprintf(`{"id":%s,"n":%d}`, id, i)
						if r, _ := f.add("a", "["+text+"]"); r != nil {
							mutex.Lock()
							want[id] = text
							mutex.Unlock()
						}
					}
				})
			}
			for _, n := range nodes {
				n.kill()
				<-time.After(300 * time.Millisecond) // clients go on without it
				n.back()
			}
			close(stop)
			clients.Wait()
			f.drain()
			f.same("a", want)
		})
	}
}
