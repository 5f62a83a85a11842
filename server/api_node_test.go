package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/api"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/protocol"
)

// call posts a request to n's API and returns the answer's body, with epochs and client ids made plain.
func (n *node) call(method, body string) string {
	h := api.New(n.API(), api.Options{Insecure: true, Log: slog.New(slog.DiscardHandler)})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", api.Prefix+"/"+method, strings.NewReader(body)))
	return anyEpoch.ReplaceAllString(w.Body.String(), `"epoch":"E"`)
}

var anyEpoch = regexp.MustCompile(`"epoch":"[-_A-Za-z0-9]{8}"`)

// checkCall fails the test unless n's API answers that.
func (n *node) checkCall(method, body, want string) {
	n.t.Helper()
	if got := n.call(method, body); got != want {
		n.t.Errorf("%s %s is answered with\n%s\nwant\n%s", method, body, got, want)
	}
}

const fine = `{"result":{}}`

func apiError(e *protocol.Error) string {
	return fmt.Sprintf(`{"error":{"code":%d,"message":"%s"}}`, e.Code, e.Message)
}

func TestAPIPublishes(t *testing.T) {
	n := openTown(t)
	c := n.citizen("alice")
	defer c.close()
	c.enter("past:a")
	n.checkCall("publish", `{"channel":"past:a","data":{"x":1},"tags":{"k":"v"},"idempotency_key":"i"}`, `{"result":{"offset":1,"epoch":"E"}}`)
	n.checkCall("publish", `{"channel":"past:a","data":2,"idempotency_key":"i"}`, `{"result":{"offset":1,"epoch":"E"}}`)
	n.checkCall("publish", `{"channel":"past:a","data":3,"skip_history":true}`, fine)
	n.checkCall("publish", `{"channel":"past:a","data":4,"version":18446744073709551615,"version_epoch":"e"}`, `{"result":{"offset":2,"epoch":"E"}}`)
	n.checkCall("publish", `{"channel":"plain","data":null}`, fine)
	n.checkCall("broadcast", `{"channels":["past:a","what:a","plain"],"data":5}`,
		`{"result":{"responses":[{"result":{"offset":3,"epoch":"E"}},{"error":{"code":102,"message":"unknown channel"}},{"result":{}}]}}`)
	want := []string{`{"data":{"x":1},"offset":1,"tags":{"k":"v"}}`, `{"data":3}`, `{"data":4,"offset":2}`, `{"data":5,"offset":3}`}
	for i := range want {
		want[i] = `{"push":{"channel":"past:a","pub":` + want[i] + `}}`
	}
	if got := c.heard(len(want)); !slices.Equal(got, want) {
		t.Errorf("a member heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	n.checkCall("publish", `{"channel":"é","data":1}`, apiError(protocol.ErrBadRequest))
	n.checkCall("publish", `{"channel":"what:a","data":1}`, apiError(protocol.ErrUnknownChannel))
}

func TestAPIReadsHistory(t *testing.T) {
	n := openTown(t)
	n.mustPublish("past:a", "1", PublishOptions{Tags: map[string]string{"b": "2", "a": "1"}})
	n.mustPublish("past:a", "\x00\xff", PublishOptions{})
	c := n.citizen("alice")
	defer c.close()
	at := n.mustPublish("past:a", "3", PublishOptions{})
	pubs := []string{`{"data":1,"offset":1,"tags":{"a":"1","b":"2"}}`, `{"b64data":"AP8=","offset":2}`, `{"data":3,"offset":3}`}
	answer := func(which ...int) string {
		var list []string
		for _, i := range which {
			list = append(list, pubs[i])
		}
		return `{"result":{"publications":[` + strings.Join(list, ",") + `],"epoch":"E","offset":3}}`
	}
	n.checkCall("history", `{"channel":"past:a"}`, answer())
	n.checkCall("history", `{"channel":"past:a","limit":-1}`, answer(0, 1, 2))
	n.checkCall("history", `{"channel":"past:a","limit":2,"reverse":true}`, answer(2, 1))
	n.checkCall("history", `{"channel":"past:a","limit":1,"since":{"offset":1,"epoch":"`+at.Epoch+`"}}`, answer(1))
	n.checkCall("history", `{"channel":"past:a","limit":9,"since":{"offset":3},"reverse":true}`, answer(1, 0))
	n.checkCall("history", `{"channel":"past:a","limit":1,"since":{"offset":1,"epoch":"other"}}`, apiError(protocol.ErrUnrecoverablePosition))
	n.checkCall("history", `{"channel":"plain","limit":1}`, apiError(protocol.ErrNotAvailable))
	n.checkCall("history", `{"channel":"what:a"}`, apiError(protocol.ErrUnknownChannel))
	n.checkCall("history_remove", `{"channel":"past:a"}`, fine)
	n.checkCall("history", `{"channel":"past:a","limit":-1}`, answer())
}

// What clients have published comes with who they are.
func TestAPIHistoryNamesPublishers(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Rooms.WithoutNamespace = RoomOptions{HistorySize: 5, HistoryTTL: patience, AllowPublishForClient: true}
		c.Handler.Connect = func(r *ConnectRequest) (ConnectReply, error) {
			return ConnectReply{User: string(r.Token), Info: []byte(`{"name":"A"}`)}, nil
		}
	})
	c := n.citizen("alice")
	defer c.close()
	c.say(publish(2, "a", "1"))
	if got, _ := c.nextText(); got != `{"id":2,"publish":{}}` {
		t.Fatalf("publish got %s", got)
	}
	n.checkCall("history", `{"channel":"a","limit":-1}`,
		`{"result":{"publications":[{"data":1,"info":{"user":"alice","client":"`+c.id+`","conn_info":{"name":"A"}},"offset":1}],"epoch":"E","offset":1}}`)
}

func TestAPIPresence(t *testing.T) {
	n := openSettledTown(t)
	for _, c := range n.all[:2] {
		c.enter("here:a")
	}
	n.checkCall("subscribe", `{"user":"bob","channel":"here:a","info":{"role":"guest"}}`, fine)
	var entries []string
	for i, user := range []string{"alice", "alice", "bob"} {
		id, info := n.all[i].id, ""
		if user == "bob" {
			info = `,"chan_info":{"role":"guest"}`
		}
		entries = append(entries, fmt.Sprintf(`"%s":{"user":"%s","client":"%s"%s}`, id, user, id, info))
	}
	slices.Sort(entries)
	n.checkCall("presence", `{"channel":"here:a"}`, `{"result":{"presence":{`+strings.Join(entries, ",")+`}}}`)
	n.checkCall("presence", `{"channel":"here:b"}`, `{"result":{"presence":{}}}`)
	n.checkCall("presence", `{"channel":"past:a"}`, apiError(protocol.ErrNotAvailable))
	n.checkCall("presence", `{"channel":"what:a"}`, apiError(protocol.ErrUnknownChannel))
	n.checkCall("presence_stats", `{"channel":"here:a"}`, `{"result":{"num_clients":3,"num_users":2}}`)
}

// Targets mean the same to the API as to programs; what is no session's id is nobody's.
func TestAPIOrders(t *testing.T) {
	n := openSettledTown(t)
	n.checkCall("subscribe", `{"user":"alice","channel":"plain","data":"welcome"}`, fine)
	n.checkCall("subscribe", `{"user":"alice","channel":"other","session":"s"}`, fine)
	n.checkHeard(t, []int{0, 1}, `{"push":{"channel":"plain","subscribe":{"data":"welcome"}}}`)
	n.checkCall("unsubscribe", `{"user":"alice","channel":"plain","client":"`+n.all[1].id+`"}`, fine)
	n.checkHeard(t, []int{1}, `{"push":{"channel":"plain","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}`)
	n.checkCall("unsubscribe", `{"user":"alice","channel":"what:a"}`, apiError(protocol.ErrUnknownChannel))
	n.checkCall("subscribe", `{"user":"alice","channel":"what:a"}`, apiError(protocol.ErrUnknownChannel))

	n.checkCall("disconnect", `{"user":"alice","whitelist":["`+n.all[1].id+`","no id"],"disconnect":{"code":4001,"reason":"moved"}}`, fine)
	n.checkCall("refresh", `{"user":"bob","expired":true}`, fine)
	n.checkCall("disconnect", `{"user":""}`, fine)
	for i, want := range []string{"close 4001", "", "close 3005", "close 3503", "close 3503"} {
		if want == "" {
			n.checkStays(n.all[i])
		} else if got := n.all[i].next(); got != want {
			t.Errorf("citizen %d got %s; want %s", i, got, want)
		}
	}
}

// checkStays fails the test unless c is served.
func (n *node) checkStays(c citizen) {
	n.t.Helper()
	c.say(unsubscribe(9, "nowhere"))
	if got, _ := c.nextText(); got != unsubscribed(9) {
		n.t.Errorf("a client that should stay got %s", got)
	}
}

// What came since a position is due to whoever is put into the room, before what comes later; where something of it is gone,
// nobody is put there.
func TestAPISubscribesSince(t *testing.T) {
	n := openSettledTown(t)
	var at PublishResult
	for i := range 4 {
		at = n.mustPublish("past:a", fmt.Sprint(i+1), PublishOptions{})
	}
	since := func(room string, offset int, epoch string) string {
		return fmt.Sprintf(`{"user":"bob","channel":%q,"recover_since":{"offset":%d,"epoch":%q}}`, room, offset, epoch)
	}
	n.checkCall("subscribe", since("past:a", 1, "another"), apiError(protocol.ErrUnrecoverablePosition))
	n.checkCall("subscribe", since("past:a", 99, at.Epoch), apiError(protocol.ErrUnrecoverablePosition))
	n.checkCall("subscribe", since("plain", 1, at.Epoch), apiError(protocol.ErrNotAvailable))
	n.checkHeard(t, nil)
	n.checkCall("subscribe", since("past:a", 2, at.Epoch), fine)
	n.mustPublish("past:a", "5", PublishOptions{})
	n.checkHeard(t, []int{2}, `{"push":{"channel":"past:a","subscribe":{"offset":2}}}`,
		`{"push":{"channel":"past:a","pub":{"data":3,"offset":3}}}`,
		`{"push":{"channel":"past:a","pub":{"data":4,"offset":4}}}`,
		`{"push":{"channel":"past:a","pub":{"data":5,"offset":5}}}`)
	n.checkCall("subscribe", since("past:a", 0, at.Epoch), fine) // it is there already
	n.checkCall("subscribe", since("past:b", 0, ""), fine)       // nothing ever was there
	n.checkHeard(t, []int{2}, `{"push":{"channel":"past:b","subscribe":{}}}`)
}

// The push that puts a client into a room that shows its newest publication at once is followed by that one.
func TestAPISubscribesToTheLatest(t *testing.T) {
	n := openNode(t, func(c *Config) {
		c.Rooms.Namespaces = []Namespace{{"latest", RoomOptions{Kind: "latest", HistorySize: 2, HistoryTTL: time.Hour}}}
	})
	n.mustPublish("latest:a", "1", PublishOptions{})
	n.mustPublish("latest:a", "2", PublishOptions{})
	c := n.citizen("")
	defer c.close()
	n.checkCall("subscribe", `{"user":"","channel":"latest:a"}`, fine)
	got := c.heard(2)
	if len(got) != 2 || !strings.Contains(got[0], `"subscribe":`) || !strings.Contains(got[1], `"pub":{"data":2`) {
		t.Errorf("heard %q; want a subscribe push and the newest publication", got)
	}
}

// What a durable room still owes its consumer comes behind the push, from the position that the call names.
func TestAPISubscribesToADurableRoom(t *testing.T) {
	n := durably(t, 100, patience)
	n.offer(1, 3)
	c := n.citizen("")
	defer c.close()
	n.checkCall("subscribe", `{"user":"","channel":"job:1","recover_since":{"offset":1}}`, fine)
	if got := c.heard(3)[0]; !strings.Contains(got, `"subscribe":`) {
		t.Errorf("heard %q first; want a subscribe push", got)
	}
	n.offer(4, 4)
	c.wantOffsets([]int{4})
}

// Overrides hold for one subscription, in place of the room's options.
func TestAPIOverrides(t *testing.T) {
	n := openSettledTown(t)
	n.checkCall("subscribe", `{"user":"bob","channel":"here:a","override":{"presence":{"value":false}}}`, fine)
	n.checkCall("subscribe", `{"user":"alice","channel":"here:a","client":"`+n.all[0].id+`","override":{"presence":{"value":true}}}`, fine)
	n.checkCall("presence_stats", `{"channel":"here:a"}`, `{"result":{"num_clients":1,"num_users":1}}`)
	n.checkCall("subscribe", `{"user":"bob","channel":"past:a","override":{"force_recovery":{"value":true}}}`, fine)
	n.checkCall("subscribe", `{"user":"alice","channel":"past:a","client":"`+n.all[1].id+`","override":{"force_positioning":{"value":true}}}`, fine)
	for i, want := range []string{"", `"epoch":"E","positioned":true`, `"recoverable":true,"epoch":"E","positioned":true`} {
		got := n.all[i].heard(1)
		if push := anyEpoch.ReplaceAllString(got[len(got)-1], `"epoch":"E"`); want != "" && push != `{"push":{"channel":"past:a","subscribe":{`+want+`}}}` {
			t.Errorf("citizen %d heard %q; want %s", i, got, want)
		}
	}
}

// A subscription that the server has made ends with its conn, unless it is made for longer.
func TestAPISubscriptionExpires(t *testing.T) {
	t.Parallel()
	n := openNode(t, func(c *Config) { c.ExpiredSubCloseDelay = time.Millisecond })
	stays, ends := n.citizen(""), n.citizen("")
	defer stays.close()
	defer ends.close()
	call := func(c citizen, until time.Time) {
		n.checkCall("subscribe", fmt.Sprintf(`{"user":"","client":%q,"channel":"a","expire_at":%d}`, c.id, until.Unix()), fine)
		if got := c.heard(1); len(got) != 1 || got[0] != `{"push":{"channel":"a","subscribe":{}}}` {
			t.Errorf("heard %q; want a subscribe push", got)
		}
	}
	call(stays, time.Now().Add(time.Hour))
	call(ends, time.Now().Add(5*time.Second))
	if got := ends.next(); got != "close 3006" {
		t.Errorf("when the subscription has ended: %s; want close 3006", got)
	}
	n.checkStays(stays)
}

// A refresh puts off the end of conns, or brings it, and changes what others are told of them.
func TestAPIRefreshes(t *testing.T) {
	n := openSettledTown(t)
	for _, c := range n.all[:3] {
		c.enter("here:a")
	}
	until := time.Now().Add(time.Hour)
	n.checkCall("refresh", fmt.Sprintf(`{"user":"alice","expire_at":%d,"info":{"name":"A"}}`, until.Unix()), fine)
	for _, c := range n.all[:2] {
		var push struct {
			Push struct {
				Refresh struct {
					Expires bool
					TTL     int
				}
			}
		}
		if got := c.heard(1); json.Unmarshal([]byte(got[0]), &push) != nil || !push.Push.Refresh.Expires || push.Push.Refresh.TTL < 3000 || push.Push.Refresh.TTL > 3600 {
			t.Errorf("heard %q; want a refresh push for an hour", got)
		}
	}
	n.checkCall("refresh", `{"user":"alice","client":"`+n.all[0].id+`"}`, fine)
	n.checkHeard(t, []int{0}, `{"push":{"refresh":{}}}`)
	n.checkCall("refresh", `{"user":"","client":"`+n.all[3].id+`","info":{"name":"B"}}`, fine)
	n.checkHeard(t, []int{3}, `{"push":{"refresh":{}}}`)
	n.all[3].enter("here:a")
	var entries []string
	for i, about := range []string{
		`"user":"alice","client":"%s","conn_info":{"name":"A"}`, `"user":"alice","client":"%s","conn_info":{"name":"A"}`,
		`"user":"bob","client":"%s"`, `"user":"","client":"%s","conn_info":{"name":"B"}`,
	} {
		entries = append(entries, fmt.Sprintf(`"%s":{`+about+`}`, n.all[i].id, n.all[i].id))
	}
	slices.Sort(entries)
	n.checkCall("presence", `{"channel":"here:a"}`, `{"result":{"presence":{`+strings.Join(entries, ",")+`}}}`)
	n.checkCall("refresh", `{"user":"bob","expire_at":1}`, fine)
	if got := n.all[2].next(); got != "close 3005" {
		t.Errorf("a refresh up to a time that is over: %s; want close 3005", got)
	}
}

// A session that has been refreshed goes on when its token has expired, and one that has been cut short ends.
func TestAPIRefreshMovesTheEnd(t *testing.T) {
	t.Parallel()
	n := openKeyed(t, func(c *Config) { c.ExpiredCloseDelay = 2 * time.Second })
	put := func(user string, until time.Time) {
		n.checkCall("refresh", fmt.Sprintf(`{"user":%q,"expire_at":%d}`, user, until.Unix()), fine)
	}
	off, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: endsSoon("off")}))
	defer off.close()
	short, _ := n.enter(tokenOf(t, auth.ConnectClaims{Identity: user("short", time.Hour)}))
	defer short.close()
	began := time.Now()
	put("off", began.Add(time.Hour))
	put("short", time.Now().Add(3*time.Second))
	for _, c := range []*client{off, short} {
		if got, _ := c.nextText(); !strings.HasPrefix(got, `{"push":{"refresh":{"expires":true,"ttl":`) {
			t.Errorf("a refresh is told as %s", got)
		}
	}
	if got := short.next(); got != "close 3005" {
		t.Errorf("a session that has been cut short got %s; want close 3005", got)
	}
	off.staysOpen(7*time.Second - time.Since(began))
	off.say(unsubscribe(2, "a"))
	if got, _ := off.nextText(); got != unsubscribed(2) {
		t.Errorf("a session that has been put off got %s", got)
	}
}

func TestAPIChannels(t *testing.T) {
	n := openSettledTown(t)
	for i, c := range n.all {
		c.enter("all")
		c.say(subscribe(3, fmt.Sprintf("past:%d", i%2)))
		if got, _ := c.nextText(); !strings.HasPrefix(got, `{"id":3,"subscribe":`) {
			t.Fatalf("subscribe got %s", got)
		}
	}
	n.checkCall("channels", `{}`, `{"result":{"channels":{"all":{"num_clients":5},"past:0":{"num_clients":3},"past:1":{"num_clients":2}}}}`)
	n.checkCall("channels", `{"pattern":"*:1"}`, `{"result":{"channels":{"past:1":{"num_clients":2}}}}`)
	var info struct{ Result api.InfoResult }
	if err := json.Unmarshal([]byte(n.call("info", `{}`)), &info); err != nil || len(info.Result.Nodes) != 1 {
		t.Fatalf("info: %+v, %v", info, err)
	}
	got := info.Result.Nodes[0]
	if !uuid.MatchString(got.UID) || !strings.HasSuffix(got.Name, n.InternalAddress()[strings.LastIndexByte(n.InternalAddress(), ':')+1:]) || got.Uptime < 0 {
		t.Errorf("info: %+v", got)
	}
	got.UID, got.Name, got.Uptime = "", "", 0
	if want := (api.NodeInfo{Version: "edge", NumClients: 5, NumUsers: 3, NumChannels: 3, NumSubs: 10}); got != want {
		t.Errorf("info: %+v; want %+v", got, want)
	}
}

func TestAPIEndsWithTheNode(t *testing.T) {
	n := openTown(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	node := n.API()
	if _, err := node.Info(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Info with a context that has ended: %v", err)
	}
	c := n.citizen("alice")
	defer c.close()
	c.enter("a")
	if _, err := node.Rooms(ctx, func(string) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("Rooms with a context that has ended: %v", err)
	}
	n.Close()
	if _, err := node.Info(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Info of a closed node: %v; want ErrClosed", err)
	}
}
