package auth

import (
	"bytes"
	"encoding/json"
	"slices"
)

// A cursor goes over the members of a JSON object or the elements of an array without copying. The text must have
// passed json.Valid: a cursor checks nothing.
type cursor struct {
	rest  []byte
	name  []byte // of the member, with its quotes and escapes
	value []byte // of the member or element
}

// enter returns a cursor before the first member (open is '{') or element ('[') of text; false if text is another value.
func enter(text []byte, open byte) (cursor, bool) {
	text = skipSpace(text)
	if len(text) == 0 || text[0] != open {
		return cursor{}, false
	}
	return cursor{rest: skipSpace(text[1:])}, true
}

// member steps to the next member; false at the end.
func (c *cursor) member() bool {
	if !c.element() {
		return false
	}
	c.name = c.value
	c.rest = c.rest[1:] // the colon
	c.value = c.take()
	return true
}

// element steps to the next element; false at the end.
func (c *cursor) element() bool {
	if c.rest[0] == ',' {
		c.rest = c.rest[1:]
	}
	if c.rest[0] == '}' || c.rest[0] == ']' {
		return false
	}
	c.value = c.take()
	return true
}

// take takes a value and the space around it off the front.
func (c *cursor) take() []byte {
	b := skipSpace(c.rest)
	n := valueSize(b)
	c.rest = skipSpace(b[n:])
	return b[:n]
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// valueSize returns the size of the JSON value at the front of b, which goes on at least to the end of what it is in.
func valueSize(b []byte) int {
	switch b[0] {
	case '"':
		return stringSize(b)
	case '{', '[':
		return nestSize(b)
	}
	return bytes.IndexAny(b, ",]} \t\r\n")
}

func stringSize(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

func nestSize(b []byte) int {
	for i, depth := 0, 0; ; i++ {
		switch b[i] {
		case '"':
			i += stringSize(b[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// unquote returns the string that value is; false if it is another kind of value.
func unquote(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err == nil
}

// collect puts the values of the members of text that are among names into values, at the same index; null counts as
// absent. Other names are skipped. It fails with notObject if text is no object, and if one of names comes twice: of
// two readers, one might take the first and one the last. There are at most 32 names.
func collect(text []byte, names []string, values [][]byte, notObject error) error {
	c, ok := enter(text, '{')
	if !ok {
		return notObject
	}
	for seen := uint32(0); c.member(); {
		i := indexName(names, c.name)
		if i < 0 {
			continue
		}
		if seen&(1<<i) != 0 {
			return errTwice
		}
		seen |= 1 << i
		if string(c.value) != "null" {
			values[i] = c.value
		}
	}
	return nil
}

// indexName returns the place in names of a member's quoted name, -1 if it is not there.
func indexName(names []string, quoted []byte) int {
	if bytes.IndexByte(quoted, '\\') < 0 {
		inner := quoted[1 : len(quoted)-1]
		return slices.IndexFunc(names, func(name string) bool { return name == string(inner) })
	}
	name, _ := unquote(quoted)
	return slices.Index(names, name)
}
