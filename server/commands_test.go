package server

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/protocol"
)

// talk is what a client says in text frames, and what it hears: replies in the order of its commands, pushes in
// the order of the publications, and at last a close frame of ours if there is one. Replies and pushes may mingle
// in any way, so they are told apart. Client ids are written as ID.
type talk struct {
	rule    string
	send    []string // a frame each
	replies []string
	pushes  []string
	end     string            // as "close 3501"; without one the client closes
	reject  metrics.Rejection // none for none
}

const (
	hello     = `{"id":1,"connect":{}}`
	connected = `{"id":1,"connect":{"client":"ID","version":"edge"}}`
)

// bad is how most that a client does wrong ends.
const bad = "close 3501"

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// failed is the reply to command id that brings e.
func failed(id int, e *protocol.Error) string {
	return string(protocol.JSON.AppendError(nil, uint32(id), e))
}

// runTalks runs each talk whole, cut at each byte and byte by byte, after the client has said what comes before.
func (n *node) runTalks(before string, talks []talk) {
	for _, k := range talks {
		n.run(k.rule, func(t *testing.T) {
			var send []byte
			for _, text := range k.send {
				send = append(send, masked(0x81, text)...)
			}
			runs := cutsOf(t, len(send))
			n.withstand(t, k.reject, len(runs), func() {
				for _, cuts := range runs {
					n.runTalk(t, &k, before, send, cuts)
				}
			})
		})
	}
}

func (n *node) runTalk(t *testing.T, k *talk, before string, send []byte, cuts []int) {
	c := n.open(pathWebSocket)
	defer c.close()
	if before != "" {
		c.say(before)
		c.next()
	}
	n.sendCut(c, send, cuts)
	got := c.hear(len(k.replies), len(k.pushes), k.end != "")
	want := heard{k.replies, k.pushes, k.end}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Fatalf("%q cut at %v\n got %q\nwant %q", k.send, cuts, got, want)
	}
	if k.end == "" {
		c.send(closing(1000, ""))
	}
	if rest := c.rest(); k.end == "" && !slices.Equal(rest, []string{"close 1000"}) || k.end != "" && len(rest) > 0 {
		t.Fatalf("%q cut at %v: then %q", k.send, cuts, rest)
	}
}

// say sends text in a frame.
func (c *client) say(text string) { c.send(masked(0x81, text)) }

// heard is what the server has said to a client.
type heard struct {
	replies, pushes []string
	end             string
}

// hear reads until it has so many replies and pushes, or if the server is to close, until it has.
func (c *client) hear(replies, pushes int, closes bool) (h heard) {
	for h.end == "" && (closes || len(h.replies) < replies || len(h.pushes) < pushes) {
		text, ok := c.nextText()
		if !ok {
			h.end = text
			return h
		}
		for line := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(line, `{"push":`) {
				h.pushes = append(h.pushes, line)
			} else {
				h.replies = append(h.replies, line)
			}
		}
	}
	return h
}

// nextText reads one text frame, with ID in place of client ids, and times to live rounded to minutes: the clock goes on between
// a token and its reply. If something else comes it is described, and ok is false.
func (c *client) nextText() (text string, ok bool) {
	f, end := c.frame()
	switch {
	case end != "":
		return end, false
	case f.Header.OpCode != ws.OpText:
		return describe(f), false
	}
	return inMinutes(uuid.ReplaceAllString(string(f.Payload), "ID")), true
}

var timeToLive = regexp.MustCompile(`"ttl":\d+`)

// inMinutes rounds the times to live in a text, which are in seconds.
func inMinutes(text string) string {
	return timeToLive.ReplaceAllStringFunc(text, func(field string) string {
		name, number, _ := strings.Cut(field, ":")
		seconds, _ := strconv.Atoi(number) // digits
		return fmt.Sprintf("%s:%d", name, (seconds+30)/60*60)
	})
}

// TestConformanceFirstCommand has what protocol.md says of frames, objects and the connect command.
func TestConformanceFirstCommand(t *testing.T) {
	n := openNode(t, nil)
	n.runTalks("", firstTalks())
}

func firstTalks() []talk {
	ok := []string{connected}
	sub := `{"id":2,"subscribe":{"channel":"a"}}`
	deep := func(levels int) string {
		return `{"id":1,"connect":{"data":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + `}}`
	}
	talks := []talk{
		{"connect", []string{hello}, ok, nil, "", none},
		{"connect with all that may be said", []string{`{"id":1,"connect":{"data":{"a":[1]},"name":"js","version":"1","headers":{"X-A":"b"},"flag":1,"dict":"","profile":"","more":{}},"more":[]}`}, ok, nil, "", none},
		{"connect with an empty token", []string{`{"id":1,"connect":{"token":""}}`}, ok, nil, "", none},
		{"connect with a token", []string{`{"id":1,"connect":{"token":"a.b.c"}}`}, nil, nil, "close 3500", metrics.RejectToken},
		{"connect with the largest id", []string{`{"id":4294967295,"connect":{}}`}, []string{`{"id":4294967295,"connect":{"client":"ID","version":"edge"}}`}, nil, "", none},
		{"connect and subscribe in one frame", []string{hello + "\n" + sub}, []string{connected, `{"id":2,"subscribe":{}}`}, nil, "", none},
		{"connect and subscribe in two frames", []string{hello, sub}, []string{connected, `{"id":2,"subscribe":{}}`}, nil, "", none},
		{"newline at the end", []string{hello + "\n"}, ok, nil, "", none},
		{"white space around an object", []string{" \t" + hello + "\r\n"}, ok, nil, "", none},
		{"nesting as deep as it may be", []string{deep(protocol.MaxDepth)}, ok, nil, "", none},
		{"connect before subscribe in one object", []string{`{"subscribe":{"channel":"a"},"id":1,"connect":{}}`}, ok, nil, "", none},
		{"wishes", []string{`{"id":1,"connect":{"subs":{"a":{},"b":{"recover":true},"$c":{},"":{},"é":{}}}}`},
			[]string{`{"id":1,"connect":{"client":"ID","version":"edge","subs":{"a":{},"b":{"was_recovering":true}}}}`}, nil, "", none},
		{"wishes are subscriptions", []string{`{"id":1,"connect":{"subs":{"a":{}}}}`, sub},
			[]string{`{"id":1,"connect":{"client":"ID","version":"edge","subs":{"a":{}}}}`, failed(2, protocol.ErrAlreadySubscribed)}, nil, "", none},
		{"second connect", []string{hello, `{"id":2,"connect":{}}`}, ok, nil, bad, metrics.RejectCommand},
		{"second connect in one frame", []string{hello + "\n" + hello}, ok, nil, bad, metrics.RejectCommand},
		{"blank line between objects", []string{hello + "\n\n" + sub}, ok, nil, bad, metrics.RejectCommand},
		{"nothing after what is bad", []string{hello + "\n[]\n" + sub, sub}, ok, nil, bad, metrics.RejectCommand},
	}
	for _, r := range []struct{ rule, text string }{
		{"subscribe before connect", sub},
		{"unsubscribe before connect", `{"id":1,"unsubscribe":{"channel":"a"}}`},
		{"publish before connect", `{"id":1,"publish":{"channel":"a","data":1}}`},
		{"send before connect", `{"send":{"data":1}}`},
		{"refresh before connect", `{"id":1,"refresh":{"token":"a"}}`},
		{"rpc before connect", `{"id":1,"rpc":{}}`},
		{"pong before connect", `{}`},
		{"empty frame", ""},
		{"blank frame", " "},
		{"newline alone", "\n"},
		{"newline before an object", "\n" + hello},
		{"newline inside an object", "{\"id\":1,\n\"connect\":{}}"},
		{"no JSON", "hello"},
		{"JSON cut short", `{"id":1,"connect":{}`},
		{"bytes behind the object", hello + "x"},
		{"two objects on a line", hello + hello},
		{"array", "[" + hello + "]"},
		{"null", "null"},
		{"id as a string", `{"id":"1","connect":{}}`},
		{"negative id", `{"id":-1,"connect":{}}`},
		{"fractional id", `{"id":1.5,"connect":{}}`},
		{"id of 33 bits", `{"id":4294967296,"connect":{}}`},
		{"no id", `{"connect":{}}`},
		{"id 0", `{"id":0,"connect":{}}`},
		{"connect that is no object", `{"id":1,"connect":true}`},
		{"connect that is null", `{"id":1,"connect":null}`},
		{"token that is no string", `{"id":1,"connect":{"token":1}}`},
		{"wish that is no object", `{"id":1,"connect":{"subs":{"a":1}}}`},
		{"id and no command", `{"id":1}`},
		{"unknown command", `{"id":1,"frobnicate":{}}`},
		{"ping as a command", `{"id":1,"ping":{}}`},
		{"nesting too deep", deep(protocol.MaxDepth + 1)},
		{"broken escape", `{"id":1,"connect":{"name":"\x"}}`},
		{"control character in a string", "{\"id\":1,\"connect\":{\"name\":\"\x01\"}}"},
		{"number with a leading zero", `{"id":01,"connect":{}}`},
	} {
		talks = append(talks, talk{r.rule, []string{r.text}, nil, nil, bad, metrics.RejectCommand})
	}
	return talks
}

// Commands may come in binary frames, where nobody has checked that they are UTF-8.
func TestCommandsInBinaryFrames(t *testing.T) {
	n := openNode(t, nil)
	c := n.open(pathWebSocket)
	defer c.close()
	c.send(masked(0x82, hello))
	if got, _ := c.nextText(); got != connected {
		t.Errorf("connect in a binary frame got %s", got)
	}
	c.send(masked(0x82, "{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":\"\xff\"}}"))
	if got := c.next(); got != bad {
		t.Errorf("data that is not UTF-8 got %s; want %s", got, bad)
	}
}

// The replies to what came together leave together.
func TestRepliesShareAFrame(t *testing.T) {
	n := openNode(t, nil)
	c := n.open(pathWebSocket)
	defer c.close()
	c.send(stream(masked(0x81, hello+"\n"+`{"id":2,"subscribe":{"channel":"a"}}`), masked(0x81, `{"id":3,"unsubscribe":{"channel":"a"}}`)))
	want := connected + "\n" + `{"id":2,"subscribe":{}}` + "\n" + `{"id":3,"unsubscribe":{}}`
	if got, _ := c.nextText(); got != want {
		t.Errorf("three commands in one write got %q; want %q", got, want)
	}
}
