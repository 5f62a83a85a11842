package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	kjson "github.com/knadh/koanf/parsers/json"
	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

// separator stands between the parts of a path.
const separator = "."

// readFile returns the tree of keys in a file, whose name says how it is written.
func readFile(name string) (map[string]any, error) {
	parser, check := format(name)
	if parser == nil {
		return nil, errors.New("its format is not known; write a name that ends in .yaml, .yml, .json or .toml")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, withoutName(err)
	}
	if err := check(data); err != nil {
		return nil, err
	}
	k := koanf.New(separator)
	if err := k.Load(rawbytes.Provider(data), parser); err != nil {
		return nil, fmt.Errorf("%s%w", place(data, err), oneLine(err))
	}
	return k.Raw(), nil
}

// format returns what reads a file of this name, nil if nothing does, and what it does not notice by itself.
func format(name string) (koanf.Parser, func([]byte) error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
		return yaml.Parser(), oneDocument
	case ".json":
		return kjson.Parser(), eachNameOnce
	case ".toml":
		return toml.Parser(), func([]byte) error { return nil }
	}
	return nil, nil
}

// withoutName returns what is wrong with a file, whose name is said already.
func withoutName(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// place returns where in data a parser has met err, if err does not say that by itself: of JSON and TOML.
func place(data []byte, err error) string {
	var inTOML interface{ Position() (row, column int) }
	if errors.As(err, &inTOML) {
		row, _ := inTOML.Position()
		return fmt.Sprintf("line %d: ", row)
	}
	if inJSON := (*json.SyntaxError)(nil); errors.As(err, &inJSON) {
		before := data[:min(int(inJSON.Offset), len(data))]
		return fmt.Sprintf("line %d: ", 1+bytes.Count(before, []byte("\n")))
	}
	return ""
}

// oneLine joins the lines that a parser needs for what it has to say, without the odd bytes that it quotes.
func oneLine(err error) error {
	line := strings.Join(strings.Fields(err.Error()), " ")
	return errors.New(strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, line))
}

// oneDocument complains of a YAML file with several documents, of which only the first would be read.
func oneDocument(data []byte) error {
	var content, ended bool
	for i, line := range bytes.Split(data, []byte("\n")) {
		marker := bytes.HasPrefix(line, []byte("---")) || bytes.HasPrefix(line, []byte("..."))
		blank := len(bytes.TrimSpace(line)) == 0 || line[0] == '#' || line[0] == '%'
		switch {
		case marker:
			ended = content
		case blank:
		case ended:
			return fmt.Errorf("line %d begins a second document; write one", i+1)
		default:
			content = true
		}
	}
	return nil
}

// eachNameOnce complains of a name that a JSON object has twice: only the last would be read. What is not JSON
// it leaves to the parser.
func eachNameOnce(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if name, err := repeated(d); err == nil && name != "" {
		return fmt.Errorf("%q stands twice in one object, the second time before byte %d; write it once", name, d.InputOffset())
	}
	return nil
}

// repeated reads a value up to the first name that an object in it repeats, and returns that. An error is for the
// parser to complain of.
func repeated(d *json.Decoder) (string, error) {
	open, err := d.Token()
	if err != nil || open != json.Delim('{') && open != json.Delim('[') {
		return "", err
	}
	seen := make(map[json.Token]bool)
	for d.More() {
		if open == json.Delim('{') {
			name, err := d.Token()
			if err != nil || seen[name] {
				return fmt.Sprint(name), err
			}
			seen[name] = true
		}
		if name, err := repeated(d); err != nil || name != "" {
			return name, err
		}
	}
	_, err = d.Token() // the end of it
	return "", err
}
