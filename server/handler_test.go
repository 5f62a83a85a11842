package server

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/protocol"
)

// openApp opens a node with an application in it.
func openApp(t testing.TB, h Handler) *node {
	return openNode(t, func(c *Config) { c.Handler = h })
}

// inBothWays runs f with an application that runs on the worker pool, and with one that runs on the loops.
func inBothWays(t *testing.T, f func(t *testing.T, nonBlocking bool)) {
	t.Run("on the pool", func(t *testing.T) { f(t, false) })
	t.Run("on the loop", func(t *testing.T) { f(t, true) })
}

// refusal is an application's error.
var refusal = &Error{Code: 400, Message: "no"}

// verdict is what the applications of these tests think of data: of any but these, nothing bad.
func verdict(data []byte) error {
	switch string(data) {
	case `"error"`, `"wait for an error"`:
		return refusal
	case `"end"`:
		return Disconnect{Code: 4500, Reason: "enough"}
	case `"fail"`:
		return errors.New("broken inside")
	case `"panic"`:
		panic("out of order")
	}
	return nil
}

// moody is an application that does to every request what its data says.
func moody() Handler {
	return Handler{
		Connect:   func(r *ConnectRequest) (ConnectReply, error) { return ConnectReply{}, verdict(r.Data) },
		Subscribe: func(_ Client, r *SubscribeRequest) (SubscribeReply, error) { return SubscribeReply{}, verdict(r.Data) },
		Publish:   func(_ Client, r *PublishRequest) (PublishReply, error) { return PublishReply{}, verdict(r.Data) },
		RPC:       func(_ Client, r *RPCRequest) ([]byte, error) { return r.Data, verdict(r.Data) },
		Message:   func(_ Client, data []byte) error { return verdict(data) },
	}
}

// An error of the application is the answer to the command, or the end of the conn, as its type has it.
func TestHandlerErrors(t *testing.T) {
	inBothWays(t, func(t *testing.T, nonBlocking bool) {
		var book testutil.Book
		n := openNode(t, func(c *Config) {
			c.Handler, c.Log = moody(), slog.New(slog.NewTextHandler(&book, nil))
			c.Handler.NonBlocking = nonBlocking
		})
		for _, r := range []struct {
			word   string
			answer *protocol.Error // nil if the conn ends with 4500
		}{
			{`"error"`, refusal},
			{`"end"`, nil},
			{`"fail"`, protocol.ErrInternal},
			{`"panic"`, protocol.ErrInternal},
		} {
			n.converse(hello, refusedTalk(r.answer, `{"id":2,"subscribe":{"channel":"a","data":`+r.word+`}}`))
			n.converse(hello, refusedTalk(r.answer, publish(2, "a", r.word)))
			n.converse(hello, refusedTalk(r.answer, rpc(2, r.word)))
			n.converse("", refusedConnect(r.answer, `{"id":2,"connect":{"data":`+r.word+`}}`))
			n.converse(hello, refusedMessage(r.answer, `{"send":{"data":`+r.word+`}}`))
		}
		testutil.Eventually(t, patience, func() bool { return book.Count("broken inside") > 0 && book.Count("out of order") > 0 }, "the log has what failed")
		if got := n.counts().Panics; got != 0 {
			t.Errorf("%d sessions panicked for what the application did", got)
		}
		n.checkNeighbour()
	})
}

func rpc(id int, data string) string {
	return fmt.Sprintf(`{"id":%d,"rpc":{"method":"m","data":%s}}`, id, data)
}

// converse has a client say what k says, each frame whole.
func (n *node) converse(before string, k talk) {
	n.run(k.rule, func(t *testing.T) {
		var send []byte
		for _, text := range k.send {
			send = append(send, masked(0x81, text)...)
		}
		n.runTalk(t, &k, before, send, nil)
	})
}

// refusedTalk is a command that the application refuses and one behind it.
func refusedTalk(answer *protocol.Error, command string) talk {
	k := talk{rule: command, send: []string{command, unsubscribe(3, "a")}, end: "close 4500", reject: none}
	if answer != nil {
		k.replies, k.end = []string{failed(2, answer), unsubscribed(3)}, ""
	}
	return k
}

// refusedConnect is the same for a client at the door, of which nothing more is taken.
func refusedConnect(answer *protocol.Error, command string) talk {
	k := talk{rule: command, send: []string{command, hello}, end: "close 4500", reject: none}
	if answer != nil {
		k.replies, k.end = []string{failed(2, answer)}, bad
	}
	return k
}

// refusedMessage is the same for a message, which nothing answers.
func refusedMessage(answer *protocol.Error, command string) talk {
	k := refusedTalk(answer, command)
	if answer != nil {
		k.replies = k.replies[1:]
	}
	return k
}

// What the application gives a client is what the client and others get to see.
func TestHandlerGives(t *testing.T) {
	inBothWays(t, func(t *testing.T, nonBlocking bool) {
		n := openApp(t, Handler{
			NonBlocking: nonBlocking,
			Connect: func(*ConnectRequest) (ConnectReply, error) {
				return ConnectReply{User: "alice", Info: []byte(`{"name":"A"}`), Data: []byte(`{"hi":1}`),
					Subs: []Subscription{{Room: "news", Data: []byte(`[2]`)}, {Room: "é"}}}, nil
			},
			Subscribe: func(_ Client, r *SubscribeRequest) (SubscribeReply, error) {
				return SubscribeReply{Data: []byte("{\n}")}, nil
			},
			Publish: func(_ Client, r *PublishRequest) (PublishReply, error) {
				return PublishReply{Data: []byte(strings.ReplaceAll(string(r.Data), "damn", "****"))}, nil
			},
			RPC: func(c Client, r *RPCRequest) ([]byte, error) { return nil, nil },
		})
		pushed := `{"push":{"channel":"%s","pub":{"data":%s,"info":{"user":"alice","client":"ID","conn_info":{"name":"A"}}}}}`
		n.converse("", talk{
			rule: "connect, subscribe, publish, call",
			send: []string{hello, subscribe(2, "a"), publish(3, "a", `"damn it"`), publish(4, "news", `"all is well"`), rpc(5, "1")},
			replies: []string{
				`{"id":1,"connect":{"client":"ID","version":"edge","data":{"hi":1},"subs":{"news":{"data":[2]}}}}`,
				`{"id":2,"subscribe":{"data":{}}}`, published(3), published(4), `{"id":5,"rpc":{}}`,
			},
			pushes: []string{fmt.Sprintf(pushed, "a", `"**** it"`), fmt.Sprintf(pushed, "news", `"all is well"`)},
			reject: none,
		})
	})
}

// What the application publishes in place of a client's JSON and is none ends those who speak only JSON.
func TestHandlerPublishesBytes(t *testing.T) {
	n := openApp(t, Handler{Publish: func(Client, *PublishRequest) (PublishReply, error) {
		return PublishReply{Data: []byte{0xff}}, nil
	}})
	n.converse(hello, talk{
		rule: "data that is not JSON", send: []string{subscribe(2, "a") + "\n" + publish(3, "a", "1")},
		replies: []string{subscribed(2), published(3)}, end: "close 3506", reject: none,
	})
}

// The application decides about rooms, whatever their options are, and a client cannot go around it.
func TestHandlerDecidesAlone(t *testing.T) {
	h := moody()
	h.Subscribe = func(_ Client, r *SubscribeRequest) (SubscribeReply, error) {
		if r.Room != "open" {
			return SubscribeReply{}, refusal
		}
		return SubscribeReply{}, nil
	}
	openApp(t, h).converse("", talk{
		rule: "a wish where the options let everybody in", send: []string{`{"id":1,"connect":{"subs":{"a":{}}}}`, subscribe(2, "a")},
		replies: []string{connected, failed(2, refusal)}, reject: none,
	})
	n := openNode(t, func(c *Config) { c.Handler, c.Development = h, false })
	n.converse("", talk{
		rule: "a wish at connect is not granted", send: []string{`{"id":1,"connect":{"subs":{"a":{},"open":{}}}}`, subscribe(2, "open"), subscribe(3, "a")},
		replies: []string{connected, subscribed(2), failed(3, refusal)}, reject: none,
	})
	n.converse(hello, talk{
		rule: "publish where the options do not let anybody", send: []string{publish(2, "a", "1"), publish(3, "a", `"error"`)},
		replies: []string{published(2), failed(3, refusal)}, reject: none,
	})
}

// The application gets to know all that a request says, and of whom it is.
func TestHandlerIsTold(t *testing.T) {
	asked := make(chan string, 8)
	tell := func(c Client, format string, args ...any) {
		asked <- fmt.Sprintf("%s %s %s: ", c.ID, c.User, c.Info) + fmt.Sprintf(format, args...)
	}
	n := openApp(t, Handler{
		Connect: func(r *ConnectRequest) (ConnectReply, error) {
			tell(Client{ID: r.Client}, "%s %s %s", r.Token, r.Data, r.Name)
			return ConnectReply{User: "bob", Info: []byte("7")}, nil
		},
		Subscribe: func(c Client, r *SubscribeRequest) (SubscribeReply, error) {
			tell(c, "%s %s", r.Room, r.Data)
			return SubscribeReply{}, nil
		},
		Publish: func(c Client, r *PublishRequest) (PublishReply, error) {
			tell(c, "%s %s", r.Room, r.Data)
			return PublishReply{}, nil
		},
		RPC: func(c Client, r *RPCRequest) ([]byte, error) {
			tell(c, "%s %s", r.Method, r.Data)
			return r.Data, nil
		},
		Message:    func(c Client, data []byte) error { tell(c, "%s", data); return nil },
		Disconnect: func(c Client, why Disconnect) { tell(c, "%v", why) },
	})
	c := n.open(pathWebSocket)
	defer c.close()
	c.say(`{"id":1,"connect":{"token":"t","data":[1],"name":"js"}}`)
	c.say(`{"id":2,"subscribe":{"channel":"a","data":{"b":2}}}` + "\n" + publish(3, "c", "3") + "\n" + rpc(4, "4"))
	c.say(`{"send":{"data":5}}`)
	c.send(closing(1000, ""))
	first := <-asked
	id, _, _ := strings.Cut(first, " ")
	if _, ok := n.ids.parse(new(scratch), []byte(id)); !ok {
		t.Errorf("the client's id is %q", id)
	}
	got := []string{first, <-asked, <-asked, <-asked, <-asked, <-asked}
	want := []string{
		id + "  : t [1] js", id + ` bob 7: a {"b":2}`, id + " bob 7: c 3", id + " bob 7: m 4", id + " bob 7: 5",
		id + " bob 7: " + protocol.DisconnectConnectionClosed.Error(),
	}
	if !slices.Equal(got, want) {
		t.Errorf("the application was told\n%q; want\n%q", got, want)
	}
}
