package api

import (
	"regexp/syntax"
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	for _, r := range []struct {
		pattern string
		matches string // by spaces
		misses  string
	}{
		{"", "a chat:1", ""},
		{"a", "a", "b aa A"},
		{"*", "a chat:1 #7", ""},
		{"**", "a chat:1", ""},
		{"chat:*", "chat: chat:1 chat:1:2", "chat xchat:1 chat"},
		{"*:1", "chat:1 :1", "chat:12 1"},
		{"c*t*", "ct cat chat:1", "tc c"},
		{"chat:?", "chat:1 chat:x", "chat: chat:12"},
		{"[abc]1", "a1 b1 c1", "d1 1 ab1"},
		{"[a-c]1", "a1 b1", "d1 -1"},
		{"[!a-c]1", "d1 -1 !1", "a1 b1"},
		{"[a^]", "a ^", "b"},
		{"[^a]", "a ^", "b"},
		{`[\d]`, `\ d`, "1"},
		{"[[:]", "[ :", "a"},
		{"{chat,news}:*", "chat:1 news:", "games:1 chat,news:1"},
		{"a{b{c,d},e}f", "abcf abdf aef", "abf acf"},
		{"{a,}b", "ab b", "a"},
		{"a,b}", "a,b}", "a"},
		{`\*`, "*", "a"},
		{`\{a,b\}`, "{a,b}", "a"},
		{".", ".", "a"},
		{"a+(b)|c$^", "a+(b)|c$^", "aab"},
		{"\xff", "", "a"},
		{"é", "", "e"},
	} {
		match, err := compileGlob(r.pattern)
		if err != nil {
			t.Errorf("compileGlob(%q): %v", r.pattern, err)
			continue
		}
		for _, name := range strings.Fields(r.matches) {
			if !match(name) {
				t.Errorf("%q does not match %q", r.pattern, name)
			}
		}
		for _, name := range strings.Fields(r.misses) {
			if match(name) {
				t.Errorf("%q matches %q", r.pattern, name)
			}
		}
	}
	for _, pattern := range []string{"[", "[]", "[!]", "[a", "[z-a]", "{", "{a", "{a,{b}", `\`, strings.Repeat("a", maxGlob+1)} {
		if _, err := compileGlob(pattern); err != errGlob {
			t.Errorf("compileGlob(%q) = %v; want errGlob", pattern, err)
		}
	}
}

// The worst pattern still answers: a name is looked at once for each place in it.
func TestGlobIsLinear(t *testing.T) {
	match, err := compileGlob(strings.Repeat("*a", 127) + "b")
	if err != nil {
		t.Fatal(err)
	}
	if match(strings.Repeat("a", 255)) {
		t.Error("matched a name that does not end in b")
	}
}

// A text without what means something matches itself, and no pattern makes an expression that Go does not know.
func FuzzGlob(f *testing.F) {
	for _, seed := range []string{"chat:*", "[!a-c]{x,y}?", `\[`, "{{,},}", "[[:alpha:]]", `[\]`, "(?i)a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		match, err := compileGlob(text)
		if err == nil && !strings.ContainsAny(text, `*?[]{}\,`) && isASCII(text) && !match(text) {
			t.Errorf("%q does not match itself", text)
		}
		if err != nil || text == "" {
			return
		}
		tr := translator{}
		for rest := text; rest != ""; {
			rest, _ = tr.next(rest)
		}
		if _, err := syntax.Parse(tr.out.String(), syntax.Perl); err != nil {
			t.Errorf("%q becomes %q: %v", text, tr.out.String(), err)
		}
	})
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool { return c > '~' }) < 0
}
