package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// file writes a file of this name and returns where it is.
func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load returns the configuration of a YAML file with this content.
func load(t testing.TB, content string) *Config {
	t.Helper()
	return loadFrom(t, Sources{File: file(t, "edge.yaml", content)})
}

func loadFrom(t testing.TB, from Sources) *Config {
	t.Helper()
	c, err := Load(from)
	if err != nil {
		t.Fatalf("Load(%+v) = %v", from, err)
	}
	return c
}

// complaints returns the lines of what is wrong with from, with FILE for its file's path.
func complaints(t testing.TB, from Sources) []string {
	t.Helper()
	_, err := Load(from)
	if err == nil {
		return nil
	}
	if ps := Problems(nil); !errors.As(err, &ps) || len(ps) == 0 {
		t.Fatalf("Load(%+v) = %v; want Problems", from, err)
	}
	if from.File != "" {
		return strings.Split(strings.ReplaceAll(err.Error(), from.File, "FILE"), "\n")
	}
	return strings.Split(err.Error(), "\n")
}
