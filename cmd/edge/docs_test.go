package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/tuning"
	"github.com/spf13/pflag"
)

// TestDocsNameFlags holds the flags in the docs against those of the command.
func TestDocsNameFlags(t *testing.T) {
	var flags []string
	serveCommand().Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, "--"+f.Name) })
	testutil.CompareDocs(t, "../..", "Flags", "(?m)^\\| `(--[a-z-]+)`", flags)
}

// TestTuningDocs holds docs/tuning.md against the flags of edge tune and the settings that it knows.
func TestTuningDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/tuning.md")
	if err != nil {
		t.Fatal(err)
	}
	var flags []string
	tuneCommand().Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, "--"+f.Name) })
	for _, name := range slices.Concat(flags, tuning.Sysctls()) {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/tuning.md does not name %s", name)
		}
	}
	for _, field := range strings.Split(string(page), "`") {
		if name := strings.TrimSpace(field); strings.HasPrefix(name, "--") && !strings.ContainsAny(name, " =\n") && name != "--allowed-unsafe-sysctls" && !slices.Contains(flags, name) {
			t.Errorf("docs/tuning.md names %s, which does not exist", name)
		}
	}
}
