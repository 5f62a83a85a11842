package main

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// logged is what a log line of a reload says.
type logged struct {
	Message string   `json:"msg"`
	Error   string   `json:"error"`
	Changed []string `json:"changed"`
	Keys    []string `json:"keys"`
}

// await reads the log to a line with this message.
func (s *serving) await(t *testing.T, message string) logged {
	t.Helper()
	stuck := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer stuck.Stop()
	for s.log.Scan() {
		s.past.WriteString(s.log.Text() + "\n")
		var line logged
		if err := json.Unmarshal(s.log.Bytes(), &line); err != nil {
			t.Fatalf("log line %q: %v", s.log.Text(), err)
		}
		if line.Message == message {
			return line
		}
	}
	t.Fatalf("the log ends without %q", message)
	return logged{}
}

// reload has the process reload and returns the log line with this message.
func (s *serving) reload(t *testing.T, message string) logged {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	return s.await(t, message)
}

// client is a connected client of the JSON protocol.
type client struct {
	t    *testing.T
	conn net.Conn
}

// open opens a session that has not connected.
func (s *serving) open(t *testing.T) *client {
	t.Helper()
	dialer := ws.Dialer{Timeout: patience}
	conn, early, _, err := dialer.Dial(t.Context(), "ws://"+s.Addresses[0]+"/connection/websocket")
	if err != nil {
		t.Fatal(err)
	}
	if early != nil {
		t.Fatal("the server speaks first")
	}
	c := &client{t, conn}
	t.Cleanup(c.close)
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// connect opens a session that is connected.
func (s *serving) connect(t *testing.T) *client {
	t.Helper()
	c := s.open(t)
	if reply := c.ask(`{"id":1,"connect":{}}`); !strings.Contains(reply, `"connect":{`) {
		t.Fatalf("connect: %s", reply)
	}
	return c
}

func (c *client) close() { _ = c.conn.Close() } // twice is fine

// ask sends a command and returns its reply.
func (c *client) ask(command string) string {
	c.t.Helper()
	if err := c.say(command); err != nil {
		c.t.Fatal(err)
	}
	reply, err := c.hear()
	if err != nil {
		c.t.Fatalf("%s: %v", command, err)
	}
	return reply
}

func (c *client) say(command string) error { return wsutil.WriteClientText(c.conn, []byte(command)) }

// hear returns the next text of the node's, passing over pings. The error is what ends the session.
func (c *client) hear() (string, error) {
	for {
		reply, err := wsutil.ReadServerText(c.conn)
		if err != nil || string(reply) != "{}" {
			return string(reply), err
		}
	}
}

// remembered publishes to a room and returns what its history says then.
func (c *client) remembered(room, data string) string {
	c.t.Helper()
	if reply := c.ask(`{"id":2,"publish":{"channel":"` + room + `","data":"` + data + `"}}`); !strings.Contains(reply, `"publish":{}`) {
		c.t.Fatalf("publish: %s", reply)
	}
	return c.ask(`{"id":3,"history":{"channel":"` + room + `","limit":10}}`)
}

const (
	withoutHistory = "development: true\nroom: {namespaces: [{name: chat}]}\n"
	withHistory    = "development: true\nroom: {namespaces: [{name: chat, history_size: 10, history_ttl: 1h}]}\n"
	notAvailable   = `"code":108`
)

// A namespace that gains history remembers what is published from then on, in sessions that stand.
func TestReloadChangesRooms(t *testing.T) {
	file := configFile(t, withoutHistory)
	s := start(t, "--config", file)
	c := s.connect(t)
	if got := c.remembered("chat:lobby", "before"); !strings.Contains(got, notAvailable) {
		t.Errorf("history of a room without one: %s; want error 108", got)
	}
	writeFile(t, file, withHistory)
	want := []string{"room.namespaces[chat].history_size: 0, now 10", "room.namespaces[chat].history_ttl: 0s, now 1h"}
	if line := s.reload(t, "reloaded"); !slices.Equal(line.Changed, want) {
		t.Errorf("changed %q; want %q", line.Changed, want)
	}
	if got := c.remembered("chat:lobby", "after"); !strings.Contains(got, `"data":"after"`) || strings.Contains(got, "before") {
		t.Errorf("history after the reload: %s; want what was published after it", got)
	}
	writeFile(t, file, withoutHistory)
	s.reload(t, "reloaded")
	if got := c.remembered("chat:lobby", "later"); !strings.Contains(got, notAvailable) {
		t.Errorf("history of a room that has lost it: %s; want error 108", got)
	}
	c.close()
	s.term(t)
}

// A bad file changes nothing, not even what is good in it, and one line says all that is wrong.
func TestReloadOfABadFile(t *testing.T) {
	file := configFile(t, withHistory)
	s := start(t, "--config", file)
	c := s.connect(t)
	c.remembered("chat:lobby", "first")
	writeFile(t, file, withoutHistory+"client: {pingg: 1}\nlog: {level: loud}\n")
	line := s.reload(t, "reload changes nothing")
	const want = `client.pingg: unknown key; edge configdoc lists all; log.level: "loud" is not one of the choices; write debug, info, warn or error`
	if line.Error != want {
		t.Errorf("the log says %q; want %q", line.Error, want)
	}
	if got := c.remembered("chat:lobby", "second"); !strings.Contains(got, `"data":"first"`) || !strings.Contains(got, `"data":"second"`) {
		t.Errorf("history after a bad reload: %s; want both publications", got)
	}
	c.close()
	s.term(t)
}

// Keys that a reload cannot change are named each time, until a restart.
func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	file := configFile(t, "development: true\n")
	s := start(t, "--config", file)
	writeFile(t, file, "development: true\nclient: {ping_interval: 5s}\nlog: {level: debug}\n")
	for _, want := range [][]string{{"log.level: info, now debug"}, nil} {
		if line := s.reload(t, "reloaded"); !slices.Equal(line.Changed, want) {
			t.Errorf("changed %q; want %q", line.Changed, want)
		}
		if line := s.await(t, "these changes need a restart"); !slices.Equal(line.Keys, []string{"client.ping_interval: 25s, now 5s"}) {
			t.Errorf("the log names %q; want client.ping_interval", line.Keys)
		}
	}
	s.term(t)
}

// term ends the process in order.
func (s *serving) term(t *testing.T) {
	t.Helper()
	s.rest(t)
}
