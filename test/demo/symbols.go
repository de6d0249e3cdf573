package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
)

// symbol is one exported name of the standard library, as a document.
type symbol struct {
	ID        int    `json:"id"`
	Package   string `json:"package"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Signature string `json:"signature"`
	Text      string `json:"text"`
}

// maxSignature keeps declarations that run over pages out of the documents.
const maxSignature = 2000

// readSymbols reads the documentation of every package of the standard library
// that others may import.
func readSymbols(goroot string) ([]symbol, error) {
	src := filepath.Join(goroot, "src")
	var symbols []symbol
	err := filepath.WalkDir(src, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		switch entry.Name() {
		case "internal", "vendor", "testdata", "cmd":
			return filepath.SkipDir
		}
		found, err := readPackage(src, dir)
		symbols = append(symbols, found...)
		return err
	})
	for i := range symbols {
		symbols[i].ID = i + 1
	}
	return symbols, err
}

func readPackage(src, dir string) ([]symbol, error) {
	built, err := build.ImportDir(dir, 0)
	var none *build.NoGoError
	switch {
	case errors.As(err, &none) || built != nil && built.Name == "main":
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	path, err := filepath.Rel(src, dir)
	if err != nil {
		return nil, err
	}
	r := &reader{files: token.NewFileSet(), path: filepath.ToSlash(path)}
	var parsed []*ast.File
	for _, name := range append(built.GoFiles, built.CgoFiles...) {
		file, err := parser.ParseFile(r.files, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, file)
	}
	p, err := doc.NewFromFiles(r.files, parsed, r.path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	r.read(p)
	return r.symbols, nil
}

// reader collects the symbols of one package.
type reader struct {
	files   *token.FileSet
	path    string
	symbols []symbol
}

func (r *reader) read(p *doc.Package) {
	r.add("package", p.Name, nil, p.Doc)
	r.values("const", p.Consts)
	r.values("var", p.Vars)
	r.funcs("func", "", p.Funcs)
	for _, t := range p.Types {
		r.add("type", t.Name, t.Decl, t.Doc)
		r.values("const", t.Consts)
		r.values("var", t.Vars)
		r.funcs("func", "", t.Funcs)
		r.funcs("method", t.Name+".", t.Methods)
	}
}

func (r *reader) funcs(kind, receiver string, funcs []*doc.Func) {
	for _, f := range funcs {
		r.add(kind, receiver+f.Name, f.Decl, f.Doc)
	}
}

// values adds one symbol for each name of a group of constants or variables,
// with the comment of the name, or of the group where it has none.
func (r *reader) values(kind string, groups []*doc.Value) {
	for _, g := range groups {
		for _, spec := range g.Decl.Specs {
			v, ok := spec.(*ast.ValueSpec)
			if !ok {
				continue
			}
			text := v.Doc.Text() + v.Comment.Text()
			if text == "" {
				text = g.Doc
			}
			for _, name := range v.Names {
				if name.IsExported() {
					r.add(kind, name.Name, v, text)
				}
			}
		}
	}
}

func (r *reader) add(kind, name string, declaration ast.Node, text string) {
	var signature bytes.Buffer
	if f, ok := declaration.(*ast.FuncDecl); ok {
		f.Doc, f.Body = nil, nil
	}
	if declaration != nil {
		// What cannot be printed has been parsed from a file that compiles.
		_ = format.Node(&signature, r.files, declaration)
	}
	signature.Truncate(min(signature.Len(), maxSignature))
	r.symbols = append(r.symbols, symbol{
		Package: r.path, Kind: kind, Name: name,
		Signature: strings.ToValidUTF8(signature.String(), ""), Text: strings.TrimSpace(text),
	})
}
