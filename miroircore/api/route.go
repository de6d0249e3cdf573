package api

import (
	"net/http"
	"sort"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// route is one method and path of the API.
type route struct {
	method, pattern string
	family          Family
	// action is the key action the route asks for; empty for none.
	action string
	handle func(*call) *meili.Error

	segments []string
}

// maxParams is how many parameters the longest pattern has.
const maxParams = 2

// match is what a lookup found: the route with its parameters, or the methods
// that the path has, or neither.
type match struct {
	route   *route
	params  [maxParams]string
	allowed []string
}

// indexUID gives the index that a key must be allowed to see, or "".
func (m match) indexUID() string {
	if strings.HasPrefix(m.route.pattern, "/indexes/{") {
		return m.params[0]
	}
	return ""
}

// table finds routes by the number of their path segments.
type table struct {
	bySegments [][]*route
}

func newTable(groups ...[]route) *table {
	t := &table{}
	for _, routes := range groups {
		for i := range routes {
			r := &routes[i]
			r.segments = split(nil, r.pattern)
			for len(t.bySegments) <= len(r.segments) {
				t.bySegments = append(t.bySegments, nil)
			}
			t.bySegments[len(r.segments)] = append(t.bySegments[len(r.segments)], r)
		}
	}
	return t
}

// split cuts a path at its slashes. As on the real server repeated slashes
// count as one and a trailing one does not count.
func split(dst []string, path string) []string {
	for path != "" {
		segment, rest, _ := strings.Cut(path, "/")
		if segment != "" {
			dst = append(dst, segment)
		}
		path = rest
	}
	return dst
}

func (t *table) find(method, path string) match {
	var room [8]string // no route has as many
	segments := split(room[:0], path)
	if len(segments) >= len(t.bySegments) {
		return match{}
	}
	for _, r := range t.bySegments[len(segments)] {
		if params, ok := r.match(segments); ok && r.method == method {
			return match{route: r, params: params}
		}
	}
	var m match
	for _, r := range t.bySegments[len(segments)] {
		if _, ok := r.match(segments); ok {
			m.allowed = append(m.allowed, r.method)
		}
	}
	sort.Strings(m.allowed)
	return m
}

func (r *route) match(segments []string) (params [maxParams]string, ok bool) {
	n := 0
	for i, s := range r.segments {
		if s[0] == '{' {
			params[n] = segments[i]
			n++
		} else if s != segments[i] {
			return params, false
		}
	}
	return params, true
}

func methodNotAllowed(w http.ResponseWriter, allowed []string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusMethodNotAllowed)
}

// notFoundUnlessWritten asks the next handler and answers 404 as the real
// server does, with an empty body, where nothing behind this one answers:
// an HTTP server would say 200.
func notFoundUnlessWritten(w http.ResponseWriter, r *http.Request, next Next) error {
	seen := &writeWatch{ResponseWriter: w}
	if err := next(seen, r); err != nil || seen.written {
		return err
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusNotFound)
	return nil
}

// writeWatch remembers whether anything was answered.
type writeWatch struct {
	http.ResponseWriter
	written bool
}

func (w *writeWatch) WriteHeader(status int) {
	w.written = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *writeWatch) Write(p []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach what the writer below can do.
func (w *writeWatch) Unwrap() http.ResponseWriter { return w.ResponseWriter }
