package edge_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// parts have tests of their own for attacks of which the server's tests show the whole.
var parts = []string{"proxyproto", "admission", "test/faultproxy"}

// A proof is a test as docs/security.md names it: package.Test.
type proof string

// attackRow is a line of the table: an id, what is sent, what happens, and the tests that show it.
var attackRow = regexp.MustCompile(`(?m)^\| ([NHFCZAPESMX]\d\d) \| .+ \| .+ \| (.+) \|$`)

// The ids that a test function's name and a table row's name begin with; before those of a row a section may stand.
var (
	idsOfTest = regexp.MustCompile(`^Test((?:[NHFCZAPESMX]\d\d)+)`)
	idsOfRow  = regexp.MustCompile(`^(?:[\d.]+ )*((?:[NHFCZAPESMX]\d\d )+)`)
	attackID  = regexp.MustCompile(`[NHFCZAPESMX]\d\d`)
)

// Every attack that docs/security.md lists has the tests that it names there, and every test that bears an attack's id is
// listed with it.
func TestSecurityTable(t *testing.T) {
	listed, shown := attacksListed(t), attacksTested(t)
	if len(listed) < 80 {
		t.Fatalf("docs/security.md lists %d attacks", len(listed))
	}
	for id, proofs := range listed {
		for _, p := range proofs {
			if !slices.Contains(shown[id], p) {
				t.Errorf("docs/security.md: %s names %s, which has nothing of that name", id, p)
			}
		}
	}
	for id, proofs := range shown {
		if len(listed[id]) == 0 {
			t.Errorf("docs/security.md does not list %s, which %s is about", id, proofs[0])
		}
	}
}

// attacksListed reads the table.
func attacksListed(t *testing.T) map[string][]proof {
	t.Helper()
	text, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string][]proof)
	for _, row := range attackRow.FindAllStringSubmatch(string(text), -1) {
		if listed[row[1]] != nil {
			t.Errorf("docs/security.md lists %s twice", row[1])
		}
		for name := range strings.SplitSeq(row[2], ", ") {
			listed[row[1]] = append(listed[row[1]], proof(strings.Trim(name, "`")))
		}
	}
	return listed
}

// attacksTested returns the tests that bear each attack's id: in their own name, or in the name of a row of a table that
// stands in the same file.
func attacksTested(t *testing.T) map[string][]proof {
	t.Helper()
	shown := make(map[string][]proof)
	for _, path := range tracked(t) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		if !strings.HasSuffix(path, "_test.go") || slices.Contains(parts, pkg) || pkg == "." {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		tests, rows := namesIn(file)
		for _, test := range tests {
			for _, id := range attackID.FindAllString(idsOfTest.FindString(test), -1) {
				rows[id] = true
			}
		}
		for id := range maps.Keys(rows) {
			for _, test := range tests {
				if ids := idsOfTest.FindString(test); ids == "" || strings.Contains(ids, id) {
					shown[id] = append(shown[id], proof(pkg+"."+test))
				}
			}
		}
	}
	return shown
}

// namesIn returns the tests of a file and the ids that its literals begin with.
func namesIn(file *ast.File) (tests []string, rows map[string]bool) {
	rows = make(map[string]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if strings.HasPrefix(n.Name.Name, "Test") {
				tests = append(tests, n.Name.Name)
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				for _, id := range attackID.FindAllString(idsOfRow.FindString(text), -1) {
					rows[id] = true
				}
			}
		}
		return true
	})
	return tests, rows
}
