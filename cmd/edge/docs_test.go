package main

import (
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/spf13/pflag"
)

// TestDocsNameFlags holds the flags in the docs against those of the command.
func TestDocsNameFlags(t *testing.T) {
	var flags []string
	serveCommand().Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, "--"+f.Name) })
	testutil.CompareDocs(t, "../..", "Flags", "(?m)^\\| `(--[a-z-]+)`", flags)
}
