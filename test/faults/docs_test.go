package faults

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// The table of docs/faults.md names each test once, and no other.
func TestTableNamesTheTests(t *testing.T) {
	tests := namesIn(t, `(?m)^func (TestR\d\d\w+)\(`, "*_test.go")
	table := namesIn(t, "`(TestR\\d\\d\\w+)`", "../../docs/faults.md")
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		if !table[name] {
			t.Errorf("%s is not in docs/faults.md", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if !tests[name] {
			t.Errorf("docs/faults.md names %s, which does not exist", name)
		}
	}
}

// namesIn returns what the first group of a pattern finds in files.
func namesIn(t *testing.T, pattern, files string) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob(files)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
	}
	return found
}
