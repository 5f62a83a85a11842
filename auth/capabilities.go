package auth

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Rights are things that a client may do in a room, as bits.
type Rights uint8

const (
	MaySubscribe Rights = 1 << iota
	MayPublish
	MaySeePresence
	MayReadHistory
)

var rightNames = map[string]Rights{
	"sub": MaySubscribe, "pub": MayPublish, "prs": MaySeePresence, "hst": MayReadHistory,
}

// Capabilities are rights that a token grants beyond what rooms allow to everybody; the zero value grants none. It is
// immutable: connections whose tokens say the same may share one.
type Capabilities struct {
	text   string
	grants []grant
}

// A grant is one entry of the claim.
type grant struct {
	rights   Rights
	wildcard bool
	patterns []string
}

// ParseCapabilities reads what a Capabilities gave as its String; "" grants nothing. The error wraps ErrConfig.
func ParseCapabilities(text string) (Capabilities, error) {
	if text == "" {
		return Capabilities{}, nil
	}
	b := []byte(text)
	if json.Valid(b) {
		if c, ok := parseCapabilities(oneLine(b)); ok {
			return c, nil
		}
	}
	return Capabilities{}, fmt.Errorf("%w: malformed capabilities", ErrConfig)
}

// String returns the claim as JSON, "" for the zero value. Equal strings grant the same.
func (c *Capabilities) String() string { return c.text }

// Allow reports whether c grants all of want in the channel. It takes time linear in the claim and the name together.
func (c *Capabilities) Allow(channel string, want Rights) bool {
	var granted Rights
	for i := range c.grants {
		if g := &c.grants[i]; g.covers(channel) {
			granted |= g.rights
		}
	}
	return granted&want == want
}

func (g *grant) covers(channel string) bool {
	if !g.wildcard {
		return slices.Contains(g.patterns, channel)
	}
	return slices.ContainsFunc(g.patterns, func(pattern string) bool { return matches(pattern, channel) })
}

// matches reports whether the channel is one that pattern stands for.
func matches(pattern, channel string) bool {
	if strings.HasPrefix(channel, "$") != strings.HasPrefix(pattern, "$") {
		return false
	}
	for {
		want, rest, more := strings.Cut(pattern, ":")
		if !more {
			return matchesEnd(want, channel)
		}
		segment, after, ok := strings.Cut(channel, ":")
		if !ok || want != segment && (want != "*" || !standsFor(segment)) {
			return false
		}
		pattern, channel = rest, after
	}
}

// matchesEnd is matches for a pattern's last segment and what is left of the channel.
func matchesEnd(pattern, channel string) bool {
	prefix, wildcard := strings.CutSuffix(pattern, "*")
	if !wildcard {
		return pattern == channel
	}
	rest, ok := strings.CutPrefix(channel, prefix)
	return ok && standsFor(rest)
}

// standsFor reports whether a star may stand for part, which does not begin with the '$' of a private channel.
func standsFor(part string) bool { return part != "" && !strings.Contains(part, "#") }

// isPattern reports whether every star of pattern is at its end or alone between colons.
func isPattern(pattern string) bool {
	for {
		segment, rest, more := strings.Cut(pattern, ":")
		if !more {
			return segment+rest != "" && !strings.Contains(strings.TrimSuffix(segment, "*"), "*")
		}
		if segment != "*" && strings.Contains(segment, "*") {
			return false
		}
		pattern = rest
	}
}

// parseCapabilities reads a claim, which must be valid JSON; false if it is not of the form.
func parseCapabilities(text []byte) (c Capabilities, ok bool) {
	list, ok := enter(text, '[')
	if !ok {
		return c, false
	}
	for list.element() {
		g, ok := parseGrant(list.value)
		if !ok {
			return Capabilities{}, false
		}
		c.grants = append(c.grants, g)
	}
	c.text = string(text)
	return c, true
}

var grantNames = []string{"channels", "allow", "match"}

func parseGrant(text []byte) (g grant, ok bool) {
	var v [3][]byte
	if collect(text, grantNames, v[:], errPayload) != nil {
		return g, false
	}
	if g.wildcard, ok = parseMatch(v[2]); !ok {
		return g, false
	}
	if g.patterns, ok = parseStrings(v[0]); !ok || g.wildcard && !all(g.patterns, isPattern) {
		return g, false
	}
	g.rights, ok = parseRights(v[1])
	return g, ok
}

func parseMatch(text []byte) (wildcard, ok bool) {
	switch string(text) {
	case "", `"exact"`, `""`:
		return false, true
	case `"wildcard"`:
		return true, true
	}
	return false, false
}

func parseRights(text []byte) (r Rights, ok bool) {
	names, ok := parseStrings(text)
	for _, name := range names {
		right := rightNames[name]
		r |= right
		ok = ok && right != 0
	}
	return r, ok
}

// parseStrings reads a list of strings; false if text is something else, nothing included.
func parseStrings(text []byte) (list []string, ok bool) {
	c, ok := enter(text, '[')
	if !ok {
		return nil, false
	}
	for c.element() {
		s, ok := unquote(c.value)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

func all(list []string, ok func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !ok(s) })
}
