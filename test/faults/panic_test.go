//go:build faults

package faults

import (
	"fmt"
	"testing"
	"time"
)

// R48: each function of an application panics, on the pool and on the loops. Its caller gets error 100 or loses its session;
// the node, its other sessions and the next call live.
func TestR48Panics(t *testing.T) {
	for _, where := range []string{"pool", "loop"} {
		t.Run("on the "+where, func(t *testing.T) {
			n := start(t, launch{binary: applicationBinary, args: []string{fmt.Sprintf("-on-loop=%v", where == "loop")}})
			watch(t, n.member("room"))
			failed := func() int { return n.book.count("the application has failed") }
			for _, r := range []struct{ what, connect, command, want string }{
				{"connect", `{"id":1,"connect":{"data":"panic"}}`, "", "error 100"},
				{"subscribe", `{"id":1,"connect":{}}`, subscribe(2, "panic"), "error 100"},
				{"publish", `{"id":1,"connect":{}}`, publish(2, "room", `"panic"`), "error 100"},
				{"rpc", `{"id":1,"connect":{}}`, `{"id":2,"rpc":{"method":"panic"}}`, "error 100"},
				{"message", `{"id":1,"connect":{}}`, `{"send":{"data":"panic"}}` + "\n" + `{"id":2,"rpc":{"method":"x"}}`, "ok"},
				{"refresh", `{"id":1,"connect":{"name":"panic at refresh"}}`, "", "ok"},
				{"disconnect", `{"id":1,"connect":{"name":"panic at the end"}}`, "", "ok"},
			} {
				before := failed()
				c := n.dial(pathProtocol)
				got := outcome(c, r.connect)
				if r.command != "" {
					got = outcome(c, r.command)
				}
				if got != r.want {
					t.Errorf("a panic in %s: %s; want %s", r.what, got, r.want)
				}
				if r.what != "refresh" {
					c.close()
				}
				n.await("the log has it", func() bool { return failed() > before })
			}
			n.checkReady()
			n.checkNeighbour()
			t.Logf("%d panics contained, %v sessions stand", failed(), n.figures().sessions())
		})
	}
}

// outcome sends a command and says what came of it.
func outcome(c *client, command string) string {
	r, err := c.askAny(command)
	switch {
	case err != nil:
		return err.Error()
	case r.Error != nil:
		return fmt.Sprintf("error %d", r.Error.Code)
	}
	return "ok"
}

// R03: at the deadline of a drain what is stuck is cut: a session whose handler never comes back, and a thousand that do
// not read what waits for them.
func TestR03StuckDrain(t *testing.T) {
	const deaf, window = 1000, 2 * time.Second
	n := start(t, launch{binary: applicationBinary, args: []string{"-window=" + window.String()}})
	stuck := n.connect()
	if err := stuck.say(`{"id":2,"rpc":{"method":"block"}}`); err != nil {
		t.Fatal(err)
	}
	for i := range deaf {
		n.member("room", from(i/500), small)
	}
	c := n.connect()
	for range 8 {
		if _, err := c.ask(publish(2, "room", large(60_000))); err != nil {
			t.Fatal(err)
		}
	}
	n.await("something waits for all of them", func() bool { return n.figures().sum("edge_outbound_queue_bytes") > deaf*60_000 })
	c.close()
	n.term()
	began := time.Now()
	if code := n.end(); code != 0 {
		t.Errorf("the node ended with %d", code)
	}
	took := time.Since(began)
	var said struct{ Cut int }
	n.book.decode(t, "drained", &said)
	if said.Cut < deaf {
		t.Errorf("the log says that %d were cut; want at least %d", said.Cut, deaf)
	}
	t.Logf("window %v: ended after %v with status 0, %d cut", window, took.Round(100*time.Millisecond), said.Cut)
}
