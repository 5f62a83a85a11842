package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

// examples are a shell's block and the JSON that follows it.
var examples = regexp.MustCompile("(?s)```sh\n(.*?)```\n\n```json\n(.*?)```\n")

// Every example of docs/api.md is answered as it says there, and every method has one. Those without a key are for a node in
// development mode.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	d, open := newDesk(nil), newDesk(func(o *Options) { o.Key, o.Insecure = "", true })
	shown := make(map[string]bool)
	found := examples.FindAllSubmatch(page, -1)
	for _, example := range found {
		r, err := parseCurl(string(example[1]))
		if err != nil {
			t.Errorf("%s: %v", example[1], err)
			continue
		}
		shown[strings.TrimPrefix(r.URL.Path, Prefix+"/")] = true
		w := httptest.NewRecorder()
		if shownKey(r) == "" {
			open.ServeHTTP(w, r)
		} else {
			d.ServeHTTP(w, r)
		}
		var got, want bytes.Buffer
		if err := errors.Join(json.Compact(&got, w.Body.Bytes()), json.Compact(&want, example[2])); err != nil {
			t.Errorf("%s\n%s: %v", example[1], w.Body, err)
		}
		if got.String() != want.String() {
			t.Errorf("%sis answered with\n%s\nwant\n%s", example[1], &got, &want)
		}
	}
	for _, m := range append(methods, &method{name: batchName}) {
		if !shown[m.name] {
			t.Errorf("docs/api.md has no example of %s", m.name)
		}
	}
	if blocks := bytes.Count(page, []byte("```sh\n")); blocks != len(found) {
		t.Errorf("%d of %d examples state their answer", len(found), blocks)
	}
}

// parseCurl returns the request that a curl command sends, with our key for the shell's variable.
func parseCurl(command string) (*http.Request, error) {
	words, err := shellWords(strings.TrimSuffix(command, "\n"))
	if err != nil {
		return nil, err
	}
	if len(words) == 0 || words[0] != "curl" {
		return nil, errors.New("no curl command")
	}
	r := &http.Request{Method: http.MethodGet, Header: make(http.Header)}
	for i := 1; i < len(words); i++ {
		switch word := words[i]; {
		case word == "-sS":
		case word == "-H" && i+1 < len(words):
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			r.Header.Set(name, value)
		case word == "-d" && i+1 < len(words):
			i++
			r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader(words[i]))
		case strings.HasPrefix(word, "http://127.0.0.1:9000/"):
			if r.URL, err = url.Parse(word); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("curl does not know %q here", word)
		}
	}
	if r.URL == nil {
		return nil, errors.New("no address of a node")
	}
	return r, nil
}

// shellWords splits a command as a shell does that knows quotes, $EDGE_API_KEY and lines that go on.
func shellWords(command string) (words []string, err error) {
	for rest := strings.TrimLeft(command, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		quote := rest[:1]
		switch quote {
		case "\\":
			if !strings.HasPrefix(rest, "\\\n") {
				return nil, errors.New("a backslash in the middle of a line")
			}
			rest = rest[2:]
			continue
		case "'", `"`:
			word, after, ok := strings.Cut(rest[1:], quote)
			if !ok {
				return nil, errors.New("a quote that stays open")
			}
			if quote == `"` {
				word = strings.ReplaceAll(word, "$EDGE_API_KEY", key)
			}
			words, rest = append(words, word), after
		default:
			word, after, _ := strings.Cut(rest, " ")
			words, rest = append(words, word), after
		}
	}
	return words, nil
}
