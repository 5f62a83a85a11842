package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// A socket that has come back has the id of another that is gone, and that names it.
func TestSocketBroadcastsButToOneThatIsBack(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, nil)
	other, _ := a.enter(n, "/")
	defer other.close()
	was, all := a.enter(n, "/")
	old := n.SocketID(all[0])
	was.close()
	a.expect(t, "disconnect /: transport close []")
	a.mu.Lock()
	a.connect = func(*SocketConnect) (SocketWelcome, error) { return SocketWelcome{ID: old}, nil }
	a.mu.Unlock()
	c, _ := a.enter(n, "/")
	defer c.close()
	for _, e := range []struct {
		name   string
		except []string
	}{{"not for it", []string{old}}, {"for all", nil}} {
		if err := n.Broadcast(SocketTarget{Namespace: "/", Except: e.except}, packetOf(`["`+e.name+`"]`), EmitOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	other.receives(t, text(`42["not for it"]`), text(`42["for all"]`))
	c.receives(t, text(`42["for all"]`))
}

// A broadcast reaches those of its target, each once.
func TestSocketBroadcasts(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.Loops = 2 })
	ctx := context.Background()
	var clients []*client
	var all []Socket
	for range 4 {
		c, k := a.enter(n, "/a", "/b")
		defer c.close()
		clients, all = append(clients, c), append(all, k[0])
	}
	join := func(i int, rooms ...string) {
		if err := n.JoinSocket(ctx, all[i], rooms...); err != nil {
			t.Fatal(err)
		}
	}
	join(0, "x")
	join(1, "x", "y")
	join(2, "y", n.SocketID(all[3]))
	id := func(i int) string { return n.SocketID(all[i]) }
	for _, row := range []struct {
		rooms, except []string
		want          string
	}{
		{nil, nil, "0123"},
		{[]string{"x"}, nil, "01"},
		{[]string{"x", "y"}, nil, "012"},
		{[]string{"nowhere"}, nil, ""},
		{nil, []string{id(1)}, "023"},
		{nil, []string{"x"}, "23"},
		{[]string{"y"}, []string{"x"}, "2"},
		{[]string{"x"}, []string{id(0)}, "1"},
		{[]string{"x", "y"}, []string{id(0), id(2)}, "1"},
		{[]string{id(0)}, nil, "0"},
		{[]string{id(0)}, []string{id(0)}, ""},
		{[]string{id(3)}, nil, "23"},
		{[]string{id(0), id(3), "x"}, []string{id(1)}, "023"},
	} {
		target := SocketTarget{"/a", row.rooms, row.except}
		if err := n.Broadcast(target, packetOf(`["e"]`), EmitOptions{}); err != nil {
			t.Fatal(err)
		}
		reached, err := n.BroadcastTo(ctx, target, packetOf(`["to"]`), EmitOptions{WantsAck: true, AckID: 5})
		if err != nil || len(reached) != len(row.want) {
			t.Errorf("BroadcastTo(%v) reached %d, %v; want %d", target, len(reached), err, len(row.want))
		}
		if count, err := n.CountSockets(ctx, target); err != nil || count != len(row.want) {
			t.Errorf("CountSockets(%v) = %d, %v; want %d", target, count, err, len(row.want))
		}
		for i, c := range clients {
			if strings.Contains(row.want, strconv.Itoa(i)) {
				c.receives(t, text(`42/a,["e"]`), text(`42/a,5["to"]`))
			}
		}
		if err := n.Broadcast(SocketTarget{Namespace: "/a"}, packetOf(`["end"]`), EmitOptions{}); err != nil {
			t.Fatal(err)
		}
		for i, c := range clients {
			if got := c.next(); got != text(`42/a,["end"]`) {
				t.Fatalf("client %d received %s from %v besides", i, got, target)
			}
		}
	}
	infos, err := n.Sockets(ctx, SocketTarget{Namespace: "/a", Rooms: []string{"y"}})
	if err != nil || len(infos) != 2 {
		t.Fatalf("Sockets = %v, %v", infos, err)
	}
	for _, info := range infos {
		slices.Sort(info.Rooms)
		if rooms, err := n.SocketRooms(ctx, info.Socket); err != nil || !slices.Equal(info.Rooms, slices.Sorted(slices.Values(rooms))) || info.ID != n.SocketID(info.Socket) {
			t.Errorf("%+v; rooms %v, %v", info, rooms, err)
		}
	}
	if err := n.LeaveSockets(ctx, SocketTarget{Namespace: "/a", Rooms: []string{"y"}}, "x", "y"); err != nil {
		t.Error(err)
	}
	if err := n.JoinSockets(ctx, SocketTarget{Namespace: "/a", Except: []string{"x"}}, "z"); err != nil {
		t.Error(err)
	}
	for room, want := range map[string]int{"x": 1, "y": 0, "z": 3} {
		if got, err := n.CountSockets(ctx, SocketTarget{Namespace: "/a", Rooms: []string{room}}); err != nil || got != want {
			t.Errorf("%d in room %s, %v; want %d", got, room, err, want)
		}
	}
	n.DisconnectSockets(SocketTarget{Namespace: "/a", Rooms: []string{"x"}}, true)
	n.DisconnectSockets(SocketTarget{Namespace: "/a", Rooms: []string{"z"}}, false)
	if got := clients[0].rest(); len(got) != 3 || got[2] != "close 1005" {
		t.Errorf("disconnected from all: %q", got)
	}
	for _, c := range clients[1:] {
		c.receives(t, text(`41/a,`))
	}
}

// Attachments are part of what is shared, also for clients that take text alone, or MessagePack.
func TestSocketAttachments(t *testing.T) {
	p := SocketPacket{[]byte(`["e",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`), [][]byte{{1, 2, 3, 4}, {}}}
	for name, row := range map[string]struct {
		pack  bool
		query string
		want  []string
	}{
		"text":        {false, "", []string{text("452-" + string(p.Data)), bin("\x01\x02\x03\x04"), bin("")}},
		"base64":      {false, "&b64=1", []string{text("452-" + string(p.Data)), text("bAQIDBA=="), text("b")}},
		"pack":        {true, "", []string{bin("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x93\xa1e\xc4\x00\xc4\x04\x01\x02\x03\x04")}},
		"pack base64": {true, "&b64=1", []string{text("bg6R0eXBlAqNuc3ChL6RkYXRhk6FlxADEBAECAwQ=")}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newSocketApp()
			n := openSocketNode(t, a, func(c *Config) { c.SocketIO.MessagePack = row.pack })
			c := n.open("/socket.io/" + webSocketQuery + row.query)
			defer c.close()
			c.next()
			if row.pack {
				c.send(bytesOf("\x82\xa4type\x00\xa3nsp\xa1/"))
			} else {
				c.send(textOf("40"))
			}
			c.next()
			a.expect(t, "connect / ", "connected /")
			if err := n.Broadcast(SocketTarget{Namespace: "/"}, p, EmitOptions{}); err != nil {
				t.Fatal(err)
			}
			c.receives(t, row.want...)
			if err := n.Broadcast(SocketTarget{Namespace: "/", Except: []string{"x", "y"}}, p, EmitOptions{}); err != nil {
				t.Fatal(err)
			}
			c.receives(t, row.want...)
			n.EmitSocket(a.newest, p, EmitOptions{})
			c.receives(t, row.want...)
			if row.pack {
				c.send(bytesOf("\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x03\xa4data\x92\xa1x\xc4\x01\x07"))
				a.expect(t, `event / ["x",{"_placeholder":true,"num":0}] ["\a"] ack 3`)
				c.send(textOf("42[\"x\"]"))
				c.receives(t, "close 1005")
			}
		})
	}
}

// A broadcast is encoded once for each form, whoever many get it and on however many loops.
func TestSocketBroadcastIsEncodedOnce(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.Loops = 2 })
	var mu sync.Mutex
	encoded := 0
	encode := n.encoders[wireSocketText]
	n.encoders[wireSocketText] = func(dst []byte, p *hub.Publication) []byte {
		mu.Lock()
		encoded++
		mu.Unlock()
		return encode(dst, p)
	}
	var clients []*client
	for range 20 {
		c, _ := a.enter(n, "/")
		defer c.close()
		clients = append(clients, c)
	}
	for i, target := range []SocketTarget{{Namespace: "/"}, {Namespace: "/", Except: []string{"a", "b"}}} {
		p := SocketPacket{[]byte(`["e",{"_placeholder":true,"num":0}]`), [][]byte{{1}}}
		if err := n.Broadcast(target, p, EmitOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, c := range clients {
			c.receives(t, text(`451-["e",{"_placeholder":true,"num":0}]`), bin("\x01"))
		}
		mu.Lock()
		if encoded != i+1 {
			t.Errorf("encoded %d times; want %d", encoded, i+1)
		}
		mu.Unlock()
	}
}

// Each client receives what each of many goroutines has for it in the order of that one's calls: by room, by several rooms, and to
// itself alone.
func TestSocketOrder(t *testing.T) {
	const senders, calls, members = 6, 150, 8
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.Loops = 2 })
	ctx := context.Background()
	var clients []*client
	var all []Socket
	for i := range members {
		c, k := a.enter(n, "/")
		defer c.close()
		clients, all = append(clients, c), append(all, k[0])
		rooms := []string{"all"}
		if i%2 == 0 {
			rooms = append(rooms, "even")
		}
		if err := n.JoinSocket(ctx, k[0], rooms...); err != nil {
			t.Fatal(err)
		}
	}
	var sending sync.WaitGroup
	for sender := range senders {
		sending.Go(func() {
			for i := range calls {
				p := packetOf(fmt.Sprintf(`["e",%d,%d]`, sender, i))
				var err error
				switch i % 6 {
				case 0:
					err = n.Broadcast(SocketTarget{Namespace: "/"}, p, EmitOptions{})
				case 1:
					err = n.Broadcast(SocketTarget{Namespace: "/", Rooms: []string{"all"}}, p, EmitOptions{})
				case 2:
					err = n.Broadcast(SocketTarget{Namespace: "/", Rooms: []string{"all", "even"}}, p, EmitOptions{})
				case 3:
					err = n.Broadcast(SocketTarget{Namespace: "/", Rooms: []string{"even"}, Except: []string{n.SocketID(all[1])}}, p, EmitOptions{})
				case 4:
					err = n.Broadcast(SocketTarget{Namespace: "/", Except: []string{"odd", "none"}}, p, EmitOptions{})
				default:
					for _, k := range all {
						n.EmitSocket(k, p, EmitOptions{})
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	sending.Wait()
	for m, c := range clients {
		next := make([]int, senders)
		due := calls
		if m%2 == 1 {
			due -= calls / 6
		}
		for range senders * due {
			var sender, i int
			got := c.next()
			if _, err := fmt.Sscanf(got, `text "42[\"e\",%d,%d]"`, &sender, &i); err != nil {
				t.Fatalf("member %d received %s", m, got)
			}
			if i < next[sender] || i > next[sender]+1 || i == next[sender]+1 && (m%2 == 0 || i%6 != 4) {
				t.Fatalf("member %d received %d of sender %d; want %d", m, i, sender, next[sender])
			}
			next[sender] = i + 1
		}
	}
}

// What is volatile is for those who can take it at once.
func TestSocketVolatile(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.QueueLimit = 64 << 20 })
	c, all := a.enter(n, "/")
	defer c.close()
	large := packetOf(`["large","` + strings.Repeat("x", 16<<20) + `"]`)
	n.EmitSocket(all[0], large, EmitOptions{})
	o := EmitOptions{Volatile: true}
	n.EmitSocket(all[0], packetOf(`["v"]`), o)
	for _, target := range []SocketTarget{{Namespace: "/"}, {Namespace: "/", Except: []string{"a", "b"}}} {
		if err := n.Broadcast(target, packetOf(`["v"]`), o); err != nil {
			t.Fatal(err)
		}
	}
	n.EmitSocket(all[0], packetOf(`["end"]`), EmitOptions{})
	c.receives(t, text("42"+string(large.Data)), text(`42["end"]`))
	n.await("nothing is queued", func() bool { return n.queued() == 0 })
	if err := n.Broadcast(SocketTarget{Namespace: "/"}, packetOf(`["v"]`), o); err != nil {
		t.Fatal(err)
	}
	c.receives(t, text(`42["v"]`))
}

// queued returns how many bytes wait for clients.
func (n *node) queued() int64 { return n.counts().Queued }

// What sockets leave behind, when all of them have gone, is nothing.
func TestSocketsComeAndGo(t *testing.T) {
	a := newSocketApp()
	a.connect = func(r *SocketConnect) (SocketWelcome, error) {
		return SocketWelcome{ID: "old" + r.ID, Rooms: []string{"r", r.ID}}, nil
	}
	n := openSocketNode(t, a, nil)
	left := func() (records, boxes, rooms int) {
		err := n.onLoops(context.Background(), func(l *loop) {
			k := &l.sockets
			records += l.engines.Live() + k.records.Live() + len(k.byName) + len(k.names) + len(k.halves) + len(k.handshakes.byConn) + l.rosters.Subscriptions()
			boxes += len(k.boxes) + len(k.waiting)
		})
		if err != nil {
			t.Fatal(err)
		}
		rooms, _ = n.hub.Count()
		return records, boxes, rooms
	}
	for range 3 {
		var clients []*client
		for range 20 {
			c, _ := a.enter(n, "/", "/b")
			c.send(textOf(`451-["half"]`))
			clients = append(clients, c)
		}
		if records, _, rooms := left(); records < 20*(1+2*3) || rooms != 2*(1+1+2*20) {
			t.Errorf("%d records, %d rooms while they are there", records, rooms)
		}
		for _, c := range clients {
			c.close()
		}
		a.wait(t, 2*20)
		n.await("nothing is left of them", func() bool { // boxes go with the next tick
			records, boxes, rooms := left()
			return records+boxes+rooms == 0
		})
	}
}

// A recovered socket is named by the id that it had, also where it is left out.
func TestSocketWithAnotherId(t *testing.T) {
	for _, channels := range [][]string{nil, {"/"}} {
		a := newSocketApp()
		var old atomic.Value
		a.connect = func(*SocketConnect) (SocketWelcome, error) {
			id, _ := old.Load().(string)
			return SocketWelcome{ID: id}, nil
		}
		n := openSocketNode(t, a, func(c *Config) { c.SocketIO.RoomsAsChannels = channels })
		first, gone := a.enter(n, "/")
		id := n.SocketID(gone[0])
		first.close()
		a.wait(t, 1)
		old.Store(id)
		c, all := a.enter(n, "/")
		if err := n.JoinSocket(context.Background(), all[0], "r"); err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			target SocketTarget
			event  string
		}{
			{SocketTarget{Namespace: "/", Rooms: []string{"r"}, Except: []string{id}}, `["not for it"]`},
			{SocketTarget{Namespace: "/", Rooms: []string{id}, Except: []string{id}}, `["nor this"]`},
			{SocketTarget{Namespace: "/", Rooms: []string{id}}, `["named"]`},
			{SocketTarget{Namespace: "/", Rooms: []string{"r"}}, `["end"]`},
		} {
			if err := n.Broadcast(row.target, packetOf(row.event), EmitOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		c.receives(t, text(`42["named"]`), text(`42["end"]`))
		c.close()
	}
}

// What is done with very many sockets leaves the loop to others in between.
func TestSocketWalksPause(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, nil)
	const many = walkStride + 1
	var clients []*client
	for range many {
		c, _ := a.enter(n, "/")
		defer c.close()
		clients = append(clients, c)
	}
	err := n.onLoops(context.Background(), func(l *loop) {
		served := 0
		w := walk{target: SocketTarget{Namespace: "/"}, do: func(*loop, *netpoll.Conn, *session, uint32) { served++ }}
		for _, want := range []int{walkStride, many} {
			if more := w.step(l); more != (want < many) || served != want {
				t.Errorf("%d served, more %t; want %d", served, more, want)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	n.DisconnectSockets(SocketTarget{Namespace: "/"}, true)
	for _, c := range clients {
		c.receives(t, text("41"), "close 1005")
	}
}

// A session that has gone on from polling to a WebSocket gets broadcasts in frames: what waited for a poll, and what came later.
func TestSocketBroadcastsAcrossAnUpgrade(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, nil)
	p := n.pollerAt("/socket.io/", "")
	defer p.end()
	p.post("40")
	p.poll()
	a.wait(t, 2)
	broadcast := func(event string) {
		if err := n.Broadcast(SocketTarget{Namespace: "/"}, packetOf(event), EmitOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	ws := n.open("/socket.io/" + webSocketQuery + "&sid=" + p.handshake.SID)
	defer ws.close()
	ws.send(textOf("2probe"))
	ws.expect(`text "3probe"`)
	broadcast(`["before"]`)
	n.await("the event waits for a poll", func() bool {
		var waiting atomic.Int64
		n.onEach(func(l *loop) { waiting.Add(int64(l.net.Queued())) })
		return waiting.Load() > 0
	})
	ws.send(textOf("5"))
	ws.expect(`text "42[\"before\"]"`)
	broadcast(`["after"]`)
	ws.expect(`text "42[\"after\"]"`)
}

// What is for one socket alone, behind a broadcast, leaves in the turn of both: nothing may come for a long time that would make the
// loop turn again.
func TestSocketEmitBehindABroadcast(t *testing.T) {
	a := newSocketApp()
	n := openSocketNode(t, a, func(c *Config) { c.SocketIO.NoHandshakes, c.SocketIO.PingInterval = true, time.Hour })
	c, all := a.enter(n, "/")
	defer c.close()
	for ticks := true; ticks; { // for what is over
		ticks = false
		var mu sync.Mutex
		if err := n.onLoops(t.Context(), func(l *loop) {
			mu.Lock()
			defer mu.Unlock()
			ticks = ticks || l.timed
		}); err != nil {
			t.Fatal(err)
		}
	}
	held, release, freed := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		freed <- n.onLoops(context.Background(), func(*loop) { held <- struct{}{}; <-release })
	}()
	for range n.loops {
		<-held
	}
	if err := n.Broadcast(SocketTarget{Namespace: "/"}, packetOf(`["all"]`), EmitOptions{}); err != nil {
		t.Error(err)
	}
	n.EmitSocket(all[0], packetOf(`["you"]`), EmitOptions{})
	close(release)
	errs := []error{<-freed}
	for range 2 { // the first may come before the turn of both, the second does not
		errs = append(errs, n.onLoops(t.Context(), func(l *loop) {
			if held := l.net.Corked(); held > 0 {
				t.Errorf("%d bytes were left for another turn", held)
			}
		}))
	}
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	c.receives(t, text(`42["all"]`), text(`42["you"]`))
}
