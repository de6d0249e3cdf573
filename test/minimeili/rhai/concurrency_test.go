package rhai

import (
	"encoding/json"
	"sync"
	"testing"
)

func TestOneProgramRunsOnManyDocumentsAtOnce(t *testing.T) {
	p, err := Compile("let edit = || { doc.n += context.n; }; edit.call();")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				out, err := p.Run(json.RawMessage(`{"n":1}`), json.RawMessage(`{"n":2}`))
				if err != nil || string(out) != `{"n":3}` {
					t.Errorf("%s, %v", out, err)
				}
			}
		})
	}
	all.Wait()
}
