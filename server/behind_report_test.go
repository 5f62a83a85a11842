package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// askSlow returns what the list of slow conns says for a query.
func (n *node) askSlow(query string) (all []Laggard, body string) {
	n.t.Helper()
	status, body := n.get("/debug/slow" + query)
	if err := json.Unmarshal([]byte(body), &all); err != nil || status != http.StatusOK {
		n.t.Fatalf("/debug/slow%s = %d %q: %v", query, status, body, err)
	}
	return all, body
}

// The list has the conns that are behind, the furthest first, with figures and names and nothing that was said.
func TestSlowestConns(t *testing.T) {
	n := openPolicies(t, func(c *Config) {
		c.Loops = 2
		c.Handler.Connect = func(r *ConnectRequest) (ConnectReply, error) {
			return ConnectReply{User: "user of " + string(r.Data)}, nil
		}
		c.Handler.NonBlocking = true
	})
	if all, body := n.askSlow(""); len(all) != 0 || body != "[]\n" {
		t.Errorf("with nobody behind the list is %q", body)
	}
	var clients []*client
	for i := range 3 { // of whom each waits for more than the one before
		c := n.memberAs(i+1, fmt.Sprint("queue:", i), "latest:a")
		defer c.close()
		clients = append(clients, c)
	}
	for i := range clients {
		for range 10 * i {
			n.publish(fmt.Sprint("queue:", i), filler, PublishOptions{})
		}
		if i > 0 {
			n.clog(fmt.Sprint("queue:", i))
		}
	}
	n.publish("latest:a", `"a secret"`, PublishOptions{})
	n.settle()
	testutil.Eventually(t, patience, func() bool {
		all, _ := n.askSlow("")
		return len(all) == 2 && min(all[0].StalledMS, all[1].StalledMS) > 100
	}, "two sockets have taken nothing for a while")
	all, body := n.askSlow("?n=5")
	for i, g := range all {
		if g.User != fmt.Sprintf("user of %d", 3-i) || !uuid.MatchString(g.Client) || g.Rooms != 2 || g.Waiting != 1 ||
			g.QueuedBytes < len(filler) || g.WaitingBytes != waitingCost+len(`"a secret"`+"latest:a") {
			t.Errorf("number %d is %+v", i, g)
		}
	}
	if all[0].QueuedBytes < all[1].QueuedBytes || strings.Contains(body, "secret") || strings.Contains(body, filler) {
		t.Errorf("the list is %.1000q; want the furthest first, and nothing of what waits", body)
	}
	if few, _ := n.askSlow("?n=1"); len(few) != 1 || few[0].User != "user of 3" {
		t.Errorf("the first of the list is %+v", few)
	}
	for _, query := range []string{"?n=0", "?n=-1", "?n=1001", "?n=x"} {
		if status, body := n.get("/debug/slow" + query); status != http.StatusBadRequest {
			t.Errorf("/debug/slow%s = %d %q; want 400", query, status, body)
		}
	}
}

// memberAs is memberOf for a client that says who it is.
func (n *node) memberAs(who int, rooms ...string) *client {
	n.t.Helper()
	c := n.open(pathWebSocket).sluggish()
	c.say(fmt.Sprintf(`{"id":1,"connect":{"data":%d}}`, who))
	c.next()
	for i, room := range rooms {
		c.say(subscribe(i+2, room))
		if h := c.hear(1, 0, false); len(h.replies) != 1 || strings.Contains(h.replies[0], "error") {
			n.t.Fatalf("subscribe to %s: %q", room, h)
		}
	}
	return c
}

// Of many the list has the furthest, in order, whatever the order in which they were found.
func TestFurthest(t *testing.T) {
	rng := newRandom(t)
	var all, kept []Laggard
	for i := range 500 {
		g := Laggard{QueuedBytes: rng.IntN(50), WaitingBytes: rng.IntN(50), StalledMS: rng.Int64N(3), id: 1}
		g.Rooms = i
		all = append(all, g)
		if kept = append(kept, g); len(kept) == 20 {
			kept = furthest(10, kept)
		}
	}
	all, kept = furthest(10, all), furthest(10, kept)
	for i := range all {
		if byLag(all[i], kept[i]) != 0 || i > 0 && byLag(all[i-1], all[i]) > 0 {
			t.Errorf("number %d is %+v, or in pieces %+v, behind %+v", i, all[i], kept[i], all[max(0, i-1)])
		}
	}
}
