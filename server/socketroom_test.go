package server

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/protocol"
)

// A room that is a channel has members of both worlds, and a publication is an event.
func TestSocketRoomsThatAreChannels(t *testing.T) {
	a := newSocketApp()
	a.connect = func(*SocketConnect) (SocketWelcome, error) {
		return SocketWelcome{Grant: &ConnectReply{User: "ann", Info: []byte(`{"n":1}`)}}, nil
	}
	n := openSocketNode(t, a, func(c *Config) {
		c.SocketIO.RoomsAsChannels = []string{"/", "/game"}
		c.Rooms.WithoutNamespace = RoomOptions{HistorySize: 10, HistoryTTL: time.Minute, Presence: true}
		c.Rooms.Namespaces = []Namespace{{Name: "game"}}
	})
	ctx := context.Background()
	c, all := a.enter(n, "/", "/game")
	defer c.close()
	if err := n.JoinSocket(ctx, all[0], "lobby"); err != nil {
		t.Fatal(err)
	}
	if err := n.JoinSocket(ctx, all[1], "lobby"); err != nil {
		t.Fatal(err)
	}
	if err := n.JoinSocket(ctx, all[0], "game:lobby"); err != ErrRoomName {
		t.Errorf("another namespace's room: %v", err)
	}
	if who, err := n.PresenceForSocket(ctx, all[0], "lobby"); err != nil || len(who) != 1 || who[0].User != "ann" {
		t.Errorf("presence = %+v, %v", who, err)
	}
	sdk := n.member("lobby")
	defer sdk.close()
	hears := func(data string, tags string) {
		t.Helper()
		got := sdk.next()
		if !strings.Contains(got, strconv.Quote(`"data":` + data)[1:len(strconv.Quote(`"data":`+data))-1]) {
			t.Errorf("the other client received %s; want %s", got, data)
		}
		for _, tag := range strings.Fields(tags) {
			if !strings.Contains(got, tag) {
				t.Errorf("the other client received %s; want tag %s", got, tag)
			}
		}
	}
	room := SocketTarget{Namespace: "/", Rooms: []string{"lobby"}}
	for _, row := range []struct{ event, data, tags string }{
		{`["say",{"a":1}]`, `{"a":1}`, "event say"},
		{`["say"]`, `[]`, "event say args 0"},
		{`["say",1, [2]]`, `[1, [2]]`, "event say args 2"},
	} {
		if err := n.Broadcast(room, packetOf(row.event), EmitOptions{}); err != nil {
			t.Fatal(err)
		}
		c.receives(t, text(`42`+row.event))
		hears(row.data, row.tags)
	}
	if err := n.Broadcast(room, SocketPacket{[]byte(`["b",{"_placeholder":true,"num":0}]`), [][]byte{{1}}}, EmitOptions{}); err != ErrNotForRooms {
		t.Errorf("binary: %v", err)
	}
	if err := n.Broadcast(SocketTarget{"/", []string{"lobby"}, []string{n.SocketID(all[0])}}, packetOf(`["not for one"]`), EmitOptions{}); err != nil {
		t.Error(err)
	}
	hears(`[]`, "event")
	if _, err := n.Publish(ctx, "lobby", []byte(`"x"`), PublishOptions{Tags: map[string]string{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	got := c.next()
	if want := `text "42[\"publication\",\"x\",{\"room\":\"lobby\",\"offset\":5,\"epoch\":\"`; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `\"tags\":{\"k\":\"v\"}}]"`) {
		t.Errorf("a publication is %s", got)
	}
	if _, err := n.Publish(ctx, "game:lobby", []byte("\xff\x00"), PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	c.receives(t, text(`451-/game,["publication",{"_placeholder":true,"num":0},{"room":"lobby"}]`), bin("\xff\x00"))
	for tags, row := range map[string][2]string{
		"say":     {"[ ] ", `["say"]`},
		"hear":    {"[1 ] ", `["hear",1]`},
		"connect": {"1", `["publication",1]`}, // which would cut the client
	} {
		o := PublishOptions{Tags: map[string]string{"event": tags, "args": "?"}, Ephemeral: true}
		if _, err := n.Publish(ctx, "lobby", []byte(row[0]), o); err != nil {
			t.Fatal(err)
		}
		c.receives(t, text("42"+row[1]))
	}
	if h, err := n.API().History(ctx, "lobby", HistoryOptions{Limit: -1}); err != nil || len(h.Publications) != 5 {
		t.Errorf("history has %d, %v", len(h.Publications), err)
	}
	if rooms, err := n.SocketRooms(ctx, all[1]); err != nil || !slices.Equal(rooms, []string{"lobby"}) {
		t.Errorf("rooms %v, %v", rooms, err)
	}
	c.send(textOf("41"))
	n.await("one is left in the room", func() bool {
		who, err := n.API().Presence(ctx, "lobby")
		if err != nil {
			t.Fatal(err)
		}
		return len(who) == 1
	})
}

// Clients of the other protocol cannot name the rooms of sockets.
func TestSocketRoomsAreNoChannels(t *testing.T) {
	n := openSocketNode(t, newSocketApp(), nil)
	if _, err := n.namespaceOf([]byte("socketio:/,x")); err != protocol.ErrUnknownChannel {
		t.Errorf("namespaceOf = %v", err)
	}
	if err := n.SetRooms(Rooms{Namespaces: []Namespace{{Name: "socketio"}}}); err == nil {
		t.Error("a namespace of rooms may be called socketio")
	}
	a := newSocketApp()
	n = openSocketNode(t, a, func(c *Config) { c.SocketIO.RoomsAsChannels = []string{"/"} })
	ctx := context.Background()
	c, all := a.enter(n, "/")
	defer c.close()
	if err := n.JoinSocket(ctx, all[0], "socketio:/x"); err != ErrRoomName {
		t.Errorf("JoinSocket = %v", err)
	}
	if err := n.LeaveSocket(ctx, all[0], "socketio:/"); err != nil {
		t.Error(err)
	}
	if count, err := n.CountSockets(ctx, SocketTarget{Namespace: "/"}); err != nil || count != 1 {
		t.Errorf("%d in the namespace, %v", count, err)
	}
}

// A socket in several of an event's rooms gets it once, also where each of them is a channel.
func TestSocketInSeveralChannels(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.SocketIO.RoomsAsChannels = []string{"/"} })
	c, all := a.enter(n, "/")
	defer c.close()
	if err := n.JoinSocket(context.Background(), all[0], "b", "c"); err != nil {
		t.Fatal(err)
	}
	sdk := n.member("c")
	defer sdk.close()
	for _, event := range []string{`["first"]`, `["second"]`} {
		if err := n.Broadcast(SocketTarget{Namespace: "/", Rooms: []string{"a", "b", "c", "b"}}, packetOf(event), EmitOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	c.receives(t, text(`42["first"]`), text(`42["second"]`))
	for range 2 {
		if got := sdk.next(); !strings.Contains(got, "event") {
			t.Errorf("the other client received %s", got)
		}
	}
	n.EmitSocket(all[0], packetOf(`["end"]`), EmitOptions{})
	c.receives(t, text(`42["end"]`))
}
