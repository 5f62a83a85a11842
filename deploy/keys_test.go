package deploy

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// knownKeys returns the keys of docs/configuration.md, which edge itself prints.
func knownKeys(t *testing.T) []string {
	t.Helper()
	_, table, ok := strings.Cut(read(t, "../docs/configuration.md"), "\n## Keys\n")
	if !ok {
		t.Fatal("docs/configuration.md has no section Keys")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	var known []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\|").FindAllStringSubmatch(table, -1) {
		known = append(known, m[1])
	}
	return known
}

func TestKeysExist(t *testing.T) {
	known := knownKeys(t)
	for file, node := range map[string]object{
		"edge.yaml": decode(t, read(t, "edge.yaml"))[0], "kubernetes/config.yaml": podConfig(t),
	} {
		for path := range keys(node) {
			if !slices.Contains(known, path) {
				t.Errorf("%s sets %s, which does not exist", file, path)
			}
		}
	}
}

// The keys that comments and README.md name exist as well.
func TestNamedKeysExist(t *testing.T) {
	known := knownKeys(t)
	for _, path := range prose(t) {
		for _, name := range namedKeys(read(t, path)) {
			if !slices.ContainsFunc(known, func(k string) bool { return k == name || strings.HasPrefix(k, name+".") }) {
				t.Errorf("%s names %s, which does not exist", filepath.ToSlash(path), name)
			}
		}
	}
}

// keyName finds what looks like a configuration key of ours.
var keyName = regexp.MustCompile(`(?:^|[^a-z_./])((?:listen|internal|reactor|client|room|history|log|shutdown|api)(?:\.[a-z][a-z_]+)+)`)

// notKeys look like keys to keyName.
var notKeys = map[string]bool{"history.db": true}

// namedKeys returns the configuration keys that text names.
func namedKeys(text string) []string {
	var names []string
	for _, m := range keyName.FindAllStringSubmatch(text, -1) {
		if !notKeys[m[1]] {
			names = append(names, m[1])
		}
	}
	return names
}

// keys returns the values of a configuration by their path. Namespaces are one value: their options have their own
// table.
func keys(o object) map[string]any {
	all := map[string]any{}
	for key, value := range o {
		inner, ok := value.(map[string]any)
		if !ok {
			all[key] = value
			continue
		}
		for path, v := range keys(inner) {
			all[key+"."+path] = v
		}
	}
	return all
}
