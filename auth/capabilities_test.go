package auth

import (
	"errors"
	"strings"
	"testing"
)

func TestCapabilitiesAllow(t *testing.T) {
	c, err := ParseCapabilities(`[
		{"channels": ["news", "a*", "#7"], "allow": ["sub", "hst"]},
		{"channels": ["news", "chat:x"], "allow": ["pub"], "match": "exact"},
		{"channels": ["chat:*", "doc:*:edits", "*:all", "job-*", "$p:*", "own:#*", "own:#1,*"], "allow": ["sub", "prs"], "match": "wildcard"}
	]`)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		channel string
		want    Rights
	}{
		{"news", MaySubscribe | MayReadHistory | MayPublish},
		{"News", 0},
		{"", 0},
		{"a*", MaySubscribe | MayReadHistory},
		{"ab", 0},
		{"#7", MaySubscribe | MayReadHistory},
		{"chat:x", MayPublish | MaySubscribe | MaySeePresence},
		{"chat:x:y", MaySubscribe | MaySeePresence},
		{"chat:", 0},
		{"chat", 0},
		{"chat2:x", 0},
		{"chat:#7", 0},
		{"chat:x#7", 0},
		{"$chat:x", 0},
		{"doc:1:edits", MaySubscribe | MaySeePresence},
		{"doc:1:2:edits", 0},
		{"doc::edits", 0},
		{"doc:#1:edits", 0},
		{"doc:1:edits:2", 0},
		{"doc:1", 0},
		{"any:all", MaySubscribe | MaySeePresence},
		{"$any:all", 0},
		{":all", 0},
		{"job-1", MaySubscribe | MaySeePresence},
		{"job-", 0},
		{"$p:1", MaySubscribe | MaySeePresence},
		{"p:1", 0},
		{"own:#7", MaySubscribe | MaySeePresence},
		{"own:#1,#2", 0},
	} {
		for right := MaySubscribe; right <= MayReadHistory; right <<= 1 {
			if got := c.Allow(row.channel, right); got != (row.want&right != 0) {
				t.Errorf("Allow(%q, %04b) = %t", row.channel, right, got)
			}
		}
		if !c.Allow(row.channel, row.want) {
			t.Errorf("Allow(%q, %04b) = false for all of them together", row.channel, row.want)
		}
	}
}

func TestStarAlone(t *testing.T) {
	c, err := ParseCapabilities(`[{"channels":["*"],"allow":["sub"],"match":"wildcard"}]`)
	if err != nil {
		t.Fatal(err)
	}
	for channel, want := range map[string]bool{"a": true, "a:b:c": true, "": false, "$a": false, "#1": false, "a#1": false, "a$": true} {
		if got := c.Allow(channel, MaySubscribe); got != want {
			t.Errorf("* allows %q = %t", channel, got)
		}
	}
}

func TestCapabilitiesComeBackFromTheirString(t *testing.T) {
	const text = `[{"channels":["a"],"allow":["sub"]}]`
	c, err := ParseCapabilities(text)
	if err != nil || c.String() != text {
		t.Fatalf("ParseCapabilities(%s) = %q, %v", text, c.String(), err)
	}
	if again, err := ParseCapabilities(c.String()); err != nil || !again.Allow("a", MaySubscribe) {
		t.Errorf("again: %+v, %v", again, err)
	}
	if none, err := ParseCapabilities(""); err != nil || none.String() != "" || none.Allow("a", MaySubscribe) {
		t.Errorf(`ParseCapabilities("") = %+v, %v`, none, err)
	}
}

func TestCapabilitiesThatAreNone(t *testing.T) {
	for _, text := range []string{
		`{`, `{}`, `[[]]`, `[{}]`, `[{"channels":["a"]}]`, `[{"allow":["sub"]}]`,
		`[{"channels":"a","allow":["sub"]}]`, `[{"channels":[1],"allow":["sub"]}]`, `[{"channels":["a"],"allow":["all"]}]`,
		`[{"channels":["a"],"allow":["sub"],"match":"regex"}]`, `[{"channels":["a"],"allow":["sub"],"allow":["pub"]}]`,
		`[{"channels":[""],"allow":["sub"],"match":"wildcard"}]`,
		`[{"channels":["a*b"],"allow":["sub"],"match":"wildcard"}]`,
		`[{"channels":["a*:b"],"allow":["sub"],"match":"wildcard"}]`,
		`[{"channels":["**"],"allow":["sub"],"match":"wildcard"}]`,
		`[{"channels":["*b"],"allow":["sub"],"match":"wildcard"}]`,
	} {
		if c, err := ParseCapabilities(text); !errors.Is(err, ErrConfig) || c.Allow("a", MaySubscribe) {
			t.Errorf("ParseCapabilities(%s) = %+v, %v; want ErrConfig", text, c, err)
		}
	}
}

// A match that tried again behind each star would not come to an end with these.
func TestMatchOfManySegments(t *testing.T) {
	const segments = 1 << 16
	pattern, channel := strings.Repeat("*:", segments)+"*", strings.Repeat("a:", segments)+"a"
	if !isPattern(pattern) || !matches(pattern, channel) {
		t.Error("many stars do not match as many segments")
	}
	if matches(pattern, channel[:len(channel)-2]) {
		t.Error("many stars match one segment less")
	}
}
