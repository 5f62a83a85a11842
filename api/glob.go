package api

import (
	"errors"
	"regexp"
	"strings"
)

// maxGlob bounds a pattern, in bytes.
const maxGlob = 1024

// errGlob says that a pattern is none.
var errGlob = errors.New("api: malformed pattern")

// compileGlob returns what matches names against a pattern, in a time that is linear in the name whatever the pattern.
//
//   - any text, also none      [abc] [a-z] [!a-z]   one character, of these or not of these
//     ?        any one character        {chat,news:*}        one of these patterns
//     \        the next character as it is
//
// The empty pattern matches all names.
func compileGlob(pattern string) (func(string) bool, error) {
	if pattern == "" {
		return func(string) bool { return true }, nil
	}
	if len(pattern) > maxGlob {
		return nil, errGlob
	}
	t := translator{}
	for rest, ok := pattern, true; rest != ""; {
		if rest, ok = t.next(rest); !ok {
			return nil, errGlob
		}
	}
	compiled, err := regexp.Compile(`^(?s:` + t.out.String() + `)$`)
	if err != nil || t.braces > 0 {
		return nil, errGlob
	}
	return compiled.MatchString, nil
}

// translator makes a regular expression of a pattern.
type translator struct {
	out    strings.Builder
	braces int // that are open
}

// next translates what text begins with and returns the rest. It is not ok if that means nothing.
func (t *translator) next(text string) (rest string, ok bool) {
	c, rest := text[0], text[1:]
	switch {
	case c == '*':
		t.out.WriteString(".*")
	case c == '?':
		t.out.WriteString(".")
	case c == '{':
		t.braces++
		t.out.WriteString("(?:")
	case c == '}' && t.braces > 0:
		t.braces--
		t.out.WriteString(")")
	case c == ',' && t.braces > 0:
		t.out.WriteString("|")
	case c == '[':
		return t.class(rest)
	case c == '\\' && rest == "":
		return "", false
	case c == '\\':
		t.literal(rest[0])
		return rest[1:], true
	default:
		t.literal(c)
	}
	return rest, true
}

// literal adds a character. Names are ASCII: what is not stays a character that is in none.
func (t *translator) literal(c byte) { t.out.WriteString(regexp.QuoteMeta(string(rune(c)))) }

// plain takes from the characters of a class what they would mean in a regular expression's.
var plain = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`)

// class translates what follows an opening bracket, up to the closing one.
func (t *translator) class(text string) (rest string, ok bool) {
	inside, rest, ok := strings.Cut(text, "]")
	inside, negated := strings.CutPrefix(inside, "!")
	if !ok || inside == "" {
		return "", false
	}
	t.out.WriteByte('[')
	if negated {
		t.out.WriteByte('^')
	}
	t.out.WriteString(plain.Replace(inside) + "]")
	return rest, true
}
