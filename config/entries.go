package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The kinds of values with a structure, which variables and flags hold as JSON.
const (
	entriesKind = "entries"
	mapKind     = "map"
)

// entriesField is a list of sections, each with the keys of an E.
type entriesField[T, E any] struct {
	at   func(*T) *[]E
	keys []key[E]
}

func (entriesField[T, E]) kind() string   { return entriesKind }
func (entriesField[T, E]) fetch(*T) error { return nil }

func (f entriesField[T, E]) same(a, b *T) bool { return f.text(a) == f.text(b) }
func (f entriesField[T, E]) copy(to, from *T)  { *f.at(to) = *f.at(from) }
func (f entriesField[T, E]) text(t *T) string  { return f.write(t, key[E].text) }
func (f entriesField[T, E]) shown(t *T) string { return f.write(t, key[E].shown) }

// write returns the entries, each with what is not a default as value has it.
func (f entriesField[T, E]) write(t *T, value func(key[E], *E) string) string {
	var entries []string
	for i := range *f.at(t) {
		entries = append(entries, "{"+strings.Join(givenIn(&(*f.at(t))[i], f.keys, value), ", ")+"}")
	}
	return "[" + strings.Join(entries, ", ") + "]"
}

// givenIn returns the keys of e with their values, as value has them, without those that are as by default.
func givenIn[E any](e *E, keys []key[E], value func(key[E], *E) string) (all []string) {
	var plain E
	setDefaults(&plain, keys)
	for _, k := range keys {
		if k.text(e) != k.text(&plain) {
			all = append(all, k.Path+": "+value(k, e))
		}
	}
	return all
}

// set reads a list of entries. Its errors are Problems, whose keys begin with the place in the list.
func (f entriesField[T, E]) set(t *T, raw any) error {
	entries, ok := raw.([]any)
	if !ok && raw != nil && raw != text("") {
		return fmt.Errorf("%s is not a list; write entries, each with %s", show(raw), f.options())
	}
	var all []E
	var problems Problems
	for i, entry := range entries {
		e, wrong := f.readEntry(fmt.Sprintf("[%d]", i), entry)
		all = append(all, e)
		problems = append(problems, wrong...)
	}
	*f.at(t) = all
	return problems.orNil()
}

// options names what may stand in an entry.
func (f entriesField[T, E]) options() string { return strings.Join(paths(f.keys), ", ") }

func (f entriesField[T, E]) readEntry(place string, entry any) (e E, problems Problems) {
	setDefaults(&e, f.keys)
	options, ok := entry.(map[string]any)
	if !ok {
		return e, Problems{{place, "", show(entry) + " is not a section; write " + f.options()}}
	}
	known := byPath(f.keys)
	for _, option := range slices.Sorted(maps.Keys(options)) {
		k, ok := known[option]
		if !ok {
			problems = append(problems, Problem{join(place, option), "", "unknown key" + suggest(option, paths(f.keys))})
			continue
		}
		if err := k.set(&e, options[option]); err != nil {
			problems = append(problems, Problem{join(place, option), "", err.Error()})
		}
	}
	return e, problems
}

// secretMap is a section of free names whose values nobody may see.
func secretMap(hint string, wrong func(name, value string) string) codec[map[string]string] {
	return codec[map[string]string]{kind: mapKind, hint: hint, hide: concealed, write: quoteMap, parse: func(raw any) (map[string]string, string) {
		if raw == text("") {
			return nil, ""
		}
		section, ok := raw.(map[string]any)
		if !ok {
			return nil, "is not a section"
		}
		var all map[string]string
		for _, name := range slices.Sorted(maps.Keys(section)) {
			value, ok := section[name].(string)
			if !ok {
				return nil, fmt.Sprintf("has a %q that is not a string", name)
			}
			if w := wrong(name, value); w != "" {
				return nil, w
			}
			if all == nil {
				all = make(map[string]string)
			}
			all[name] = value
		}
		return all, ""
	}}
}

func quoteMap(m map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, quote(name)+": "+quote(m[name]))
	}
	return "{" + strings.Join(all, ", ") + "}"
}

// readJSON returns the value that s is in JSON, which is how a variable holds what has a structure. What is not JSON
// stays text.
func readJSON(s string) (v any) {
	if eachNameOnce([]byte(s)) != nil || json.Unmarshal([]byte(s), &v) != nil {
		return text(s)
	}
	return v
}
