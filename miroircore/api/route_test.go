package api

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

func testTable() *table {
	return newTable([]route{
		{method: get, pattern: "/"},
		{method: get, pattern: "/indexes/{uid}"},
		{method: remove, pattern: "/indexes/{uid}"},
		{method: post, pattern: "/indexes/{uid}/search", family: FamilySearch},
		{method: get, pattern: "/indexes/{uid}/documents/{id}", family: FamilySearch},
		{method: post, pattern: "/indexes/{uid}/documents/fetch", family: FamilySearch},
		{method: get, pattern: "/tasks/{uid}"},
	})
}

func TestRoutesAreFoundAsTheServerFindsThem(t *testing.T) {
	for _, c := range []struct {
		method, path, pattern string
		first, second         string
		allowed               []string
	}{
		{method: "GET", path: "/", pattern: "/"},
		{method: "GET", path: "/indexes/movies", pattern: "/indexes/{uid}", first: "movies"},
		{method: "GET", path: "//indexes//movies/", pattern: "/indexes/{uid}", first: "movies"},
		{method: "GET", path: "/indexes/a b/documents/x-1", pattern: "/indexes/{uid}/documents/{id}", first: "a b", second: "x-1"},
		{method: "POST", path: "/indexes/m/documents/fetch", pattern: "/indexes/{uid}/documents/fetch", first: "m"},
		{method: "PUT", path: "/indexes/m", allowed: []string{"DELETE", "GET"}},
		{method: "GET", path: "/indexes/m/nothing/at/all"},
		{method: "GET", path: "/index"},
	} {
		m := testTable().find(c.method, c.path)
		found := ""
		if m.route != nil {
			found = m.route.pattern
		}
		if found != c.pattern || m.params != [maxParams]string{c.first, c.second} || !slices.Equal(m.allowed, c.allowed) {
			t.Errorf("%s %s is %q with %q, allowed %v", c.method, c.path, found, m.params, m.allowed)
		}
	}
}

func TestOnlyIndexRoutesNameAnIndex(t *testing.T) {
	if uid := testTable().find("GET", "/tasks/3").indexUID(); uid != "" {
		t.Errorf("a task's uid is taken for the index %q", uid)
	}
	if uid := testTable().find("POST", "/indexes/m/search").indexUID(); uid != "m" {
		t.Errorf("the index is %q", uid)
	}
}

func TestNobodysRequestIsAnsweredByWhoStandsBehind(t *testing.T) {
	s := &Server{routes: testTable()}
	behind := func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusTeapot)
		return nil
	}
	nobody := func(http.ResponseWriter, *http.Request) error { return nil }
	for _, c := range []struct {
		name   string
		family Family
		method string
		path   string
		next   Next
		status int
	}{
		{"a path nobody knows goes on", FamilyRoute, "GET", "/shop", behind, http.StatusTeapot},
		{"and is not found where nobody answers", FamilyRoute, "GET", "/shop", nobody, http.StatusNotFound},
		{"another family's request goes on", FamilyRoute, "POST", "/indexes/m/search", behind, http.StatusTeapot},
		{"a wrong method is answered by the last family", FamilyRoute, "PUT", "/indexes/m", behind, http.StatusMethodNotAllowed},
		{"and not by another", FamilySearch, "PUT", "/indexes/m", behind, http.StatusTeapot},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(c.method, c.path, nil)
		if err := s.Serve(c.family, s.Find(r), nil, w, r, c.next); err != nil || w.Code != c.status {
			t.Errorf("%s: %d, %v", c.name, w.Code, err)
		}
	}
}
