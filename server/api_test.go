package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/protocol"
)

// openTown opens a node of two loops whose application lets everybody in, as the user that the token names, and into
// every room. Rooms of "past" have a history, those of "here" presence.
func openTown(t *testing.T) *node {
	return openNode(t, func(c *Config) {
		c.Development, c.Loops = false, 2
		c.Handler = Handler{
			Connect: func(r *ConnectRequest) (ConnectReply, error) {
				return ConnectReply{User: string(r.Token), Info: r.Data}, nil
			},
			Subscribe: func(Client, *SubscribeRequest) (SubscribeReply, error) { return SubscribeReply{}, nil },
		}
		c.Rooms.Namespaces = []Namespace{
			{Name: "past", RoomOptions: RoomOptions{HistorySize: 10, HistoryTTL: time.Minute, AllowHistoryForClient: true}},
			{Name: "here", RoomOptions: RoomOptions{Presence: true}},
		}
	})
}

// citizen is a client of a town, and its id.
type citizen struct {
	*client
	id string
}

// citizen lets a user in.
func (n *node) citizen(user string) citizen {
	n.t.Helper()
	c := n.open(pathWebSocket)
	c.say(`{"id":1,"connect":{"token":"` + user + `"}}`)
	f, end := c.frame()
	id := uuid.FindString(string(f.Payload))
	if end != "" || id == "" {
		n.t.Fatalf("connect of %q got %q, %s", user, f.Payload, end)
	}
	return citizen{c, id}
}

// enter subscribes c to a room.
func (c citizen) enter(room string) {
	c.t.Helper()
	c.say(subscribe(2, room))
	if got, _ := c.nextText(); !strings.HasPrefix(got, `{"id":2,"subscribe":`) {
		c.t.Fatalf("subscribe to %s got %s", room, got)
	}
}

// heard returns the pushes that c gets: so many, and any that come before the reply to a command.
func (c citizen) heard(pushes int) []string {
	c.say(unsubscribe(9, "nowhere"))
	return c.hear(1, pushes, false).pushes
}

// mustPublish publishes data and returns where it stands.
func (n *node) mustPublish(room, data string, o PublishOptions) PublishResult {
	n.t.Helper()
	r, err := n.Publish(n.t.Context(), room, []byte(data), o)
	if err != nil {
		n.t.Errorf("Publish(%s, %s): %v", room, data, err)
	}
	return r
}

func TestServerPublish(t *testing.T) {
	n := openTown(t)
	c := n.citizen("alice")
	defer c.close()
	c.enter("past:a")
	for _, r := range []struct {
		what, data string
		options    PublishOptions
		offset     uint64 // 0 for none
		suppressed bool
	}{
		{"plain", "1", PublishOptions{}, 1, false},
		{"with a key against repetition", "2", PublishOptions{IdempotencyKey: "k"}, 2, false},
		{"repeated", "3", PublishOptions{IdempotencyKey: "k"}, 2, true},
		{"of a version", "4", PublishOptions{Version: 7}, 3, false},
		{"of the same version", "5", PublishOptions{Version: 7}, 3, true},
		{"of an older version", "6", PublishOptions{Version: 6}, 3, true},
		{"of an older version in another epoch", "7", PublishOptions{Version: 6, VersionEpoch: "e"}, 4, false},
		{"with tags", "8", PublishOptions{Tags: map[string]string{"a": "b"}}, 5, false},
		{"ephemeral", "9", PublishOptions{Ephemeral: true, Key: "typing"}, 0, false},
		{"on two lines", "[\n10]", PublishOptions{}, 6, false},
	} {
		got := n.mustPublish("past:a", r.data, r.options)
		if got.Offset != r.offset || got.Suppressed != r.suppressed || (len(got.Epoch) == 8) != (r.offset > 0) {
			t.Errorf("%s: %+v; want offset %d, suppressed %v", r.what, got, r.offset, r.suppressed)
		}
	}
	want := []string{
		`{"data":1,"offset":1}`, `{"data":2,"offset":2}`, `{"data":4,"offset":3}`, `{"data":7,"offset":4}`,
		`{"data":8,"offset":5,"tags":{"a":"b"}}`, `{"data":9}`, `{"data":[10],"offset":6}`,
	}
	for i := range want {
		want[i] = `{"push":{"channel":"past:a","pub":` + want[i] + `}}`
	}
	if got := c.hear(0, len(want), false).pushes; !slices.Equal(got, want) {
		t.Errorf("a member heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := n.mustPublish("b", "1", PublishOptions{}); got != (PublishResult{}) {
		t.Errorf("in a room without a history: %+v; want no position", got)
	}
}

func TestServerPublishRefuses(t *testing.T) {
	n := openTown(t)
	data := []byte("1")
	check := func(what string, err error, want *protocol.Error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", what, err, want)
		}
	}
	publish := func(room string, data []byte) error {
		_, err := n.Publish(t.Context(), room, data, PublishOptions{})
		return err
	}
	check("unknown namespace", publish("what:a", data), protocol.ErrUnknownChannel)
	check("no name", publish("", data), protocol.ErrBadRequest)
	check("bad name", publish("é", data), protocol.ErrBadRequest)
	check("no data", publish("a", nil), protocol.ErrBadRequest)
	n.full.Add(1)
	check("a loop is behind", publish("a", data), protocol.ErrTooManyRequests)
	n.full.Add(-1)
	check("subscribe to an unknown namespace", n.Subscribe(t.Context(), Target{}, Subscription{Room: "what:a"}), protocol.ErrUnknownChannel)
	check("unsubscribe from no room", n.Unsubscribe(t.Context(), Target{}, ""), protocol.ErrBadRequest)
	_, err := n.Presence("a")
	check("presence where there is none", err, protocol.ErrNotAvailable)
	_, _, err = n.PresenceStats("past:a")
	check("statistics where there are none", err, protocol.ErrNotAvailable)
	_, _, err = n.PresenceStats("what:a")
	check("statistics of an unknown namespace", err, protocol.ErrUnknownChannel)
	_, err = n.Presence("")
	check("presence in no room", err, protocol.ErrBadRequest)
	check("remove a history where there is none", n.RemoveHistory("a"), protocol.ErrNotAvailable)
	check("remove the history of no room", n.RemoveHistory(""), protocol.ErrBadRequest)
}

// town is the citizens of one, and which of them a target means.
type town struct {
	*node
	all []citizen
}

func openSettledTown(t *testing.T) town {
	n := town{node: openTown(t)}
	for _, user := range []string{"alice", "alice", "bob", "", ""} {
		c := n.citizen(user)
		t.Cleanup(c.close)
		n.all = append(n.all, c)
	}
	return n
}

// aim is a target and the numbers of the citizens whom it means.
type aim struct {
	what   string
	user   string
	client string // #2 stands for the id of citizen 2
	want   []int
}

var aims = []aim{
	{"a user", "alice", "", []int{0, 1}},
	{"a user's only one", "bob", "", []int{2}},
	{"the anonymous", "", "", []int{3, 4}},
	{"a user nobody knows", "carol", "", nil},
	{"one of a user's", "alice", "#0", []int{0}},
	{"another user's", "alice", "#2", nil},
	{"one anonymous", "", "#4", []int{4}},
	{"a user's, but said to be anonymous", "", "#0", nil},
	{"an id of nobody", "bob", strings.Repeat("0", 36), nil},
	{"no id", "bob", "bob", nil},
}

// target is what a aims at.
func (n *town) target(a *aim) Target {
	t := Target{User: a.user, Client: a.client}
	if number, ok := strings.CutPrefix(a.client, "#"); ok {
		t.Client = n.all[number[0]-'0'].id
	}
	return t
}

// A target's clients, and no others, are put into a room, hear what happens there, and are taken out.
func TestServerSubscribes(t *testing.T) {
	n := openSettledTown(t)
	for i, a := range aims {
		n.run(a.what, func(t *testing.T) {
			ctx, room, target := t.Context(), fmt.Sprintf("past:%d", i), n.target(&a)
			sub := Subscription{Room: room, Data: []byte(`"welcome"`)}
			for range 2 { // the second time everybody is in already
				if err := n.Subscribe(ctx, target, sub); err != nil {
					t.Error(err)
				}
			}
			n.mustPublish(room, "1", PublishOptions{})
			n.checkHeard(t, a.want,
				`{"push":{"channel":"`+room+`","subscribe":{"data":"welcome"}}}`,
				`{"push":{"channel":"`+room+`","pub":{"data":1,"offset":1}}}`)
			if err := n.Unsubscribe(ctx, target, room); err != nil {
				t.Error(err)
			}
			n.mustPublish(room, "2", PublishOptions{})
			n.checkHeard(t, a.want, `{"push":{"channel":"`+room+`","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}`)
		})
	}
}

// checkHeard fails the test unless the citizens who are named heard just pushes, and the others nothing.
func (n *town) checkHeard(t *testing.T, who []int, pushes ...string) {
	t.Helper()
	for i, c := range n.all {
		var want []string
		if slices.Contains(who, i) {
			want = pushes
		}
		if got := c.heard(len(want)); !slices.Equal(got, want) {
			t.Errorf("citizen %d heard\n%q; want\n%q", i, got, want)
		}
	}
}

// A client that is in as many rooms as it may be is put into no other, and whoever wants that is told.
func TestServerSubscribeKeepsTheLimit(t *testing.T) {
	n := openTown(t)
	c := n.citizen("alice")
	defer c.close()
	for i := range n.config.RoomLimit {
		if err := n.Subscribe(t.Context(), Target{User: "alice"}, Subscription{Room: fmt.Sprint(i)}); err != nil {
			t.Error(err)
		}
	}
	err := n.Subscribe(t.Context(), Target{User: "alice"}, Subscription{Room: "one more"})
	if !errors.Is(err, protocol.ErrLimitExceeded) {
		t.Errorf("one room more: %v; want %v", err, protocol.ErrLimitExceeded)
	}
	if got := c.heard(n.config.RoomLimit); len(got) != n.config.RoomLimit {
		t.Errorf("a client was put into %d rooms; want %d", len(got), n.config.RoomLimit)
	}
}

// A target's clients, and no others, are sent away.
func TestServerDisconnects(t *testing.T) {
	for i, a := range aims {
		n := openSettledTown(t)
		n.run(a.what, func(t *testing.T) {
			why, end := Disconnect{Code: 4002, Reason: "goodbye"}, "close 4002"
			if i%2 == 0 {
				why, end = Disconnect{}, "close 3503"
			}
			if err := n.Disconnect(t.Context(), n.target(&a), why); err != nil {
				t.Error(err)
			}
			for k, c := range n.all {
				want := end
				if !slices.Contains(a.want, k) {
					want = `text "` + strings.ReplaceAll(unsubscribed(9), `"`, `\"`) + `"`
					c.say(unsubscribe(9, "nowhere"))
				}
				if got := c.next(); got != want {
					t.Errorf("citizen %d got %s; want %s", k, got, want)
				}
			}
		})
	}
}

// An order to a node waits no longer than its context, and not at all for a node that is closed.
func TestServerOrdersEnd(t *testing.T) {
	n := openTown(t)
	busy, release := make(chan struct{}, 2), make(chan struct{})
	held := make(chan error)
	go func() {
		held <- n.onLoops(context.Background(), func(*loop) { busy <- struct{}{}; <-release })
	}()
	<-busy
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Disconnect(ctx, Target{User: "alice"}, Disconnect{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an order to a loop that does not turn: %v; want Canceled", err)
	}
	close(release)
	if err := <-held; err != nil {
		t.Error(err)
	}
	n.Close()
	if err := n.Disconnect(t.Context(), Target{User: "alice"}, Disconnect{}); !errors.Is(err, ErrClosed) {
		t.Errorf("an order to a closed node: %v; want ErrClosed", err)
	}
}

func TestServerRemovesHistory(t *testing.T) {
	n := openTown(t)
	first := n.mustPublish("past:a", "1", PublishOptions{})
	if err := n.RemoveHistory("past:a"); err != nil {
		t.Error(err)
	}
	second := n.mustPublish("past:a", "2", PublishOptions{})
	if second.Offset != 2 || second.Epoch != first.Epoch {
		t.Errorf("after a removal the room went on from %+v with %+v", first, second)
	}
	c := n.citizen("historian")
	defer c.close()
	c.say(`{"id":2,"history":{"channel":"past:a","limit":-1}}`)
	want := `{"id":2,"history":{"publications":[{"data":2,"offset":2}],"epoch":"` + first.Epoch + `","offset":2}}`
	if got, _ := c.nextText(); got != want {
		t.Errorf("the room's history is %s; want %s", got, want)
	}
}

// The node that Start gets is the one that the other functions may use, also against the client that they serve.
func TestHandlerUsesItsNode(t *testing.T) {
	var node *Server
	n := openApp(t, Handler{
		Start: func(s *Server) { node = s },
		RPC: func(c Client, r *RPCRequest) ([]byte, error) {
			t := Target{Client: c.ID}
			switch r.Method {
			case "in":
				return nil, node.Subscribe(context.Background(), t, Subscription{Room: "a"})
			case "say":
				_, err := node.Publish(context.Background(), "a", r.Data, PublishOptions{})
				return nil, err
			}
			return nil, node.Disconnect(context.Background(), t, Disconnect{Code: 4003, Reason: "as you wish"})
		},
	})
	if node != n.Server {
		t.Fatal("Start was given another node")
	}
	call := func(id int, method string) string {
		return fmt.Sprintf(`{"id":%d,"rpc":{"method":"%s","data":1}}`, id, method)
	}
	n.converse(hello, talk{
		rule: "rpc", send: []string{call(2, "in") + "\n" + call(3, "say") + "\n" + call(4, "out")},
		replies: []string{`{"id":2,"rpc":{}}`, `{"id":3,"rpc":{}}`},
		pushes:  []string{`{"push":{"channel":"a","subscribe":{}}}`, `{"push":{"channel":"a","pub":{"data":1}}}`},
		end:     "close 4003", reject: none,
	})
}

func TestServerPresence(t *testing.T) {
	n := openSettledTown(t)
	for _, c := range n.all {
		c.enter("here:a")
	}
	clients, users, err := n.PresenceStats("here:a")
	if err != nil || clients != 5 || users != 3 { // the empty user id counts as one, as the field has it
		t.Errorf("PresenceStats = %d clients, %d users, %v; want 5 and 3", clients, users, err)
	}
	list, err := n.Presence("here:a")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, who := range list {
		got = append(got, who.ID+" "+who.User)
	}
	for i, user := range []string{"alice", "alice", "bob", "", ""} {
		want = append(want, n.all[i].id+" "+user)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("Presence = %q; want %q", got, want)
	}
	if list, err := n.Presence("here:empty"); err != nil || len(list) != 0 {
		t.Errorf("Presence of an empty room = %v, %v", list, err)
	}
}
