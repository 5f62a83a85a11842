package server

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/metrics"
)

// smuggled is an event that some text pretends to be.
const smuggled = "event: smuggled"

// breaks are what a client takes for the end of a line, and what some take for it.
var breaks = []string{"\n", "\r", "\r\n", "\n\n", "\r\r", "\u2028", "\u0085", "\x00"}

// S01: what a publisher or a client chooses ends no line of a stream, wherever it is put: in data between the tokens of JSON, in
// the tag that names the event, in the rooms' names.
func TestS01LinesInEvents(t *testing.T) {
	n := openHTTP(t, nil)
	alone := n.holdings()
	for _, end := range breaks {
		n.awaitHoldings(t, alone) // the streams of earlier rows have gone
		evil := "x" + end + smuggled + end + "data: 1" + end + end
		n.attack(fmt.Sprintf("S01 data and tags with %q", end), none, 0, func(t *testing.T) {
			s := n.events("?room=a")
			defer s.close()
			s.event() // subscribed
			tags := PublishOptions{Tags: map[string]string{"event": evil}}
			if strings.Trim(end, "\r\n") == "" {
				n.publish("a", "["+end+"1"+end+"]", tags)
				checkEvent(t, s.event(), end)
			}
			n.publish("a", fmt.Sprintf("%q", "\n"+smuggled+"\n"), tags) // escaped, as JSON must be
			checkEvent(t, s.event(), end)
			n.publish("a", `"last"`, PublishOptions{})
			if got := s.event(); !strings.HasSuffix(got, `data: "last"`) {
				t.Errorf("the event behind it is %q", got)
			}
		})
		n.run(fmt.Sprintf("S01 a room with %q", end), func(t *testing.T) {
			s := n.events("?room=" + url.QueryEscape(evil) + "&room=good")
			defer s.close()
			checkEvent(t, s.event(), end)
			if got := s.event(); !strings.Contains(got, `{"room":"good"`) {
				t.Errorf("the event behind it is %q", got)
			}
		})
	}
}

// S01: where a line is a message, as in all encodings in JSON, a publication stays one, however its data is broken into lines.
func TestS01LinesOfOtherTransports(t *testing.T) {
	n := openHTTP(t, nil)
	member := n.member("a")
	defer member.close()
	streams := make(map[string]*listener)
	for _, k := range streamKinds {
		s := n.stream(k.open(nil, hello, subscribe(2, "a"))).begin()
		defer s.close()
		s.message()
		streams[k.name] = s
	}
	for _, end := range breaks[:5] {
		n.run(fmt.Sprintf("S01 data and tags with %q", end), func(t *testing.T) {
			n.publish("a", "["+end+"1,"+end+"2]", PublishOptions{Tags: map[string]string{"x": end + smuggled + end}})
			n.publish("a", `"last"`, PublishOptions{})
			heard := map[string][]string{"websocket": member.hear(0, 2, false).pushes}
			for name, s := range streams {
				heard[name] = []string{s.message(), s.message()}
			}
			for name, got := range heard {
				var push struct {
					Push struct {
						Pub struct {
							Data []int
							Tags map[string]string
						}
					}
				}
				err := json.Unmarshal([]byte(got[0]), &push)
				if pub := push.Push.Pub; err != nil || len(pub.Data) != 2 || pub.Tags["x"] != end+smuggled+end {
					t.Errorf("%s: %q, %v", name, got[0], err)
				}
				if got[1] != `{"push":{"channel":"a","pub":{"data":"last"}}}` {
					t.Errorf("%s: the message behind it is %q", name, got[1])
				}
			}
		})
	}
}

// checkEvent fails the test if one of an event's lines is the smuggled one.
func checkEvent(t *testing.T, event, end string) {
	t.Helper()
	for _, line := range strings.FieldsFunc(event, func(r rune) bool { return r == '|' || r == '\r' || r == '\n' }) {
		if line == smuggled {
			t.Errorf("with %q a line is smuggled in: %q", end, event)
		}
	}
}

// S02: an id that is none costs no more than any request, and leaves nothing.
func TestS02GarbageForAnID(t *testing.T) {
	n := openHTTP(t, rememberingRooms)
	n.publish("a", "1", PublishOptions{})
	row := func(id string) func(t *testing.T) {
		return func(t *testing.T) {
			s := n.events("?room=a", "Last-Event-ID: "+id)
			defer s.close()
			for range 2 { // a part of the past is no harm
				if strings.HasSuffix(s.event(), `{"room":"a","recovered":false}`) {
					return
				}
			}
			t.Error("it does not say that nothing was recovered")
		}
	}
	for _, id := range []string{"x", ":", ",", strings.Repeat("AAAAAAAA:1,", 1000), strings.Repeat("9", 12<<10), "\xff"} {
		n.attack(fmt.Sprintf("S02 %.20q", id), none, 0, row(id))
	}
	n.attack("S02 a megabyte", metrics.RejectTooLarge, 1, func(*testing.T) {
		c := n.dial()
		defer c.close()
		c.send([]byte(plain("GET", pathSSE+"?room=a", "Last-Event-ID: "+strings.Repeat("9", 1<<20))))
		c.rest()
	})
}

// S03: clients of streams that vanish, in order or not, are gone at once with all that was theirs.
func TestS03StreamsThatVanish(t *testing.T) {
	n := openHTTP(t, nil)
	for _, how := range []struct {
		rule string
		end  func(s *listener)
	}{
		{"S03 streams are closed", func(s *listener) { s.close() }},
		{"S03 streams are reset", func(s *listener) { _ = s.conn.SetLinger(0); s.close() }},
	} {
		n.attack(how.rule, none, 0, func(*testing.T) {
			var all []*listener
			for i := range 48 {
				if i%4 > 0 {
					s := n.stream(streamKinds[i%4-1].open(nil, hello, subscribe(2, "a"))).begin()
					s.message()
					all = append(all, s)
					continue
				}
				s := n.events("?rooms=a,b")
				s.event()
				s.event()
				all = append(all, s)
			}
			for _, s := range all {
				how.end(s)
			}
		})
	}
}

// S03: a stream that nobody reads has the same limit as a WebSocket, and its room hears on.
func TestS03StreamsThatNobodyReads(t *testing.T) {
	n := openHTTP(t, func(c *Config) { c.QueueLimit = 256 << 10 })
	for _, k := range streamKinds {
		n.attackUnread("S03 nobody reads "+k.name, func() *listener { return n.stream(k.open(nil, hello, subscribe(2, "a"))).begin() })
	}
	n.attackUnread("S03 nobody reads", func() *listener { return n.events("?room=a") })
}

// attackUnread opens a stream that subscribes to a room and is not read beyond that.
func (n *node) attackUnread(rule string, open func() *listener) {
	n.attack(rule, none, 0, func(t *testing.T) {
		stuck := open()
		defer stuck.close()
		stuck.message()
		reader := n.events("?room=a")
		defer reader.close()
		reader.event()
		before := n.counts().Slow
		data := fmt.Sprintf("%q", strings.Repeat("x", 32<<10))
		for i := 0; n.counts().Slow == before; i++ {
			if i == 10_000 {
				t.Fatal("a client that reads nothing is kept")
			}
			n.publish("a", data, PublishOptions{})
			if got := reader.event(); !strings.Contains(got, data) {
				t.Fatalf("the other one got %.100q", got)
			}
		}
		after := n.counts().Slow
		if after[metrics.SlowClosedBytes] != before[metrics.SlowClosedBytes]+1 {
			t.Errorf("slow consumers by what was done = %v; before %v", after, before)
		}
		if h := n.holdings(); h.output > 2*256<<10 {
			t.Errorf("%d bytes wait", h.output)
		}
	})
}
