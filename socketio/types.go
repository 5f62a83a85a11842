package socketio

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// What an encoder knows of types is found out once for each.

var (
	timeType     = reflect.TypeFor[time.Time]()
	argType      = reflect.TypeFor[Arg]()
	marshaler    = reflect.TypeFor[json.Marshaler]()
	textMarshals = reflect.TypeFor[encoding.TextMarshaler]()

	specials sync.Map // reflect.Type → bool
	structs  sync.Map // reflect.Type → []field
)

// special reports whether a value of type t may have something in it that encoding/json would write differently.
func special(t reflect.Type) bool {
	known, ok := specials.Load(t)
	if !ok {
		known = holdsSpecial(t, make(map[reflect.Type]bool))
		specials.Store(t, known)
	}
	return known.(bool)
}

// holdsSpecial looks into t. Types in seen are being looked into already.
func holdsSpecial(t reflect.Type, seen map[reflect.Type]bool) bool {
	switch {
	case t == timeType || t == argType || t.Kind() == reflect.Interface && !marshals(t):
		return true
	case seen[t] || marshals(t) || marshals(reflect.PointerTo(t)):
		return false
	case isBinary(t):
		return true
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsSpecial(t.Elem(), seen)
	case reflect.Struct:
		for _, f := range fieldsOf(t) {
			if holdsSpecial(t.FieldByIndex(f.index).Type, seen) {
				return true
			}
		}
	}
	return false
}

// marshals reports whether values of type t write themselves.
func marshals(t reflect.Type) bool {
	if t == timeType || t == reflect.PointerTo(timeType) || t == argType || t == reflect.PointerTo(argType) {
		return false
	}
	return t.Implements(marshaler) || t.Implements(textMarshals)
}

// isBinary reports whether t is a slice of bytes that encoding/json would write as base64.
func isBinary(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !marshals(t) &&
		!marshals(t.Elem()) && !marshals(reflect.PointerTo(t.Elem()))
}

// A field is a member of the object that a struct becomes.
type field struct {
	name                        string
	index                       []int
	tagged                      bool
	omitEmpty, omitZero, quoted bool
}

// fieldsOf returns the members of struct type t, by the rules of encoding/json.
func fieldsOf(t reflect.Type) []field {
	if known, ok := structs.Load(t); ok {
		return known.([]field)
	}
	all := dominant(collect(nil, t, nil, map[reflect.Type]bool{}))
	structs.Store(t, all)
	return all
}

// collect appends the fields of t and of what it embeds, of which inside says what t is embedded in. index is where t is.
func collect(all []field, t reflect.Type, index []int, inside map[reflect.Type]bool) []field {
	if inside[t] {
		return all
	}
	inside[t] = true
	defer delete(inside, t)
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		at := append(slices.Clone(index), i)
		embedded := embeddedStruct(f)
		switch {
		case tag == "-" || !f.IsExported() && embedded == nil:
		case embedded != nil && name == "":
			all = collect(all, embedded, at, inside)
		case f.IsExported():
			all = append(all, newField(f, at, name, options))
		}
	}
	return all
}

// embeddedStruct returns the struct type that f embeds, or nil.
func embeddedStruct(f reflect.StructField) reflect.Type {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !f.Anonymous || t.Kind() != reflect.Struct {
		return nil
	}
	return t
}

// newField returns f, whose tag has name and options.
func newField(f reflect.StructField, index []int, name, options string) field {
	m := field{name: name, index: index, tagged: name != ""}
	if !m.tagged {
		m.name = f.Name
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty":
			m.omitEmpty = true
		case "omitzero":
			m.omitZero = true
		case "string":
			m.quoted = quotable(f.Type)
		}
	}
	return m
}

// quotable reports whether the tag's option string means something for t.
func quotable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64:
		return true
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Uintptr
}

// dominant leaves one field of each name: the least embedded, of several such the tagged one, and none if that does
// not decide.
func dominant(all []field) []field {
	var kept []field
	for i, f := range all {
		best := true
		for j, g := range all {
			if i == j || f.name != g.name {
				continue
			}
			if len(g.index) < len(f.index) || len(g.index) == len(f.index) && (g.tagged || !f.tagged) {
				best = false
			}
		}
		if best {
			kept = append(kept, f)
		}
	}
	return kept
}
