package document

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// What a copy is sent is read by the server as what it was copied from.
func TestNumbersSurviveCopying(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	spelled, lost := 0, 0
	for range 200_000 {
		given := math.Float64frombits(random.Uint64())
		switch random.IntN(4) {
		case 0:
			given = random.NormFloat64() * math.Pow10(random.IntN(12)-6)
		case 1:
			given = math.Round(random.NormFloat64()*1000) * math.Pow10(random.IntN(600)-300)
		}
		f, ok := decode.ParseFloat(strconv.FormatFloat(given, "efg"[random.IntN(3)], -1, 64))
		if !ok {
			continue
		}
		shown := strconv.FormatFloat(f, 'e', -1, 64)
		sent := string(appendRespelled(nil, []byte(shown)))
		if sent != shown {
			spelled++
		}
		read, ok := decode.ParseFloat(sent)
		if !ok {
			t.Fatalf("%s is sent as %s, which is no number", shown, sent)
		}
		if read != f {
			lost++
			t.Logf("%s is sent as %s and read as %v", shown, sent, read)
		}
	}
	t.Logf("%d were spelled anew, %d got lost", spelled, lost)
	if spelled == 0 || lost > 0 {
		t.Fail()
	}
}

func TestAppendCopy(t *testing.T) {
	for in, want := range map[string]string{
		`{"id":1,"a":[1.5,{"b":"x\"1.9936760162282148e-230"}]}`: `{"id":1,"a":[1.5,{"b":"x\"1.9936760162282148e-230"}]}`,
		`{"id":1,"_vectors":{}}`:                                `{"id":1}`,
		`{"_vectors":{},"id":1}`:                                `{"id":1}`,
		`{"id":1,"_vectors":{"e":{"embeddings":[[0.5]],"regenerate":true},"f":{"embeddings":[[1.0]],"regenerate":true}}}`: `{"id":1,"_vectors":{"e":{"embeddings":[[0.5]],"regenerate":true}}}`,
		`{"id":1,"_vectors":{"f":{"embeddings":[[1.0]],"regenerate":false}}}`:                                             `{"id":1,"_vectors":{"f":{"embeddings":[[1.0]],"regenerate":false}}}`,
		`{"id":1,"_vectors":{"f":{"embeddings":[[1.0]],"regenerate":true}}}`:                                              `{"id":1}`,
		`{"id":18446744073709551615,"n":-9223372036854775808}`:                                                            `{"id":18446744073709551615,"n":-9223372036854775808}`,
	} {
		if got := string(AppendCopy(nil, []byte(in), []string{"f"})); got != want {
			t.Errorf("copy of %s is %s, want %s", in, got, want)
		}
	}
}

func TestContent(t *testing.T) {
	same := []string{
		`{"id":1,"a":2,"_vectors":{"e":{"embeddings":[[0.5]],"regenerate":true}}}`,
		`{"a":2,"id":1,"_vectors":{"e":{"regenerate":true,"embeddings":[[0.6]]}}}`,
	}
	other := []string{
		`{"id":2,"a":1,"_vectors":{"e":{"embeddings":[[0.5]],"regenerate":true}}}`,
		`{"id":1,"a":2,"_vectors":{"e":{"embeddings":[[0.5]],"regenerate":false}}}`,
		`{"id":1,"a":2}`,
		`{"id":1,"a":2,"b":null}`,
	}
	want := Content([]byte(same[0]))
	for _, text := range same {
		if Content([]byte(text)) != want {
			t.Errorf("%s has another content than %s", text, same[0])
		}
	}
	for _, text := range other {
		if Content([]byte(text)) == want {
			t.Errorf("%s has the content of %s", text, same[0])
		}
	}
}

func TestResults(t *testing.T) {
	answer := `{"results":[{"a":{"b":7},"_miroir_shard":"⊰⊱","_miroir_version":"⊰⊰⊰⊰⊰⊰⊰⊰⊰⊰⊰⊰⊲"},{"a.b":"x"}],"offset":0,"limit":2,"total":9}`
	var ids []string
	total, err := Results([]byte(answer), "a.b", func(d *Stored) error {
		ids = append(ids, string(d.ID))
		if d.Whole != (len(ids) == 1) || len(ids) == 1 && (d.Shard != 1 || d.Version != 2) {
			t.Errorf("%+v", d)
		}
		return nil
	})
	if err != nil || total != 9 || len(ids) != 2 || ids[0] != "7" || ids[1] != "x" {
		t.Errorf("%q, total %d: %v", ids, total, err)
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"results":{}}`, `{"results":[1]}`, `{"results":[{"x":1}]}`, `{"results":[{"a":{"b":1}}`} {
		if _, err := Results([]byte(bad), "a.b", func(*Stored) error { return nil }); err == nil {
			t.Errorf("%s is taken for a list of documents", bad)
		}
	}
}
