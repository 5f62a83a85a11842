package config

import (
	"maps"
	"slices"
	"strings"
)

const (
	prefix = "EDGE_"

	// FileVariable names the configuration file, where no flag does.
	FileVariable = prefix + "CONFIG"
)

// variable returns the name of a key's variable.
func variable(path string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(path, separator, "_"))
}

// variables are the paths of all keys by the names of their variables.
var variables = func() map[string]string {
	m := make(map[string]string, len(keys))
	for _, k := range keys {
		m[k.Variable()] = k.Path
	}
	return m
}()

// readEnviron returns the values of keys in an environment, by path, and what is wrong with its names.
func readEnviron(environ []string) (values map[string]any, problems Problems) {
	values = make(map[string]any)
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(entry, "=")
		path, known := variables[name]
		switch {
		case !strings.HasPrefix(name, prefix) || name == FileVariable:
		case !known:
			problems = append(problems, Problem{printable(name), "", "unknown variable" + suggestVariable(name)})
		case keyAt[path].kind() == entriesKind || keyAt[path].kind() == mapKind:
			values[path] = readJSON(value)
		default:
			values[path] = text(value)
		}
	}
	return values, problems
}

// suggestVariable returns the words that end the complaint about a variable. Kubernetes sets some for a service
// called edge in every pod beside it.
func suggestVariable(name string) string {
	if strings.HasSuffix(name, "_SERVICE_HOST") || strings.Contains(name, "_SERVICE_PORT") || strings.HasPrefix(name, prefix+"PORT") {
		return "; if Kubernetes has set it for a service, write enableServiceLinks: false"
	}
	return suggest(name, append(slices.Sorted(maps.Keys(variables)), FileVariable))
}
