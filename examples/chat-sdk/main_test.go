package main

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/server"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// openChat opens the application on free ports.
func openChat(t *testing.T) *server.Server {
	node, err := new(chat).open(server.Config{
		Addresses:       []string{"127.0.0.1:0"},
		InternalAddress: "127.0.0.1:0",
		Log:             slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	return node
}

// person is a client of the chat.
type person struct {
	t     *testing.T
	conn  net.Conn
	id    int
	lines []string // that have come and not been looked at
}

// dial returns a client that has not said who it is.
func dial(t *testing.T, node *server.Server) *person {
	conn, _, _, err := ws.Dial(t.Context(), "ws://"+node.Addresses()[0]+"/connection/websocket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &person{t: t, conn: conn}
}

// enter returns a client with a name, in the lobby.
func enter(t *testing.T, node *server.Server, name string) *person {
	p := dial(t, node)
	p.say(`"connect":{"data":{"name":"` + name + `"}}`)
	p.expect(`"connect":{"client":`)
	p.say(`"subscribe":{"channel":"chat:lobby"}`)
	p.expect(`"subscribe":{"recoverable":true`)
	return p
}

// say sends a command.
func (p *person) say(command string) {
	p.id++
	text := fmt.Sprintf(`{"id":%d,%s}`, p.id, command)
	if err := wsutil.WriteClientText(p.conn, []byte(text)); err != nil {
		p.t.Error(err)
	}
}

// expect reads on until a line has text.
func (p *person) expect(text string) {
	p.t.Helper()
	for {
		for i, line := range p.lines {
			if strings.Contains(line, text) {
				p.lines = append(p.lines[:i], p.lines[i+1:]...)
				return
			}
		}
		frame, err := wsutil.ReadServerText(p.conn)
		if err != nil {
			p.t.Fatalf("%v before %s; heard %q", err, text, p.lines)
		}
		p.lines = append(p.lines, strings.Split(string(frame), "\n")...)
	}
}

func TestPeopleTalk(t *testing.T) {
	node := openChat(t)
	ann := enter(t, node, "ann")
	bob := enter(t, node, "bob")
	ann.expect(`"pub":{"data":{"system":"bob comes in"}`)
	bob.say(`"publish":{"channel":"chat:lobby","data":{"text":"Hello!"}}`)
	bob.expect(`{"id":3,"publish":{}}`)
	ann.expect(`"pub":{"data":{"text":"Hello!"},"info":{"user":"bob",`)
	ann.say(`"rpc":{"method":"who","data":{"room":"chat:lobby"}}`)
	ann.expect(`{"id":3,"rpc":{"data":["ann","bob"]}}`)

	carol := enter(t, node, "carol")
	carol.say(`"history":{"channel":"chat:lobby","limit":10}`)
	carol.expect(`{"system":"ann comes in"},"offset":1},{"data":{"system":"bob comes in"},"offset":2},{"data":{"text":"Hello!"}`)
}

func TestRules(t *testing.T) {
	node := openChat(t)
	nobody := dial(t, node)
	nobody.say(`"connect":{"data":{"name":""}}`)
	nobody.expect(`"error":{"code":400,`)

	guest := dial(t, node)
	guest.say(`"connect":{}`)
	guest.expect(`"connect":{"client":`)

	ann := enter(t, node, "ann")
	for command, code := range map[string]int{
		`"subscribe":{"channel":"secrets"}`:                                            103,
		`"publish":{"channel":"chat:lobby","data":{"text":"Well, DARN!"}}`:             401,
		`"publish":{"channel":"chat:lobby","data":"no object"}`:                        107,
		`"rpc":{"method":"where","data":{"room":"chat:lobby"}}`:                        104,
		`"rpc":{"method":"who","data":{"room":"secrets"}}`:                             108,
		`"rpc":{"method":"who","data":{"room":"` + strings.Repeat("long", 100) + `"}}`: 107,
	} {
		ann.say(command)
		ann.expect(fmt.Sprintf(`{"id":%d,"error":{"code":%d,`, ann.id, code))
	}
	ann.say(`"publish":{"channel":"chat:lobby","data":{"text":"a darned sock"}}`)
	ann.expect(fmt.Sprintf(`{"id":%d,"publish":{}}`, ann.id))
}
