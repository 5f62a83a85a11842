package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// secret is a value that nobody may see: written out, or in a file of its own.
type secret struct {
	Text    string // as written
	File    string // that has it instead
	Content string // of the file when it was last read, without the ends of lines at its end
}

// value returns the secret itself.
func (s *secret) value() string {
	if s.File != "" {
		return s.Content
	}
	return s.Text
}

// isSet reports whether there is one, or will be once its file has been read.
func (s *secret) isSet() bool { return s.Text != "" || s.File != "" }

const secretKind = "secret"

// concealed is what is shown in place of a secret that is written as YAML.
func concealed(yaml string) string {
	if yaml == `""` || yaml == "{}" {
		return yaml
	}
	return `"(set)"`
}

// secretKeys are the two keys of a secret: its own, and one with _file behind it for the file.
func secretKeys[T any](k Key, at func(*T) *secret, hint string, wrong func(string) string) []key[T] {
	file := k
	file.Path += "_file"
	file.Meaning = "file with `" + last(k.Path) + "`, read at start and at each reload"
	text := codec[string]{kind: secretKind, hint: hint, hide: concealed, write: quote, parse: parseSecret(wrong)}
	return []key[T]{
		{k, is(func(t *T) *string { return &at(t).Text }, text)},
		{file, fileField[T]{is(func(t *T) *string { return &at(t).File }, path), at, wrong, last(k.Path), hint}},
	}
}

// parseSecret reads a secret in which wrong finds nothing; an empty one is none.
func parseSecret(wrong func(string) string) func(raw any) (string, string) {
	return func(raw any) (string, string) {
		s, ok := asString(raw)
		switch {
		case !ok:
			return "", "is not a string"
		case s == "":
			return "", ""
		case !utf8.ValidString(s):
			return "", "is not UTF-8"
		}
		return s, wrong(s)
	}
}

// fileField is the field of the file with a secret.
type fileField[T any] struct {
	field[T]
	at    func(*T) *secret
	wrong func(string) string
	twin  string // the key that has the secret itself
	hint  string // what to write there
}

// fetch reads the file. Its errors say nothing of what is in it.
func (f fileField[T]) fetch(t *T) error {
	s := f.at(t)
	s.Content = ""
	switch {
	case s.File == "":
		return nil
	case s.Text != "":
		return fmt.Errorf("stands beside %s; write one of them", f.twin)
	}
	content, err := readSecret(s.File)
	if err != nil {
		return fmt.Errorf("%q: %w; write the path of a file that has it", s.File, err)
	}
	if w := f.wrong(content); w != "" {
		return fmt.Errorf("what %q holds %s; write %s", s.File, w, f.hint)
	}
	s.Content = content
	return nil
}

// same compares what the files hold too: it is why they are read again.
func (f fileField[T]) same(a, b *T) bool {
	return f.field.same(a, b) && f.at(a).Content == f.at(b).Content
}

func (f fileField[T]) copy(to, from *T) {
	f.field.copy(to, from)
	f.at(to).Content = f.at(from).Content
}

// maxSecret is the most bytes that a file with a secret may have.
const maxSecret = 64 << 10

// readSecret returns what is in a file, without the ends of lines at its end. What is no regular file is not opened: a
// pipe may wait for ever, and has nothing to say to the next reload.
func readSecret(name string) (string, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return "", withoutName(err)
	case !info.Mode().IsRegular():
		return "", errors.New("not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return "", withoutName(err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	s := strings.TrimRight(string(content), "\r\n")
	switch {
	case err != nil:
		return "", withoutName(err)
	case len(content) > maxSecret:
		return "", errors.New("larger than 64KiB")
	case s == "":
		return "", errors.New("empty")
	}
	return s, nil
}
