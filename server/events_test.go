package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// events opens a stream of events of rooms, and reads that it is connected.
func (n *node) events(query string, fields ...string) *listener {
	n.t.Helper()
	s := n.stream(plain("GET", pathSSE+query, fields...))
	if got := s.event(); !strings.HasPrefix(got, `event: connected|data: {"client":"`) {
		n.t.Fatal(got)
	}
	return s
}

// rememberingRooms have a history without a namespace, and none in the namespace bare.
func rememberingRooms(c *Config) {
	c.Rooms.WithoutNamespace = RoomOptions{HistorySize: 10, HistoryTTL: patience}
	c.Rooms.Namespaces = []Namespace{{Name: "bare"}}
}

// idOf cuts the id off an event.
func idOf(event string) (id, rest string) {
	if !strings.HasPrefix(event, "id: ") {
		return "", event
	}
	id, rest, _ = strings.Cut(strings.TrimPrefix(event, "id: "), "|")
	return id, rest
}

// TestEvents holds S01 among others: line ends in data make lines of it, and names that have any are left out.
func TestEvents(t *testing.T) {
	n := openHTTP(t, rememberingRooms)
	s := n.events("?room=a")
	defer s.close()
	id, rest := idOf(s.event())
	if rest != `event: subscribed|data: {"room":"a"}` || !strings.HasSuffix(id, ":0") {
		t.Fatalf("%q %q", id, rest)
	}
	n.publish("a", `{"n": 1}`, PublishOptions{})
	n.publish("a", "{\r\n \"n\":\r2}", PublishOptions{Tags: map[string]string{"event": "two"}})
	n.publish("a", "3", PublishOptions{Tags: map[string]string{"event": "no\nname"}})
	want := []string{`data: {"n": 1}`, `event: two|data: {|data:  "n":|data: 2}`, `data: 3`}
	for i, w := range want {
		got, rest := idOf(s.event())
		if rest != w || !strings.HasSuffix(got, fmt.Sprintf(":%d", i+1)) {
			t.Errorf("%q %q; want %q", got, rest, w)
		}
		if i == 0 {
			id = got
		}
	}
	s.close()

	back := n.events("?room=a", "Last-Event-ID: "+id)
	defer back.close()
	for i, w := range want[1:] {
		if got, rest := idOf(back.event()); rest != w || !strings.HasSuffix(got, fmt.Sprintf(":%d", i+2)) {
			t.Errorf("recovered %q %q; want %q", got, rest, w)
		}
	}
	if _, rest := idOf(back.event()); rest != `event: subscribed|data: {"room":"a","recovered":true}` {
		t.Error(rest)
	}
}

// TestEventsOfSeveralRooms: one id says where a client stands in all rooms.
func TestEventsOfSeveralRooms(t *testing.T) {
	n := openHTTP(t, rememberingRooms)
	s := n.events("?rooms=a,b,bare:c&room=a")
	defer s.close()
	for _, room := range []string{"a", "b", "bare:c"} {
		if _, rest := idOf(s.event()); rest != `event: subscribed|data: {"room":"`+room+`"}` {
			t.Fatal(rest)
		}
	}
	n.publish("a", "1", PublishOptions{})
	first, rest := idOf(s.event())
	if rest != "event: a|data: 1" {
		t.Fatal(rest)
	}
	n.publish("bare:c", "2", PublishOptions{})
	if got := s.event(); got != "event: bare:c|data: 2" {
		t.Fatal(got)
	}
	n.publish("b", "3", PublishOptions{})
	n.publish("a", "4", PublishOptions{})
	s.event()
	s.event()
	s.close()

	back := n.events("?rooms=a,b,bare:c", "Last-Event-ID: "+first)
	defer back.close()
	var got []string
	for range 5 {
		_, rest := idOf(back.event())
		got = append(got, rest)
	}
	want := []string{
		"event: a|data: 4", `event: subscribed|data: {"room":"a","recovered":true}`,
		"event: b|data: 3", `event: subscribed|data: {"room":"b","recovered":true}`,
		`event: subscribed|data: {"room":"bare:c","recovered":false}`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestEventsLastID holds S02: garbage is ignored, and the client hears that nothing was recovered.
func TestEventsLastID(t *testing.T) {
	n := openHTTP(t, rememberingRooms)
	n.publish("a", "1", PublishOptions{})
	for _, id := range []string{"x", ":", "AAAAAAAA:1", "AAAAAAAB:99999999999999999999", "AAAAAAAB:1,AAAAAAAB:1", "AAAAAAAB:-1", "\x80\xff", strings.Repeat("9", 12<<10)} {
		s := n.events("?room=a", "Last-Event-ID: "+id)
		got, rest := idOf(s.event())
		if rest == "data: 1" { // a part of the past is no harm
			got, rest = idOf(s.event())
		}
		if rest != `event: subscribed|data: {"room":"a","recovered":false}` || !strings.HasSuffix(got, ":1") {
			t.Errorf("%.40q: %q %q", id, got, rest)
		}
		s.close()
	}
	c := n.dial()
	defer c.close()
	c.send([]byte(plain("GET", pathSSE+"?room=a", "Last-Event-ID: "+strings.Repeat("9", 1<<20))))
	if got := c.response(); got.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("1 MB: %d", got.StatusCode)
	}
}

// TestEventsRefused: a room or the whole stream that a client does not get.
func TestEventsRefused(t *testing.T) {
	n := openHTTP(t, func(c *Config) {
		c.Development = false
		c.SSE = true
		c.Access.Anonymous = true
		c.Rooms.Namespaces = []Namespace{{Name: "open", RoomOptions: RoomOptions{AllowSubscribeForClient: true, AllowSubscribeForAnonymous: true}}}
	})
	s := n.events("?rooms=closed,open:x")
	defer s.close()
	if got := s.event(); got != `event: refused|data: {"room":"closed","code":103,"message":"permission denied"}` {
		t.Error(got)
	}
	if got := s.event(); got != `event: subscribed|data: {"room":"open:x"}` {
		t.Error(got)
	}
	bad := n.stream(plain("GET", pathSSE+"?room=open:x&token=x"))
	defer bad.close()
	if got := bad.event(); !strings.HasPrefix(got, `event: disconnect|data: {"code":35`) {
		t.Error(got)
	}
	if got := bad.event(); !strings.Contains(got, "EOF") {
		t.Errorf("then %q", got)
	}
}
