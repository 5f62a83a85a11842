package deploy

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// prose returns all files that speak to operators.
func prose(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) != ".go" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// README.md has a line for every file.
func TestReadmeNamesEveryFile(t *testing.T) {
	readme := read(t, "README.md")
	for _, path := range prose(t) {
		if path != "README.md" && !strings.Contains(readme, "`"+filepath.ToSlash(path)+"`") {
			t.Errorf("README.md does not name %s", path)
		}
	}
}

// The image is built with the Go that go.mod asks for.
func TestDockerfileHasTheGoOfTheModule(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.GoVersion}}").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	version := strings.Join(strings.Split(strings.TrimSpace(string(out)), ".")[:2], ".")
	if want := "FROM golang:" + version + " AS build"; !strings.Contains(read(t, "docker/Dockerfile"), want) {
		t.Errorf("docker/Dockerfile does not have %q", want)
	}
}
