package parity

import (
	"errors"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// goroot is where the standard library is. The toolchain that runs tests says so.
func goroot() string { return build.Default.GOROOT }

// symbols reads the documentation of the standard library: a real text, and one
// that every machine that builds the project has.
func symbols() ([]object, error) {
	src := filepath.Join(goroot(), "src")
	var out []object
	err := filepath.WalkDir(src, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		switch entry.Name() {
		case "internal", "vendor", "testdata", "cmd":
			return filepath.SkipDir
		}
		path, err := filepath.Rel(src, dir)
		if err != nil {
			return err
		}
		found, err := packageSymbols(filepath.ToSlash(path), dir)
		out = append(out, found...)
		return err
	})
	for i := range out {
		out[i]["id"] = i + 1
	}
	return out, err
}

func packageSymbols(path, dir string) ([]object, error) {
	var none *build.NoGoError
	built, err := build.ImportDir(dir, 0)
	switch {
	case errors.As(err, &none) || built != nil && built.Name == "main":
		return nil, nil
	case err != nil:
		return nil, err
	}
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range built.GoFiles {
		file, err := parser.ParseFile(files, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, file)
	}
	if len(parsed) == 0 {
		return nil, nil
	}
	p, err := doc.NewFromFiles(files, parsed, path)
	if err != nil {
		return nil, err
	}
	l := lister{path: path}
	l.add("package", p.Name, p.Doc)
	l.list(p.Consts, p.Vars, p.Funcs, "")
	for _, t := range p.Types {
		l.add("type", t.Name, t.Doc)
		l.list(t.Consts, t.Vars, t.Funcs, "")
		l.list(nil, nil, t.Methods, t.Name)
	}
	return l.out, nil
}

// lister collects the symbols of a package.
type lister struct {
	path string
	out  []object
}

func (l *lister) list(constants, variables []*doc.Value, functions []*doc.Func, receiver string) {
	for _, v := range constants {
		l.add("const", strings.Join(v.Names, " "), v.Doc)
	}
	for _, v := range variables {
		l.add("var", strings.Join(v.Names, " "), v.Doc)
	}
	for _, f := range functions {
		if receiver == "" {
			l.add("func", f.Name, f.Doc)
			continue
		}
		l.add("method", f.Name, f.Doc)
		l.out[len(l.out)-1]["receiver"] = receiver
	}
}

// add makes a document. Few symbols are alike in length, many in depth.
func (l *lister) add(kind, name, text string) {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "")
	top, rest, _ := strings.Cut(l.path, "/")
	o := object{
		"kind": kind, "name": name, "text": text, "package": l.path, "import": object{"top": top, "depth": strings.Count(l.path, "/") + 1},
		"length": len(text), "words": strings.Fields(rest), "deprecated": strings.Contains(text, "Deprecated:"),
	}
	if rest != "" {
		o["import"].(object)["rest"] = rest
	}
	l.out = append(l.out, o)
}

var wordPattern = regexp.MustCompile(`[A-Za-z]{2,}`)

// vocabulary takes every so-many-th word of the documents' names and texts.
func vocabulary(documents []object, field string, step int) []string {
	var out []string
	for i, o := range documents {
		if found := wordPattern.FindAllString(o[field].(string), -1); len(found) > 0 && i%step == 0 {
			out = append(out, strings.ToLower(found[(i/step)%len(found)]))
		}
	}
	return out
}

// symbolSet asks for Go's documentation by every parameter a search has.
func symbolSet() (set, error) {
	documents, err := symbols()
	if err != nil {
		return set{}, err
	}
	if len(documents) < 5000 {
		return set{}, errors.New(runtime.Version() + " has no sources")
	}
	s := set{
		name: "symbols", documents: documents,
		settings: object{
			"searchableAttributes": list("name", "package", "text"),
			"filterableAttributes": []any{"kind", "package", "receiver", "length", "words", "deprecated", object{
				"attributePatterns": list("import.*"), "features": object{"facetSearch": true, "filter": object{"equality": true, "comparison": true}},
			}},
			"sortableAttributes": list("length", "name", "import.depth", "package"),
			"synonyms":           object{"read": list("scan"), "goroutine": list("routine"), "json": list("javascript object notation")},
			"stopWords":          list("the", "a", "of", "is"),
		},
	}
	d := newDice(61)
	pool := [][]string{vocabulary(documents, "name", 3), vocabulary(documents, "text", 5), vocabulary(documents, "text", 7), list("http", "json", "time", "read", "write", "error", "the")}
	for range 480 {
		body := object{"q": d.phrase(pool)}
		if d.chance(0.1) {
			delete(body, "q")
		}
		s.queries = append(s.queries, search(d.add(body, symbolOptions)))
	}
	for range 20 {
		s.queries = append(s.queries, search(object{"q": d.phrase(pool) + " " + pick(d, pool[0]), "matchingStrategy": "frequency"}))
	}
	for range 40 {
		s.queries = append(s.queries, query{kind: facets, path: "/facet-search", body: d.add(
			object{"facetName": pick(d, list("kind", "package", "receiver", "words", "import.rest"))}, []option{
				{0.8, each("facetQuery", "a", "net", "ht", "cod", "crypt", "encod", "re", "type", "", "writr")},
				{0.3, each("filter", "kind = method", "length > 200")},
				{0.3, each("q", "read", "http", "the")},
				{0.2, each("matchingStrategy", "all")},
			})})
	}
	for range 40 {
		s.queries = append(s.queries, d.together(pool))
	}
	return s, nil
}

// together makes a federated search of two or three.
func (d dice) together(pool [][]string) query {
	var queries []object
	for range d.between(2, 3) {
		q := object{"indexUid": "symbols", "q": d.phrase(pool)}
		queries = append(queries, d.add(q, []option{
			{0.4, each("filter", "kind = func", "kind = method", "import.top = net", "length < 300")},
			{0.4, each("federationOptions", object{"weight": 0.7}, object{"weight": 1.5})},
			{0.2, each("attributesToRetrieve", list("id", "name"))},
		}))
	}
	federation := d.add(object{}, []option{
		{0.5, []object{{"limit": 5}, {"offset": 5, "limit": 10}, {"page": 1, "hitsPerPage": 8}}},
		{0.3, each("facetsByIndex", object{"symbols": list("kind", "import.depth")})},
	})
	return query{kind: federated, path: "/multi-search", body: object{"federation": federation, "queries": queries}}
}

var symbolOptions = append(showing("name"),
	option{0.35, each("filter", "kind = func", "kind IN [type, method] AND length > 100", "package = 'net/http'", "NOT import.top = crypto", "receiver EXISTS",
		"length 50 TO 400", "words IS EMPTY", "deprecated = true", "import.depth >= 2", "package STARTS WITH go", []any{list("kind = const", "kind = var"), "import.top != syscall"})},
	option{0.25, each("sort", list("length:desc"), list("name:asc"), list("import.depth:asc", "length:asc"), list("package:desc", "name:asc"))},
	option{0.3, each("facets", list("kind"), list("package"), list("import.top", "import.depth"), list("*"), list("receiver", "length"))},
	option{0.3, []object{{"limit": 5}, {"limit": 50, "offset": 10}, {"offset": 100}, {"page": 2, "hitsPerPage": 7}, {"hitsPerPage": 30}, {"offset": 900, "limit": 100}, {"page": 40}, {"limit": 0}}},
	option{0.2, each("matchingStrategy", "all", "last")},
	option{0.1, each("distinct", "package", "kind", "name")},
	option{0.1, each("attributesToSearchOn", list("name"), list("name", "text"), list("package"))},
	option{0.05, each("rankingScoreThreshold", 0.3, 0.6, 0.9)},
	option{0.05, each("locales", list("eng"))},
)
