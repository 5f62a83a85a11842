package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// need returns the path of a program, and skips the test if there is none.
func need(t *testing.T, program, debian string) string {
	t.Helper()
	for _, name := range []string{program, "/usr/sbin/" + program} { // not every user has sbin in PATH
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing := "there is no " + program + ": apt-get install " + debian
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// accept fails the test if a program does not accept what it is given, or warns of it.
func accept(t *testing.T, program string, args ...string) {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil || strings.Contains(strings.ToLower(string(out)), "warn") {
		t.Errorf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
}

// read returns a file of this folder.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// adapted writes a copy of a file in which each odd string of pairs has become the next, and returns its path. What
// is replaced must be there.
func adapted(t *testing.T, path string, pairs ...string) string {
	t.Helper()
	text := read(t, path)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%s does not contain %q", path, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return save(t, filepath.Base(path), text)
}

// save writes a file for the length of the test.
func save(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate returns a certificate that signs itself, and its key, as PEM.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	c, k := testutil.SelfSigned(t, "edge.example")
	return string(c), string(k)
}
