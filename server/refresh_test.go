package server

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/metrics"
)

// inASecond is an end that comes while a test waits for it.
func inASecond() time.Time { return time.Now().Add(time.Second) }

// What the application says when it is asked again about a client holds from then on, and the client hears nothing of it.
func TestApplicationRefreshesASession(t *testing.T) {
	t.Parallel()
	inBothWays(t, func(t *testing.T, nonBlocking bool) {
		caps, err := auth.ParseCapabilities(`[{"channels":["a"],"allow":["sub","pub"]}]`)
		if err != nil {
			t.Fatal(err)
		}
		asked, metas := make(chan Client, 8), make(chan string, 8)
		n := openNode(t, func(c *Config) {
			c.Development, c.Access.Anonymous = false, true
			c.Handler = Handler{
				NonBlocking: nonBlocking,
				Connect: func(*ConnectRequest) (ConnectReply, error) {
					return ConnectReply{ExpireAt: inASecond(), Meta: []byte("1")}, nil
				},
				Refresh: func(c Client) (RefreshReply, error) {
					asked <- c
					return RefreshReply{Info: []byte(`{"n":2}`), Meta: []byte("2"), Capabilities: &caps}, nil
				},
				RPC: func(c Client, _ *RPCRequest) ([]byte, error) {
					metas <- fmt.Sprintf("%s %s", c.Meta, c.Info)
					return nil, nil
				},
			}
		})
		c := n.open(pathWebSocket)
		defer c.close()
		c.say(hello + "\n" + subscribe(2, "a"))
		if got := c.hear(2, 0, false).replies; got[0] != connected || !strings.Contains(got[1], `"code":103`) {
			t.Errorf("before the refresh: %q", got)
		}
		if got := <-asked; string(got.Meta) != "1" || got.Info != nil {
			t.Errorf("asked about %+v", got)
		}
		c.say(subscribe(3, "a") + "\n" + publish(4, "a", "7") + "\n" + rpc(5, "1"))
		want := heard{
			replies: []string{subscribed(3), published(4), `{"id":5,"rpc":{}}`},
			pushes:  []string{`{"push":{"channel":"a","pub":{"data":7,"info":{"user":"","client":"ID","conn_info":{"n":2}}}}}`},
		}
		if got := c.hear(3, 1, false); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("after the refresh: %v; want %v", got, want)
		}
		if got := <-metas; got != `2 {"n":2}` {
			t.Errorf("after the refresh the application gets %s", got)
		}
	})
}

// errDown is an application that could not find out.
var errDown = errors.New("the database is down")

// How a session whose time has come ends, or not.
func TestApplicationEndsASession(t *testing.T) {
	t.Parallel()
	for what, r := range map[string]struct {
		answers []decision[RefreshReply] // the last one again and again
		stay    time.Duration
		want    string // empty if it goes on
	}{
		"expired":            {[]decision[RefreshReply]{{RefreshReply{Expired: true}, nil}}, time.Hour, "close 3005"},
		"a disconnect":       {[]decision[RefreshReply]{{err: Disconnect{Code: 4100, Reason: "no"}}}, time.Hour, "close 4100"},
		"errors for ever":    {[]decision[RefreshReply]{{err: errDown}}, time.Second, "close 3005"},
		"errors for a while": {[]decision[RefreshReply]{{err: errDown}, {err: refusal}, {}}, time.Hour, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			asked := 0
			done := make(chan struct{})
			book := new(logbook)
			n := openNode(t, func(c *Config) {
				c.Log = slog.New(slog.NewJSONHandler(book, nil))
				c.ExpiredCloseDelay = r.stay
				c.Handler = Handler{
					Connect: func(*ConnectRequest) (ConnectReply, error) { return ConnectReply{ExpireAt: inASecond()}, nil },
					Refresh: func(Client) (RefreshReply, error) {
						v := r.answers[min(asked, len(r.answers)-1)]
						if asked++; asked == len(r.answers) {
							close(done)
						}
						return v.reply, v.err
					},
				}
			})
			c, _ := n.connect(pathWebSocket)
			defer c.close()
			c.extend()
			<-done
			if r.want == "" {
				c.say(unsubscribe(2, "a"))
				r.want = fmt.Sprintf("text %q", unsubscribed(2))
			}
			if got := c.next(); got != r.want {
				t.Errorf("got %s; want %s", got, r.want)
			}
			checkExpired(t, n, book, r.want == "close 3005")
		})
	}
}

// checkExpired checks that the one session of n was counted and logged as expired, or that none was.
func checkExpired(t *testing.T, n *node, book *logbook, expired bool) {
	t.Helper()
	if got := n.counts().Rejects[metrics.RejectExpired] == 1; got != expired {
		t.Errorf("counted as expired: %v; want %v", got, expired)
	}
	if !expired {
		return
	}
	testutil.Eventually(t, patience, func() bool { return len(book.lines(t, "rejected")) == 1 }, "a line about the end")
	if l := book.lines(t, "rejected")[0]; l["stage"] != "session" || l["reason"] != "expired" || l["peer"] == "" {
		t.Errorf("the log says %v; want session, expired", l)
	}
}

// A session about which nobody could be asked, as the pool had no room, stays until somebody is.
func TestRefreshWaitsForThePool(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	n := openApp(t, Handler{
		Connect: func(*ConnectRequest) (ConnectReply, error) { return ConnectReply{}, nil },
		Refresh: func(Client) (RefreshReply, error) { asked <- struct{}{}; return RefreshReply{Expired: true}, nil },
	})
	c, _ := n.connect(pathWebSocket)
	defer c.close()
	release := n.fillPool()
	before := n.counts().Limited
	if err := n.Refresh(t.Context(), Target{}, inASecond()); err != nil {
		t.Fatal(err)
	}
	c.next()                           // is told
	for n.counts().Limited == before { // the answers of a loop come once a turn at most
		n.checkNeighbour()
	}
	release()
	<-asked
	if got := c.next(); got != "close 3005" {
		t.Errorf("got %s; want close 3005", got)
	}
}

// lettingIn is an application whose subscriptions end soon, and go on as refresh says.
func lettingIn(refresh func(Client, *SubRefreshRequest) (SubRefreshReply, error)) Handler {
	return Handler{
		Connect: func(r *ConnectRequest) (ConnectReply, error) {
			if r.Data == nil {
				return ConnectReply{}, nil
			}
			return ConnectReply{Subs: []Subscription{{Room: "a", ExpireAt: inASecond()}}}, nil
		},
		Subscribe: func(Client, *SubscribeRequest) (SubscribeReply, error) {
			return SubscribeReply{ExpireAt: inASecond(), Info: []byte(`"old"`)}, nil
		},
		SubRefresh: refresh,
	}
}

func TestApplicationRefreshesASubscription(t *testing.T) {
	t.Parallel()
	inBothWays(t, func(t *testing.T, nonBlocking bool) {
		asked := make(chan string, 8)
		h := lettingIn(func(c Client, r *SubRefreshRequest) (SubRefreshReply, error) {
			asked <- r.Room
			return SubRefreshReply{Info: []byte(`"new"`), ExpireAt: time.Now().Add(time.Hour)}, nil
		})
		h.NonBlocking = nonBlocking
		n := openNode(t, func(c *Config) { c.Handler, c.Rooms.WithoutNamespace.Presence = h, true })
		c, _ := n.connect(pathWebSocket)
		defer c.close()
		pushed := `{"push":{"channel":"a","pub":{"data":1,"info":{"user":"","client":"ID","chan_info":%q}}}}`
		c.say(subscribe(2, "a") + "\n" + publish(3, "a", "1"))
		if got := c.hear(2, 1, false); got.replies[0] != subscribed(2) || got.pushes[0] != fmt.Sprintf(pushed, "old") {
			t.Errorf("before the refresh: %v", got)
		}
		if got := <-asked; got != "a" {
			t.Errorf("asked about room %q", got)
		}
		c.say(publish(4, "a", "1"))
		if got := c.hear(1, 1, false); got.replies[0] != published(4) || got.pushes[0] != fmt.Sprintf(pushed, "new") {
			t.Errorf("after the refresh: %v", got)
		}
		c.say(`{"id":5,"presence":{"channel":"a"}}`)
		if got, _ := c.nextText(); !strings.Contains(got, `"chan_info":"new"`) {
			t.Errorf("after the refresh presence is %s", got)
		}
	})
}

// How a subscription whose time has come ends, or not.
func TestApplicationEndsASubscription(t *testing.T) {
	t.Parallel()
	const gone = `text "{\"push\":{\"channel\":\"a\",\"unsubscribe\":{\"code\":2501,\"reason\":\"subscription expired\"}}}"`
	always := func(reply SubRefreshReply, err error) func(Client, *SubRefreshRequest) (SubRefreshReply, error) {
		return func(Client, *SubRefreshRequest) (SubRefreshReply, error) { return reply, err }
	}
	inTheEnd := 0
	for what, r := range map[string]struct {
		refresh  func(Client, *SubRefreshRequest) (SubRefreshReply, error)
		byServer bool
		want     string
	}{
		"expired":                   {always(SubRefreshReply{Expired: true}, nil), false, gone},
		"expired, of the server":    {always(SubRefreshReply{Expired: true}, nil), true, "close 3006"},
		"a disconnect":              {always(SubRefreshReply{}, Disconnect{Code: 4100, Reason: "no"}), false, "close 4100"},
		"errors for ever":           {always(SubRefreshReply{}, errDown), false, gone},
		"nobody to ask":             {nil, false, gone},
		"nobody to ask, the server": {nil, true, "close 3006"},
		"an error, and a panic": {func(Client, *SubRefreshRequest) (SubRefreshReply, error) {
			switch inTheEnd++; inTheEnd {
			case 1:
				return SubRefreshReply{}, refusal
			case 2:
				panic("out of order")
			}
			return SubRefreshReply{Expired: true}, nil
		}, false, gone},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			n := openNode(t, func(c *Config) {
				c.Handler, c.ExpiredSubCloseDelay = lettingIn(r.refresh), time.Second
				if what == "an error, and a panic" {
					c.ExpiredSubCloseDelay = time.Hour
				}
			})
			c := n.open(pathWebSocket)
			defer c.close()
			c.extend()
			if r.byServer {
				c.say(`{"id":1,"connect":{"data":1}}`)
			} else {
				c.say(hello + "\n" + subscribe(2, "a"))
				c.hear(1, 0, false)
			}
			c.hear(1, 0, false)
			if got := c.next(); got != r.want {
				t.Errorf("got %s; want %s", got, r.want)
			}
		})
	}
}

// A subscription that the application has made may be left, and made again, before its time has come; the first one's end is
// then nobody's.
func TestEndOfAFormerSubscription(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 8)
	h := lettingIn(func(_ Client, r *SubRefreshRequest) (SubRefreshReply, error) {
		asked <- r.Room
		return SubRefreshReply{}, nil
	})
	h.Subscribe = func(_ Client, r *SubscribeRequest) (SubscribeReply, error) {
		if string(r.Data) == "1" {
			return SubscribeReply{ExpireAt: inASecond()}, nil
		}
		return SubscribeReply{}, nil
	}
	h.NonBlocking = true // so that all commands are carried out in one turn
	n := openApp(t, h)
	c, _ := n.connect(pathWebSocket)
	defer c.close()
	ends := `{"id":2,"subscribe":{"channel":%q,"data":1}}`
	c.say(fmt.Sprintf(ends, "left") + "\n" + unsubscribe(3, "left") + "\n" +
		fmt.Sprintf(ends, "again") + "\n" + unsubscribe(3, "again") + "\n" + subscribe(4, "again") + "\n" + fmt.Sprintf(ends, "last"))
	c.hear(6, 0, false)
	if got := <-asked; got != "last" {
		t.Errorf("asked about %q first", got)
	}
	if len(asked) > 0 {
		t.Errorf("asked about %q", <-asked)
	}
}
