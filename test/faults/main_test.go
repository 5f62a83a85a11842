//go:build faults

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	patience = 2 * time.Minute // how long a test waits for what should come soon
	hangUp   = 3 * patience    // how long a client does for an answer, of a node that may be stopped for long
)

// The programs that the tests run, built once.
var (
	edgeBinary        string
	applicationBinary string // a node with an application that fails as it is told
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	edgeBinary, applicationBinary = filepath.Join(dir, "edge"), filepath.Join(dir, "application")
	for binary, pkg := range map[string]string{edgeBinary: "../../cmd/edge", applicationBinary: "./application"} {
		if err := build(binary, pkg); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

func build(binary, pkg string, flags ...string) error {
	out, err := exec.Command("go", append(append([]string{"build"}, flags...), "-o", binary, pkg)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return nil
}
