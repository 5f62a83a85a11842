package edge_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxFile is the largest file that the repository takes, in bytes.
const maxFile = 1 << 20

// leavings are the endings of what a build, a test or a profiler leaves in a folder.
var leavings = []string{".test", ".prof", ".pprof", ".out", ".log", ".trace", ".exe", ".o", ".a", ".so"}

func TestTreeHoldsOnlySources(t *testing.T) {
	for _, path := range tracked(t) {
		if complaint := unfit(t, path); complaint != "" {
			t.Errorf("%s is tracked, but %s", path, complaint)
		}
	}
}

// unfit says why the file at path has no place in the repository; empty if it has one.
func unfit(t *testing.T, path string) string {
	t.Helper()
	if slices.Contains(leavings, filepath.Ext(path)) {
		return "a tool made it"
	}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // removed, and the removal not committed yet
		return ""
	case err != nil:
		t.Fatal(err)
	case len(data) > maxFile:
		return "larger than 1 MiB"
	case bytes.IndexByte(data, 0) >= 0 && filepath.Ext(path) != ".png":
		return "binary"
	}
	return ""
}

// tracked returns the paths of the files in git's index.
func tracked(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(".git"); errors.Is(err, fs.ErrNotExist) {
		t.Skip("not a git checkout: nothing is tracked")
	}
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
}

func TestUnfitFilesAreSeen(t *testing.T) {
	dir := t.TempDir()
	for name, row := range map[string]struct {
		data []byte
		want string
	}{
		"notes.md":  {[]byte("words\n"), ""},
		"plot.png":  {[]byte("\x89PNG\r\n\x1a\n\x00"), ""},
		"edge":      {[]byte("\x7fELF\x02\x01\x01\x00"), "binary"},
		"cpu.pprof": {[]byte("\x1f\x8b"), "a tool made it"},
		"big.json":  {bytes.Repeat([]byte{' '}, maxFile+1), "larger than 1 MiB"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, row.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := unfit(t, path); got != row.want {
			t.Errorf("unfit(%s) = %q; want %q", name, got, row.want)
		}
	}
}
