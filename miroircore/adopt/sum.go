package adopt

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strconv"

	"github.com/zeebo/xxh3"
)

// Sum sums up the contents of documents, in any order: how many there are, and
// the sum of their hashes. Equal sums mean equal documents.
type Sum struct {
	Count  uint64
	lo, hi uint64
}

// Digest is the sum as text.
func (s Sum) Digest() string { return fmt.Sprintf("%016x%016x", s.hi, s.lo) }

// MarshalJSON implements json.Marshaler.
func (s Sum) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"documents":%d,"digest":%q}`, s.Count, s.Digest()), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Sum) UnmarshalJSON(text []byte) error {
	var shown struct {
		Documents uint64 `json:"documents"`
		Digest    string `json:"digest"`
	}
	if err := json.Unmarshal(text, &shown); err != nil {
		return err
	}
	s.Count = shown.Documents
	_, err := fmt.Sscanf(shown.Digest, "%16x%16x", &s.hi, &s.lo)
	return err
}

func hash(id string, content uint64) xxh3.Uint128 { return xxh3.HashString128Seed(id, content) }

func (s *Sum) add(id string, content uint64) {
	h := hash(id, content)
	var carry uint64
	s.Count++
	s.lo, carry = bits.Add64(s.lo, h.Lo, 0)
	s.hi, _ = bits.Add64(s.hi, h.Hi, carry)
}

func (s *Sum) remove(id string, content uint64) {
	h := hash(id, content)
	var borrow uint64
	s.Count--
	s.lo, borrow = bits.Sub64(s.lo, h.Lo, 0)
	s.hi, _ = bits.Sub64(s.hi, h.Hi, borrow)
}

// contents calls fn with the id and the content of every document that the
// gateway has of an index.
func (a *adoption) contents(ctx context.Context, uid string, begin func(), fn func(id string, content uint64) error) error {
	path := "/_miroir/indexes/" + uid + "/contents"
	for pause, waited := firstPause, firstPause*0; ; pause = min(2*pause, longestPause) {
		begin()
		err := a.stream(ctx, path, fn)
		if err == nil || ctx.Err() != nil || !errors.Is(err, errBroken) && !passing(err) || waited > a.Patience {
			return err
		}
		a.Progress(Event{Index: uid, Stage: Waiting, Side: a.target.name, Err: err})
		if sleep(ctx, pause) != nil {
			return err
		}
		waited += pause
	}
}

// errBroken says that a list of contents ended before its end.
var errBroken = errors.New("the list of documents broke off")

func (a *adoption) stream(ctx context.Context, path string, fn func(id string, content uint64) error) error {
	body, err := a.target.Stream(ctx, path)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewReaderSize(body, 64<<10)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		var line struct {
			ID        *string `json:"id"`
			Content   string  `json:"content"`
			Documents *uint64 `json:"documents"`
			Error     string  `json:"error"`
		}
		if err := json.Unmarshal(text, &line); err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		if line.ID == nil {
			if line.Documents != nil {
				return nil
			}
			return fmt.Errorf("%w: %s", errBroken, line.Error)
		}
		content, err := strconv.ParseUint(line.Content, 16, 64)
		if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		if err := fn(*line.ID, content); err != nil {
			return err
		}
	}
}

// sum sums up what the gateway has of an index.
func (a *adoption) sum(ctx context.Context, uid string, total uint64) (Sum, error) {
	var sum Sum
	var m *meter
	waiting := 0
	err := a.contents(ctx, uid, func() { sum, waiting, m = Sum{}, 0, newMeter(uid, Verifying, total, a.Progress) }, func(id string, content uint64) error {
		sum.add(id, content)
		if waiting++; waiting == 1000 {
			m.done(waiting)
			waiting = 0
		}
		return nil
	})
	if err != nil {
		return sum, fmt.Errorf("summing up index %s on the gateway: %w", uid, err)
	}
	m.done(waiting)
	return sum, nil
}
