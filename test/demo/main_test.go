package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..")

// The demonstration is what a newcomer sees first: it is run as they run it,
// but for the server, which is built without xcaddy.
func TestDemonstrationRunsToItsEnd(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "miroir")
	compile := exec.CommandContext(t.Context(), "go", "build", "-tags", "nobadger,nomysql,nopgx", "-o", binary, "./caddymodule/cmd/miroir")
	compile.Dir = root
	if said, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	d := &demo{
		out: &out, binary: binary, config: filepath.Join(root, "Caddyfile.example"),
		dir: filepath.Join(t.TempDir(), "data"), address: address, node: os.Getenv("MEILISEARCH_BIN"), once: true,
	}
	if err := d.run(t.Context()); err != nil {
		log, _ := os.ReadFile(filepath.Join(d.dir, "miroir.log"))
		t.Fatalf("%v\nsaid:\n%s\nlog:\n%s", err, out.String(), log)
	}
	for _, said := range []string{"the same answers", "A write of 100 documents was accepted", "X-Miroir-Degraded: quorum=", "All of them are found."} {
		if !strings.Contains(out.String(), said) {
			t.Errorf("did not say %q:\n%s", said, out.String())
		}
	}
}

func TestSymbolsAreThoseOfTheStandardLibrary(t *testing.T) {
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := readSymbols(strings.TrimSpace(string(goroot)))
	if err != nil {
		t.Fatal(err)
	}
	const fewest = 9000
	if len(symbols) < fewest {
		t.Errorf("%d symbols, fewer than %d", len(symbols), fewest)
	}
	found := map[string]symbol{}
	for _, s := range symbols {
		found[s.Package+" "+s.Name] = s
	}
	do := found["net/http Client.Do"]
	if do.Kind != "method" || do.Signature != "func (c *Client) Do(req *Request) (*Response, error)" || !strings.Contains(do.Text, "HTTP request") {
		t.Errorf("net/http Client.Do is %+v", do)
	}
	if s := found["net/http StatusTeapot"]; s.Kind != "const" {
		t.Errorf("net/http StatusTeapot is %+v", s)
	}
}
