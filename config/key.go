package config

import "strings"

// Key is what there is to know of one key.
type Key struct {
	Path    string `json:"path"`           // client.ping_interval; for the options of rooms, from room.without_namespace on
	Kind    string `json:"type"`           // bool, integer, size, duration, time, string, secret, list, entries or map
	Default string `json:"default"`        // as text
	Live    bool   `json:"reload"`         // a reload changes it
	Flag    string `json:"flag,omitempty"` // of edge serve, without dashes; empty if it has none
	Meaning string `json:"meaning"`
}

// Variable returns the name of k's variable in the environment.
func (k Key) Variable() string { return variable(k.Path) }

// Keys returns all keys, in the order of the reference.
func Keys() []Key {
	all := make([]Key, len(keys))
	for i, k := range keys {
		all[i] = k.Key
		all[i].Kind = k.kind()
	}
	return all
}

// key is a row of a table: a key of T.
type key[T any] struct {
	Key
	field[T]
}

// field is where in a T the value of a key is, and how it is read and written.
type field[T any] interface {
	set(t *T, raw any) error
	fetch(t *T) error  // reads what the value names; to be called when all sources have been taken
	text(t *T) string  // as YAML; it reads as the same value
	shown(t *T) string // the same as anybody may see it: not what is secret
	same(a, b *T) bool
	copy(to, from *T)
	kind() string
}

// fieldOf is a field of type V.
type fieldOf[T, V any] struct {
	at func(*T) *V
	codec[V]
}

// is makes a field.
func is[T, V any](at func(*T) *V, c codec[V]) field[T] { return fieldOf[T, V]{at, c} }

func (f fieldOf[T, V]) set(t *T, raw any) error {
	v, err := f.read(raw)
	if err == nil {
		*f.at(t) = v
	}
	return err
}

func (f fieldOf[T, V]) fetch(*T) error    { return nil }
func (f fieldOf[T, V]) text(t *T) string  { return f.write(*f.at(t)) }
func (f fieldOf[T, V]) same(a, b *T) bool { return f.text(a) == f.text(b) }
func (f fieldOf[T, V]) copy(to, from *T)  { *f.at(to) = *f.at(from) }
func (f fieldOf[T, V]) kind() string      { return f.codec.kind }

func (f fieldOf[T, V]) shown(t *T) string {
	if f.hide != nil {
		return f.hide(f.text(t))
	}
	return f.text(t)
}

// inner is a field of a part U of T.
type inner[T, U any] struct {
	at func(*T) *U
	field[U]
}

func (f inner[T, U]) set(t *T, raw any) error { return f.field.set(f.at(t), raw) }
func (f inner[T, U]) fetch(t *T) error        { return f.field.fetch(f.at(t)) }
func (f inner[T, U]) text(t *T) string        { return f.field.text(f.at(t)) }
func (f inner[T, U]) shown(t *T) string       { return f.field.shown(f.at(t)) }
func (f inner[T, U]) same(a, b *T) bool       { return f.field.same(f.at(a), f.at(b)) }
func (f inner[T, U]) copy(to, from *T)        { f.field.copy(f.at(to), f.at(from)) }

// under returns the keys of a part of T, which stand in a section of their own.
func under[T, U any](section string, at func(*T) *U, part []key[U]) []key[T] {
	all := make([]key[T], len(part))
	for i, k := range part {
		all[i] = key[T]{k.Key, inner[T, U]{at, k.field}}
		all[i].Path = section + "." + k.Path
	}
	return all
}

// paths returns the paths of some keys.
func paths[T any](all []key[T]) []string {
	names := make([]string, len(all))
	for i, k := range all {
		names[i] = k.Path
	}
	return names
}

// byPath returns all by their paths.
func byPath[T any](all []key[T]) map[string]key[T] {
	m := make(map[string]key[T], len(all))
	for _, k := range all {
		m[k.Path] = k
	}
	return m
}

// setDefaults gives each key of t its default.
func setDefaults[T any](t *T, all []key[T]) {
	for _, k := range all {
		if err := k.set(t, text(k.Default)); err != nil {
			panic("config: default of " + k.Path + ": " + err.Error())
		}
	}
}

// last returns the part of a path behind its last dot.
func last(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
