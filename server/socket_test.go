package server

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// What a handler waits for it need not wait for any more when its client has gone.
func TestSocketGoneIsToldAtOnce(t *testing.T) {
	a, gone := newSocketApp(), make(chan Socket, 1)
	a.event = func(s Socket, _ *SocketEvent) {
		if which := <-gone; which != s { // as if for an acknowledgement
			t.Errorf("told of %v; want %v", which, s)
		}
	}
	a.gone = func(s Socket) { gone <- s }
	n := openSocketNode(t, a, nil)
	c, _ := a.enter(n, "/")
	c.send(textOf(`42["x"]`))
	c.close()
	a.expect(t, `event / ["x"] []`, "disconnect /: transport close []")
}

func TestSocketLimits(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.SocketIO.Limits = SocketIOLimits{Namespaces: 2, Rooms: 3, Depth: 2} })
	ctx := context.Background()
	c, all := a.enter(n, "/", "/b")
	defer c.close()
	c.send(textOf("40/c,"))
	c.receives(t, text(`44/c,{"message":"too many namespaces"}`))
	if err := n.JoinSocket(ctx, all[0], "1", "2", "1"); err != nil {
		t.Error(err)
	}
	if err := n.JoinSocket(ctx, all[1], "3", "3", n.SocketID(all[1])); err != nil {
		t.Error(err)
	}
	for _, k := range all {
		if err := n.JoinSocket(ctx, k, "4"); !errors.Is(err, ErrRoomLimit) {
			t.Errorf("a room too many: %v", err)
		}
		if err := n.JoinSocket(ctx, k, strings.Repeat("x", maxRoomName+1)); !errors.Is(err, ErrRoomName) {
			t.Errorf("a giant room: %v", err)
		}
	}
	c.send(textOf(`42["a",[]]`))
	a.expect(t, `event / ["a",[]] []`)
	c.send(textOf(`42["a",[[]]]`))
	c.receives(t, "close 1005")
}

// Answers and emits go to their socket alone.
func TestSocketEmits(t *testing.T) {
	a := newSocketApp()
	a.event = func(s Socket, e *SocketEvent) {
		if e.HasAck {
			a.node.AckSocket(s, e.AckID, SocketPacket{e.Data, e.Attachments})
		}
	}
	n := openSocketNode(t, a, nil)
	c, all := a.enter(n, "/", "/b")
	defer c.close()
	c.send(textOf(`42/b,3["echo",{"a":[1]}]`))
	c.receives(t, text(`43/b,3["echo",{"a":[1]}]`))
	c.send(textOf(`451-4["echo",{"_placeholder":true,"num":0}]`))
	c.send(bytesOf("\x00\xff"))
	c.receives(t, text(`461-4["echo",{"_placeholder":true,"num":0}]`), bin("\x00\xff"))
	n.EmitSocket(all[1], packetOf(`["x",1]`), EmitOptions{})
	n.EmitSocket(all[0], packetOf(`["y"]`), EmitOptions{WantsAck: true, AckID: 0})
	n.EmitSocket(all[0], packetOf(`{}`), EmitOptions{})
	n.EmitSocket(Socket{}, packetOf(`["nobody"]`), EmitOptions{})
	n.EmitSocket(Socket{all[0].Conn, 99}, packetOf(`["nobody"]`), EmitOptions{})
	c.receives(t, text(`42/b,["x",1]`), text(`420["y"]`))
	n.DisconnectSocket(all[1], false)
	n.EmitSocket(all[1], packetOf(`["late"]`), EmitOptions{})
	c.receives(t, text(`41/b,`))
	n.DisconnectSocket(all[0], true)
	c.receives(t, text(`41`), "close 1005")
	got := a.wait(t, 4)
	if want := []string{"disconnect /b: server namespace disconnect []", "disconnect /: server namespace disconnect []"}; !slices.Equal(got[2:], want) {
		t.Errorf("application was called %q; want %q", got[2:], want)
	}
}
