package write

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// Keys are remembered for as long, and as many, as the configuration says.
func TestIdempotencyKeysAreBounded(t *testing.T) {
	begin := time.Now()
	var later atomic.Int64
	f, _ := doubles(t, 1, 1, func(f *fleet) {
		f.adjust = func(o *Options) {
			o.Now = func() time.Time { return begin.Add(time.Duration(later.Load())) }
			o.Tuning = func() Tuning { return Tuning{RepairPause: time.Hour, KeyTime: time.Minute, MostKeys: 2} }
		}
	})
	send := func(key string) uint32 {
		t.Helper()
		r, err := f.w.Documents(t.Context(), Call{AllowIndexCreation: true, IdempotencyKey: key}, "a", &request.Documents{}, false, request.JSON, f.body(`[{"id":1}]`))
		if err != nil {
			t.Fatal(err)
		}
		return r.Summary.TaskUID
	}
	first, second := send("one"), send("two")
	if send("one") != first || send("two") != second {
		t.Error("a repeated request made another task")
	}
	send("three") // the oldest goes
	if send("two") != second || send("one") == first {
		t.Error("more keys are remembered than the configuration says")
	}
	f.drain()
	third := send("three")
	later.Store(int64(2 * time.Minute))
	if send("three") == third {
		t.Error("a key is remembered for longer than the configuration says")
	}
}
