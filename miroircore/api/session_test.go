package api

import "testing"

func TestSessionsReadBack(t *testing.T) {
	for _, want := range []session{nil, {0}, {4294967295, 7, 0}} {
		got, err := parseSession(want.String())
		if err != nil || got.String() != want.String() {
			t.Errorf("%v became %v: %v", want, got, err)
		}
	}
	for _, text := range []string{"2.1", "x", "1.zzzzzzzz", "1.-", "1..", session(make([]uint32, sessionMost+1)).String()} {
		if _, err := parseSession(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
