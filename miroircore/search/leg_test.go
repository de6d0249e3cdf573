package search

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestNodesThatAreAloneAreAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a", "b", "c"}}, 1, nil)
		for id := range s.nodes {
			s.nodes[id].set(slowly(2*time.Second, found(id)))
		}
		start := time.Now()
		if a, ids := s.search(context.Background(), Call{}, `{}`); ids != "a b c" || a.Retries != 0 {
			t.Errorf("hits of %q after %d retries", ids, a.Retries)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestARefusalEndsTheOtherLegsOfNodesThatAreAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, refusing := range []string{"a", "b", "c"} { // the last is asked by the read itself
			s := newStand(t, [][]string{{"a", "b", "c"}}, 1, nil)
			for id := range s.nodes {
				s.nodes[id].set(slowly(time.Second, found(id)))
			}
			s.nodes[refusing].set(slowly(time.Millisecond, respond(400, `{"message":"no","code":"invalid_search_q","type":"invalid_request","link":""}`)))
			start := time.Now()
			if a, text := s.search(context.Background(), Call{}, `{}`); a != nil || text != "invalid_search_q" {
				t.Errorf("%s refuses: %v, %q", refusing, a, text)
			}
			if took := time.Since(start); took != time.Millisecond {
				t.Errorf("%s refuses: took %v", refusing, took)
			}
		}
	})
}

func TestReadsEndWithTheirClients(t *testing.T) {
	for copies := 1; copies <= 2; copies++ { // alone, and with another to watch for
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, [][]string{{"a", "b"}}, copies, nil)
			for id := range s.nodes {
				s.nodes[id].set(slowly(time.Hour, found(id)))
			}
			ctx, leave := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer leave()
			start := time.Now()
			s.search(ctx, Call{}, `{}`)
			if took := time.Since(start); took != 100*time.Millisecond {
				t.Errorf("%d copies: took %v", copies, took)
			}
		})
	}
}
