// Command aside prints the arguments with which go test runs the tests that the race detector changes: those that skip, or do
// less, or allow more under it, and those that count allocations. They are the tests whose functions come to testutil.Race or
// testing.AllocsPerRun by way of any functions, methods and variables of their package's tests. What is not among them does
// the same with the race detector as without it, and need not run twice.
//
//	go test $(go run ./test/aside)
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	folders, names, err := find(".")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("-run ^(%s)$ %s\n", strings.Join(names, "|"), strings.Join(folders, " "))
}

// find returns the folders below root that have such tests, as go test takes them, and the tests' names.
func find(root string) (folders, names []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root:
			return fs.SkipDir
		}
		found, err := aside(path)
		if len(found) > 0 {
			folders, names = append(folders, "./"+filepath.ToSlash(path)), append(names, found...)
		}
		return err
	})
	slices.Sort(names)
	return folders, slices.Compact(names), err
}

// aside returns the names of the folder's tests that the race detector changes.
func aside(folder string) (tests []string, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return nil, err
	}
	uses := map[string][]string{} // by name: what is declared, what it mentions
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range parsed.Decls {
			declare(uses, d)
		}
	}
	for name := range uses {
		if strings.HasPrefix(name, "Test") && comesToIt(uses, name, map[string]bool{}) {
			tests = append(tests, name)
		}
	}
	return tests, nil
}

// declare adds what d declares to uses. Methods of one name count as one.
func declare(uses map[string][]string, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		uses[d.Name.Name] = append(uses[d.Name.Name], mentioned(d)...)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if v, ok := s.(*ast.ValueSpec); ok {
				for _, name := range v.Names {
					uses[name.Name] = append(uses[name.Name], mentioned(v)...)
				}
			}
		}
	}
}

// mentioned returns the identifiers in n, and those that are selected of a package or value as ".Name" too.
func mentioned(n ast.Node) (names []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				names = append(names, x.Name+"."+n.Sel.Name)
			}
		case *ast.Ident:
			names = append(names, n.Name)
		}
		return true
	})
	return names
}

// comesToIt reports whether name mentions what makes the difference, or something that does. seen is what has been looked at.
func comesToIt(uses map[string][]string, name string, seen map[string]bool) bool {
	if seen[name] {
		return false
	}
	seen[name] = true
	return slices.ContainsFunc(uses[name], func(used string) bool {
		return used == "testutil.Race" || used == "testing.AllocsPerRun" || comesToIt(uses, used, seen)
	})
}
