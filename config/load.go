package config

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Sources is where a configuration comes from.
type Sources struct {
	File    string            // empty for none
	Environ []string          // NAME=value, as of os.Environ
	Flags   map[string]string // the texts of flags, by the path of their key
}

// Load reads all sources. Its error is Problems.
func Load(from Sources) (*Config, error) {
	l := loader{file: from.File, settings: defaults(), origins: make(map[string]string)}
	l.settings.node.Development = from.File == ""
	if from.File != "" {
		l.loadFile(from.File)
	}
	values, problems := readEnviron(from.Environ)
	l.problems = append(l.problems, problems...)
	l.loadFlat(values, variable)
	l.loadFlat(texts(from.Flags), flagOf)
	l.fetch()
	l.problems = append(l.problems, check(&l.settings, l.problems)...)
	return &Config{File: from.File, settings: l.settings, origins: l.origins}, l.problems.orNil()
}

// loader takes source after source: what comes later wins.
type loader struct {
	file     string
	settings settings
	origins  map[string]string // what gave a key its value, by path
	problems Problems
}

// layer is one source.
type layer struct {
	origin func(path string) string // what gives a key its value
	named  bool                     // origins differ from key to key, so that a problem names them
}

// loadFile takes what a file has.
func (l *loader) loadFile(name string) {
	tree, err := readFile(name)
	if err != nil {
		l.problems = append(l.problems, Problem{name, "", err.Error()})
		return
	}
	l.walk(layer{origin: func(string) string { return name }}, "", tree)
}

// loadFlat takes values by path, which come from variables or flags.
func (l *loader) loadFlat(values map[string]any, origin func(path string) string) {
	from := layer{origin: origin, named: true}
	for _, path := range slices.Sorted(maps.Keys(values)) {
		l.set(from, keyAt[path], values[path])
	}
}

// fetch reads the files that keys name, save where something is wrong with a name already.
func (l *loader) fetch() {
	for _, k := range keys {
		if l.problems.about(k.Path) {
			continue
		}
		if err := k.fetch(&l.settings); err != nil {
			p := Problem{Key: k.Path, What: err.Error()}
			if origin := l.origins[k.Path]; origin != l.file {
				p.Origin = origin
			}
			l.problems = append(l.problems, p)
		}
	}
}

// texts returns what flags say as values.
func texts(flags map[string]string) map[string]any {
	values := make(map[string]any, len(flags))
	for path, s := range flags {
		values[path] = text(s)
	}
	return values
}

// flagOf returns the flag of a key as it is written.
func flagOf(path string) string { return "--" + keyAt[path].Flag }

// walk takes what one section has.
func (l *loader) walk(from layer, section string, tree map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		path, value := join(section, name), tree[name]
		k, known := keyAt[path]
		switch {
		case strings.Contains(name, separator):
			l.complain(from, path, "has a dot in its name; write "+last(name)+" in a section of its own")
		case known:
			l.set(from, k, value)
		case sections[path]:
			l.enter(from, path, value)
		default:
			l.complain(from, path, "unknown key"+suggest(path, names))
		}
	}
}

// names are what a name in a file may be: the paths of all keys and sections.
var names = append(paths(keys), slices.Sorted(maps.Keys(sections))...)

// join returns the path of a name in a section.
func join(section, name string) string {
	if section == "" {
		return printable(name)
	}
	return section + separator + printable(name)
}

// printable returns a name as it can stand in a line.
func printable(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// enter takes what the section at path has, which may be nothing.
func (l *loader) enter(from layer, path string, value any) {
	tree, ok := value.(map[string]any)
	if !ok && value != nil {
		l.complain(from, path, showSection(path, value)+" is not a section; write its keys with their values")
		return
	}
	l.walk(from, path, tree)
}

// showSection is show for what stands in place of a section: it may be the secret that belongs into it.
func showSection(path string, value any) string {
	if _, isList := value.([]any); !isList && slices.ContainsFunc(keys, func(k key[settings]) bool {
		return k.kind() == secretKind && strings.HasPrefix(k.Path, path+separator)
	}) {
		return "what it has"
	}
	return show(value)
}

// set gives a key its value.
func (l *loader) set(from layer, k key[settings], value any) {
	l.origins[k.Path] = from.origin(k.Path)
	err := k.set(&l.settings, value)
	if inside := Problems(nil); errors.As(err, &inside) {
		for _, p := range inside {
			if strings.HasPrefix(p.Key, "[") {
				p.Key = k.Path + p.Key
			}
			l.complain(from, p.Key, p.What)
		}
	} else if err != nil {
		l.complain(from, k.Path, err.Error())
	}
}

// complain notes a problem with a key.
func (l *loader) complain(from layer, key, what string) {
	p := Problem{Key: key, What: what}
	if from.named {
		root, _, _ := strings.Cut(key, "[") // only lists have parts
		p.Origin = from.origin(root)
	}
	l.problems = append(l.problems, p)
}
