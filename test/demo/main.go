// Command demo shows Miroir at work on this machine: four Meilisearch nodes in
// two groups, Miroir in front of them with Caddyfile.example as it is, the
// documentation of Go's standard library as documents, and the loss of a node.
//
// The nodes are the test double, or real servers where MEILISEARCH_BIN names
// the binary.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	masterKey = "demonstration-master-key"
	nodeKey   = "demonstration-node-key"
	index     = "go"

	// batchSize is how many documents one request holds.
	batchSize = 2000
	// patience bounds everything but the time it is left running.
	patience = 10 * time.Minute
)

var queries = []string{"read file", "http client timeout", "json unmarshal", "wait group", "parse duration"}

func main() {
	d := &demo{out: os.Stdout, node: os.Getenv("MEILISEARCH_BIN")}
	flag.StringVar(&d.binary, "binary", filepath.Join("bin", "miroir"), "the server")
	flag.StringVar(&d.config, "config", "Caddyfile.example", "its configuration")
	flag.StringVar(&d.dir, "dir", "demo-data", "the folder for data, emptied first")
	flag.StringVar(&d.address, "address", "127.0.0.1:7700", "the address to listen on")
	flag.BoolVar(&d.once, "once", false, "end when everything was shown")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := d.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

type demo struct {
	out                                io.Writer
	binary, config, dir, address, node string
	admin                              string // where the server is asked by commands
	once                               bool

	client *client
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

func (d *demo) run(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := os.RemoveAll(d.dir); err != nil {
		return err
	}
	dir, err := filepath.Abs(d.dir)
	if err != nil {
		return err
	}
	nodes, err := startNodes(ctx, d.node, dir, nodeKey, []string{"a", "b", "c", "d"})
	if err != nil {
		return err
	}
	defer killAll(nodes)
	gateway, err := d.startGateway(ctx, dir, nodes)
	if err != nil {
		return err
	}
	defer gateway.kill()
	d.client = &client{url: gateway.url, key: masterKey}
	if err := d.client.ready(limited); err != nil {
		return err
	}
	d.say("Four nodes in two groups, one copy of each shard in each group, and Miroir at %s.", gateway.url)
	if err := d.show(limited, nodes); err != nil {
		return err
	}
	if d.once {
		return nil
	}
	d.tryIt(gateway.url)
	<-ctx.Done()
	return nil
}

// startGateway runs the server as an operator would. Everything that differs
// from one machine to another comes in by the environment.
func (d *demo) startGateway(ctx context.Context, dir string, nodes []*node) (*node, error) {
	var err error
	if d.admin, err = freeAddress(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "miroir.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the server has its own handle
	cmd := exec.CommandContext(ctx, d.binary, "run", "--config", d.config, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "MIROIR_MASTER_KEY="+masterKey, "MEILISEARCH_KEY="+nodeKey,
		"MIROIR_SITE=http://"+d.address, "CADDY_ADMIN="+d.admin, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	for _, n := range nodes {
		cmd.Env = append(cmd.Env, "MIROIR_NODE_"+strings.ToUpper(n.id)+"="+n.url)
	}
	cmd.Stdout, cmd.Stderr = log, log
	return startProcess(cmd, "http://"+d.address)
}

// show is the demonstration itself.
func (d *demo) show(ctx context.Context, nodes []*node) error {
	if err := d.load(ctx); err != nil {
		return err
	}
	before, err := d.searchAll(ctx, true)
	if err != nil {
		return err
	}
	lost := nodes[1]
	lost.kill()
	d.say("\nNode %s was killed. The same searches again:", lost.id)
	after, err := d.searchAll(ctx, false)
	if err != nil {
		return err
	}
	for i, query := range queries {
		if !slices.Equal(before[i], after[i]) {
			return fmt.Errorf("%q found %v before and %v after node %s was lost", query, before[i], after[i], lost.id)
		}
	}
	d.say("  all %d have the same answers.", len(queries))
	if err := d.client.noticed(ctx, lost.id); err != nil {
		return err
	}
	return d.writeDegraded(ctx)
}

// writeDegraded writes enough documents for some to belong to the lost node.
func (d *demo) writeDegraded(ctx context.Context) error {
	const first, count = 1_000_000, 100
	documents := make([]symbol, count)
	for i := range documents {
		documents[i] = symbol{ID: first + i, Package: "example", Kind: "func", Name: "WrittenMeanwhile", Text: "Written while a node was down."}
	}
	body, err := json.Marshal(documents)
	if err != nil {
		return err
	}
	headers, err := d.client.write(ctx, http.MethodPost, "/indexes/"+index+"/documents", body)
	if err != nil {
		return err
	}
	d.say("A write of %d documents was accepted and has been applied.", count)
	degraded := headers.Get("X-Miroir-Degraded")
	if degraded == "" {
		return errors.New("the answer to a write does not say that a group misses it")
	}
	d.say("  X-Miroir-Degraded: %s", degraded)
	found, _, err := d.client.search(ctx, index, "WrittenMeanwhile")
	if err != nil {
		return err
	}
	if found.EstimatedTotalHits != count {
		return fmt.Errorf("of %d documents written while a node was down %d are found", count, found.EstimatedTotalHits)
	}
	d.say("All of them are found.")
	return nil
}

// load writes the documentation of this machine's Go into an index.
func (d *demo) load(ctx context.Context) error {
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("finding Go: %w", err)
	}
	symbols, err := readSymbols(strings.TrimSpace(string(goroot)))
	if err != nil {
		return err
	}
	settings := []byte(`{"searchableAttributes":["name","package","text","signature"],"filterableAttributes":["kind","package"]}`)
	if _, err := d.client.write(ctx, http.MethodPatch, "/indexes/"+index+"/settings", settings); err != nil {
		return err
	}
	began := time.Now()
	for batch := range slices.Chunk(symbols, batchSize) {
		var body bytes.Buffer
		if err := json.NewEncoder(&body).Encode(batch); err != nil {
			return err
		}
		if _, err := d.client.write(ctx, http.MethodPost, "/indexes/"+index+"/documents?primaryKey=id", body.Bytes()); err != nil {
			return err
		}
	}
	d.say("%d symbols of Go's standard library were written in %s.\n", len(symbols), time.Since(began).Round(time.Millisecond))
	return nil
}

// searchAll asks every query and gives the ids that each found, in order.
func (d *demo) searchAll(ctx context.Context, print bool) ([][]int, error) {
	var all [][]int
	for _, query := range queries {
		found, headers, err := d.client.search(ctx, index, query)
		if err != nil {
			return nil, err
		}
		if degraded := headers.Get("X-Miroir-Degraded"); strings.Contains(degraded, "shards=") {
			return nil, fmt.Errorf("%q was answered in part: %s", query, degraded)
		}
		ids := make([]int, len(found.Hits))
		if print {
			d.say("%q: about %d", query, found.EstimatedTotalHits)
		}
		for i, hit := range found.Hits {
			ids[i] = hit.ID
			if print {
				d.say("  %s.%s", hit.Package, hit.Name)
			}
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("%q found nothing", query)
		}
		all = append(all, ids)
	}
	return all, nil
}

func (d *demo) tryIt(url string) {
	d.say(`
It is left running; press Ctrl-C to end it. To try it:

  curl -H 'Authorization: Bearer %[2]s' '%[1]s/indexes/%[3]s/search?q=reader'
  curl -H 'Authorization: Bearer %[2]s' '%[1]s/_miroir/topology'
  %[5]s miroir status --address %[6]s

URL %[1]s
Key %[2]s
Log %[4]s`, url, masterKey, index, filepath.Join(d.dir, "miroir.log"), d.binary, d.admin)
}
