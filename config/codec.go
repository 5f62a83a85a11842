package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// text is a value out of a variable or a flag, where everything is text. What a file holds has types of its own.
type text string

// codec reads and writes values of type V.
type codec[V any] struct {
	kind  string // as docs and help call it
	hint  string // what to write instead of something wrong
	parse func(raw any) (v V, wrong string)
	write func(V) string           // as YAML has it
	hide  func(yaml string) string // what is shown of a value that not everybody may see, nil for others
}

// read returns the value that raw stands for, or what is wrong with it and what to write.
func (c codec[V]) read(raw any) (v V, err error) {
	if raw == nil {
		return v, fmt.Errorf("has no value; write %s, or leave the key out", c.hint)
	}
	v, wrong := c.parse(raw)
	switch {
	case wrong == "":
		return v, nil
	case c.hide != nil:
		return v, fmt.Errorf("%s; write %s", wrong, c.hint)
	}
	return v, fmt.Errorf("%s %s; write %s", show(raw), wrong, c.hint)
}

// show returns raw as a complaint quotes it.
func show(raw any) string {
	switch raw := raw.(type) {
	case text, string:
		return fmt.Sprintf("%q", raw)
	case []any:
		return "a list"
	case map[string]any:
		return "a section"
	}
	return fmt.Sprint(raw)
}

// boolean is true or false.
var boolean = codec[bool]{
	kind: "bool",
	hint: "true or false",
	parse: func(raw any) (bool, string) {
		switch raw {
		case true, text("true"):
			return true, ""
		case false, text("false"):
			return false, ""
		}
		return false, "is not a bool"
	},
	write: strconv.FormatBool,
}

// integer is a whole number from least to most.
func integer(least, most int, hint string) codec[int] {
	return codec[int]{kind: "integer", hint: hint, write: strconv.Itoa, parse: func(raw any) (int, string) {
		n, ok := asInteger(raw)
		switch {
		case !ok:
			return 0, "is not a whole number"
		case n < int64(least) || n > int64(most):
			return 0, "is out of range"
		}
		return int(n), ""
	}}
}

// asInteger returns the whole number that raw is.
func asInteger(raw any) (int64, bool) {
	switch raw := raw.(type) {
	case int:
		return int64(raw), true
	case int64:
		return raw, true
	case float64: // JSON has no other number
		return int64(raw), raw == math.Trunc(raw) && math.Abs(raw) < 1<<53
	case text:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// size is a number of bytes from least to most, bare or with a unit.
func size[V int | int64](least, most V, hint string) codec[V] {
	return codec[V]{
		kind:  "size",
		hint:  hint,
		write: func(n V) string { return formatSize(int64(n)) },
		parse: func(raw any) (V, string) {
			n, ok := asInteger(raw)
			if s, is := asString(raw); is {
				n, ok = parseSize(s)
			}
			switch {
			case !ok:
				return 0, "is not a size"
			case n < int64(least) || n > int64(most):
				return 0, "is out of range"
			}
			return V(n), ""
		},
	}
}

// forever is longer than any node lives, and added to the time of day it is still one.
const forever = 100 * 365 * day

// duration is a time from least to most that is a multiple of unit.
func duration(least, most, unit time.Duration, hint string) codec[time.Duration] {
	return codec[time.Duration]{kind: "duration", hint: hint, write: formatDuration, parse: func(raw any) (time.Duration, string) {
		d, ok := asDuration(raw)
		switch {
		case !ok:
			return 0, "is not a duration"
		case d < least || d > most:
			return 0, "is out of range"
		case d%unit != 0:
			return 0, "is not a multiple of " + formatDuration(unit)
		}
		return d, ""
	}}
}

// asDuration returns the time that raw is. Of bare numbers only 0 is one.
func asDuration(raw any) (time.Duration, bool) {
	if s, ok := asString(raw); ok {
		d, err := time.ParseDuration(s)
		return d, err == nil
	}
	n, ok := asInteger(raw)
	return 0, ok && n == 0
}

// formatDuration writes d without units that count nothing: 24h, where String has 24h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// choice is one of words.
func choice(words ...string) codec[string] {
	return codec[string]{kind: "string", hint: alternatives(words), write: quote, parse: func(raw any) (string, string) {
		s, ok := asString(raw)
		if !ok || !slices.Contains(words, s) {
			return "", "is not one of the choices"
		}
		return s, ""
	}}
}

// alternatives returns `a, b or c`.
func alternatives(words []string) string {
	shown := make([]string, len(words))
	for i, w := range words {
		if shown[i] = w; w == "" {
			shown[i] = `""`
		}
	}
	last := len(shown) - 1
	return strings.Join(shown[:last], ", ") + " or " + shown[last]
}

// words is a string in which wrong finds nothing.
func words(hint string, wrong func(string) string) codec[string] {
	return codec[string]{kind: "string", hint: hint, write: quote, parse: func(raw any) (string, string) {
		s, ok := asString(raw)
		switch {
		case !ok:
			return "", "is not a string"
		case !utf8.ValidString(s):
			return "", "is not UTF-8"
		}
		return s, wrong(s)
	}}
}

// anything finds nothing wrong in a string.
func anything(string) string { return "" }

// asString returns the string that raw is.
func asString(raw any) (string, bool) {
	switch raw := raw.(type) {
	case string:
		return raw, true
	case text:
		return string(raw), true
	}
	return "", false
}

// list is one or more strings in which wrong finds nothing. A single one need not be a list; in text, commas or
// spaces stand between them.
func list(hint string, wrong func(string) string) codec[[]string] {
	c := listOrNone(hint, wrong)
	orNone := c.parse
	c.parse = func(raw any) ([]string, string) {
		all, wrong := orNone(raw)
		if len(all) == 0 && wrong == "" {
			wrong = "is empty"
		}
		return all, wrong
	}
	return c
}

// listOrNone is a list that may be empty.
func listOrNone(hint string, wrong func(string) string) codec[[]string] {
	return codec[[]string]{kind: "list", hint: hint, write: quoteList, parse: func(raw any) ([]string, string) {
		all, ok := asList(raw)
		switch {
		case !ok:
			return nil, "is not a list of strings"
		case len(all) == 0:
			return nil, ""
		}
		for _, s := range all {
			if w := wrong(s); w != "" {
				return nil, fmt.Sprintf("has %q, which %s", s, w)
			}
		}
		return all, ""
	}}
}

// asList returns the strings that raw is a list of.
func asList(raw any) ([]string, bool) {
	switch raw := raw.(type) {
	case string:
		return []string{raw}, true
	case text:
		return strings.FieldsFunc(string(raw), func(r rune) bool { return r == ',' || r == ' ' }), true
	case []any:
		all := make([]string, len(raw))
		for i, item := range raw {
			s, ok := item.(string)
			if !ok {
				return nil, false
			}
			all[i] = s
		}
		return all, true
	}
	return nil, false
}

// quote writes s as YAML: bare where no reader could take it for anything but a string.
func quote(s string) string {
	bare := s != "" && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
	if bare && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, s) {
		return s
	}
	return strconv.Quote(s)
}

func quoteList(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
