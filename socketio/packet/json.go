package packet

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

// value is what is to be known of a payload.
type value struct {
	kind  byte   // its first byte, '0' for any number
	first byte   // the same of its first element, if it is an array with any
	name  []byte // the first element as it stands between its quotes, if it is a string
}

// scanner proves bytes to be JSON (RFC 8259) and their placeholders to be those of attachments.
type scanner struct {
	b           []byte
	at          int
	attachments int
	err         error
}

// scan proves b to be one JSON value of at most so many levels, whose placeholders, if there are attachments, each name one
// of them. Without attachments a placeholder is an object like any other.
func scan(b []byte, depth, attachments int) (v value, err error) {
	s := scanner{b: b, attachments: attachments}
	s.space()
	v.kind = kindOf(s.peek())
	if v.kind == '[' {
		inner := scanner{b: b, at: s.at + 1}
		inner.space()
		if v.first = kindOf(inner.peek()); v.first == '"' {
			from := inner.at + 1
			if inner.text() {
				v.name = b[from : inner.at-1]
			}
		}
	}
	if !s.value(depth) {
		return v, s.failure()
	}
	s.space()
	if s.at != len(b) {
		return v, ErrPayload
	}
	return v, nil
}

func kindOf(c byte) byte {
	if c == '-' || isDigit(c) {
		return '0'
	}
	return c
}

func (s *scanner) failure() error {
	if s.err != nil {
		return s.err
	}
	return ErrPayload
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.b) {
		return s.b[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// value steps over one value and reports whether it is one.
func (s *scanner) value(depth int) bool {
	switch c := s.peek(); c {
	case '"':
		return s.text()
	case '[':
		return depth > 0 && s.array(depth-1)
	case '{':
		return depth > 0 && s.object(depth-1)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) word(w string) bool {
	if !bytes.HasPrefix(s.b[s.at:], []byte(w)) {
		return false
	}
	s.at += len(w)
	return true
}

func (s *scanner) array(depth int) bool {
	for first := true; ; first = false {
		if more, ok := s.next(']', first); !more {
			return ok
		}
		if !s.value(depth) {
			return false
		}
	}
}

// next steps to the next element of an array or object, over its opening bracket if it is the first one. more is false at its
// end, and when it is malformed: ok tells.
func (s *scanner) next(end byte, first bool) (more, ok bool) {
	if first {
		s.at++
	}
	s.space()
	switch c := s.peek(); {
	case c == end:
		s.at++
		return false, true
	case first:
		return true, true
	case c != ',':
		return false, false
	}
	s.at++
	s.space()
	return true, true
}

// object steps over an object. With attachments, one that says that it is a placeholder is to be one.
func (s *scanner) object(depth int) bool {
	start, marked := s.at, false
	for first := true; ; first = false {
		more, ok := s.next('}', first)
		if !more {
			return ok && (!marked || s.refers(s.b[start:s.at]))
		}
		from := s.at
		if !s.text() {
			return false
		}
		key := s.b[from+1 : s.at-1]
		s.space()
		if s.peek() != ':' {
			return false
		}
		s.at++
		s.space()
		from = s.at
		if !s.value(depth) {
			return false
		}
		if s.attachments > 0 && is(key, placeholder) {
			marked = marked || string(s.b[from:s.at]) == "true"
		}
	}
}

const placeholder = "_placeholder"

// refers reports whether object is the placeholder of an attachment.
func (s *scanner) refers(object []byte) bool {
	if num, _, ok := Placeholder(object); !ok || num >= s.attachments {
		s.err = ErrPlaceholder
		return false
	}
	return true
}

// CheckPlaceholders returns ErrPlaceholder for a JSON value with an object that its receivers would take for the placeholder of an
// attachment, though it is that of none of n: they would end their connection.
func CheckPlaceholders(b []byte, n int) error {
	_, err := scan(b, maxJSONDepth, n)
	return err
}

// maxJSONDepth is how deep encoding/json goes.
const maxJSONDepth = 10_000

// Placeholder reads an object {"_placeholder":true,"num":i} at the front of b and returns i and the object's size. It is as all
// encoders write it, but for spaces and the order of its members: who reads it otherwise would not know others for one. ok is
// false if something else is there.
func Placeholder(b []byte) (num, size int, ok bool) {
	s := scanner{b: b}
	if s.peek() != '{' {
		return 0, 0, false
	}
	marked, numbered := false, false
	for members := 0; ; members++ {
		more, ok := s.next('}', members == 0)
		if !more {
			return num, s.at, ok && marked && numbered && members == 2
		}
		from := s.at
		if !s.text() {
			return 0, 0, false
		}
		key := b[from+1 : s.at-1]
		s.space()
		if s.peek() != ':' {
			return 0, 0, false
		}
		s.at++
		s.space()
		switch string(key) {
		case placeholder:
			marked = s.word("true")
		case "num":
			n, digits, ok := number(b[s.at:])
			num, numbered = int(n), ok && n <= math.MaxInt32
			s.at += digits
		default:
			return 0, 0, false
		}
	}
}

// is reports whether text, as it stands between quotes, is name, which is of ASCII letters.
func is(text []byte, name string) bool {
	for i := range len(name) {
		c, size := letter(text)
		if size == 0 || c != name[i] {
			return false
		}
		text = text[size:]
	}
	return len(text) == 0
}

// letter returns the letter at the front of text and the size in which it stands there, 0 if none does.
func letter(text []byte) (c byte, size int) {
	switch {
	case len(text) > 0 && text[0] != '\\':
		return text[0], 1
	case len(text) < len(`\u0000`) || string(text[:4]) != `\u00`:
		return 0, 0
	}
	n, err := strconv.ParseUint(string(text[4:6]), 16, 8)
	if err != nil {
		return 0, 0
	}
	return byte(n), len(`\u0000`)
}

// unquote returns what text, which stands between quotes, means.
func unquote(text []byte) (name string) {
	quoted := append(append([]byte{'"'}, text...), '"')
	if json.Unmarshal(quoted, &name) != nil {
		return ""
	}
	return name
}

// text steps over a string.
func (s *scanner) text() bool {
	if s.peek() != '"' {
		return false
	}
	for s.at++; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; {
		case c == '"':
			s.at++
			return true
		case c < ' ':
			return false
		case c == '\\' && !s.escape():
			return false
		}
	}
	return false
}

// escape steps to the last byte of an escape.
func (s *scanner) escape() bool {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			s.at++
			if !isHex(s.peek()) {
				return false
			}
		}
		return true
	}
	return false
}

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.at++
	}
	switch c := s.peek(); {
	case c == '0':
		s.at++
	case !s.digits():
		return false
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return false
		}
	}
	if s.peek()|0x20 == 'e' {
		s.at++
		if s.peek() == '+' || s.peek() == '-' {
			s.at++
		}
		return s.digits()
	}
	return true
}

// digits steps over one or more.
func (s *scanner) digits() bool {
	from := s.at
	for isDigit(s.peek()) {
		s.at++
	}
	return s.at > from
}

// reserved are the names of events that mean something to the libraries themselves.
var reserved = [...]string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}

// Reserved reports whether an event must not have this name, which is given as JSON has it between its quotes. No peer may
// send one, and neither may we.
func Reserved(name []byte) bool {
	for _, r := range reserved {
		if is(name, r) {
			return true
		}
	}
	return false
}

// Elements takes a JSON array apart: its first element as it stands, all others as they stand between the commas, and how many it
// has. The error is ErrPayload.
func Elements(array []byte) (first, others []byte, n int, err error) {
	s := scanner{b: array}
	s.space()
	if s.peek() != '[' {
		return nil, nil, 0, ErrPayload
	}
	from := 0
	for ; ; n++ {
		more, ok := s.next(']', n == 0)
		if !more {
			if s.space(); !ok || s.at != len(array) {
				return nil, nil, 0, ErrPayload
			}
			break
		}
		if n == 1 {
			from = s.at
		}
		at := s.at
		if !s.value(maxPackDepth) {
			return nil, nil, 0, ErrPayload
		}
		if n == 0 {
			first = array[at:s.at]
		}
	}
	if n > 1 {
		others = bytes.TrimRight(array[from:], " \t\r\n")
		others = others[:len(others)-1]
	}
	return first, others, n, nil
}

// Text returns what a JSON value means as a name: a string is itself, anything else as it is written.
func Text(value []byte) string {
	if len(value) > 1 && value[0] == '"' {
		return unquote(value[1 : len(value)-1])
	}
	return string(value)
}

// AppendPlaceholder appends what stands in a payload for attachment i.
func AppendPlaceholder(dst []byte, i int) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	return append(strconv.AppendInt(dst, int64(i), 10), '}')
}

// AppendString appends text as a JSON string. What is not UTF-8 in it is replaced, as JavaScript's decoder does.
func AppendString(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for len(text) > 0 {
		c := text[0]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRune(text)
			dst = utf8.AppendRune(dst, r)
			text = text[n:]
			continue
		}
		text = text[1:]
	}
	return append(dst, '"')
}
