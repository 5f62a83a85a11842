package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// A run that fails is drawn all the same, with the command that made it but for its secrets.
func TestFloodIsDrawn(t *testing.T) {
	dir := t.TempDir()
	file, svgs := filepath.Join(dir, "out.html"), filepath.Join(dir, "plots")
	_, _, err := runFlood(t, "idle", "--connections", "3", "--probe", "0", "--target", testutil.Nobody+","+testutil.Nobody,
		"--token-secret", strings.Repeat("hidden", 6), "--report", file, "--svg", svgs)
	if exitCode(err) != exitNo {
		t.Errorf("flood without a server: exit code %d, %v", exitCode(err), err)
	}
	html, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	command := "flood idle --connections=3 --probe=0s --report=" + file + " --svg=" + svgs + " --target=" + testutil.Nobody + " --target=" + testutil.Nobody + " --token-secret=..."
	for _, want := range []string{"3 connections failed", command, "<svg "} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if strings.Contains(string(html), "hidden") {
		t.Error("the page holds a secret")
	}
	if _, err := os.Stat(filepath.Join(svgs, "memory.svg")); err != nil {
		t.Error(err)
	}
	checkFiles(t, dir, 2)
}

// A run that does not begin leaves the report of the last one, and nothing else.
func TestFloodThatDoesNotBeginDrawsNothing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "out.html")
	if err := os.WriteFile(file, []byte("the last one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := runFlood(t, "idle", "--target", "nonsense", "--report", file); exitCode(err) != exitUsage {
		t.Errorf("exit code %d, %v", exitCode(err), err)
	}
	if b, err := os.ReadFile(file); string(b) != "the last one" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	checkFiles(t, dir, 1)
}

// checkFiles checks that dir holds so many.
func checkFiles(t *testing.T, dir string, want int) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != want {
		t.Errorf("%s holds %v, %v; want %d files", dir, files, err, want)
	}
}

func TestQuoted(t *testing.T) {
	for s, want := range map[string]string{
		"ws://h:1/p": "ws://h:1/p",
		"":           "''",
		"a b":        "'a b'",
		"it's $(x)":  `'it'\''s $(x)'`,
	} {
		if got := quoted(s); got != want {
			t.Errorf("quoted(%q) = %s; want %s", s, got, want)
		}
	}
}
