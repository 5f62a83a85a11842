package testutil

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// CompareDocs fails t unless a section of docs/operations.md names just what the code has: pattern's first
// group finds the names. root is the way to the project's root.
func CompareDocs(t testing.TB, root, section, pattern string, code []string) {
	t.Helper()
	docs := documented(t, filepath.Join(root, "docs", "operations.md"), section, pattern)
	for _, name := range code {
		if !slices.Contains(docs, name) {
			t.Errorf("%s is not in docs/operations.md", name)
		}
	}
	for _, name := range docs {
		if !slices.Contains(code, name) {
			t.Errorf("docs/operations.md names %s, which does not exist", name)
		}
	}
}

// documented returns what a section of a page names.
func documented(t testing.TB, file, section, pattern string) []string {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(page), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", file, section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var names []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}
