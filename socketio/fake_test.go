package socketio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// fakeNode does with sockets what a node does, in one map. What is sent to a socket it keeps; what happens to it the test says.
type fakeNode struct {
	t  *testing.T
	io *IO

	mu      sync.Mutex
	sockets map[server.Socket]*fakeSocket
	serial  uint32
	behind  error // what Broadcast returns
	disk    *fakeDisk
}

// fakeDisk is where a fake node keeps records.
type fakeDisk struct {
	mu   sync.Mutex
	logs map[string][][]byte
	full error
}

type fakeSocket struct {
	node      *fakeNode
	key       server.Socket
	namespace string
	id, pid   string
	rooms     map[string]bool
	offset    string // of the last event, as a client keeps it

	got   []string // events and acknowledgements, as text
	acks  []uint64 // asked of it, and not answered
	moved *sync.Cond
}

var errGone = errors.New("no such socket")

// newFake returns an application on a fake node, after arrange has given it its functions.
func newFake(t *testing.T, o Options, arrange func(*IO)) *fakeNode {
	return newFakeOn(t, nil, o, arrange)
}

// newFakeOn is newFake with a disk, which may have been another's.
func newFakeOn(t *testing.T, disk *fakeDisk, o Options, arrange func(*IO)) *fakeNode {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &fakeNode{t: t, io: New(o), sockets: make(map[server.Socket]*fakeSocket), disk: disk}
	if disk != nil {
		f.serial = uint32(100 * (1 + len(disk.logs))) // ids are not given out again
	}
	if arrange != nil {
		arrange(f.io)
	}
	f.io.Server(server.SocketIO{})
	f.io.start(f)
	return f
}

func (f *fakeNode) app() app { return app{f.io} }

// request returns a client at the door.
func (f *fakeNode) request(namespace, auth string) *server.SocketConnect {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serial++
	s := server.Socket{Conn: 1, Serial: f.serial}
	r := &server.SocketConnect{Socket: s, ID: f.SocketID(s), Namespace: namespace, Handshake: &server.SocketHandshake{
		URL: "/socket.io/?EIO=4&transport=websocket&key=a&key=b&one=1", Address: netip.MustParseAddrPort("192.0.2.1:99"), Issued: time.Unix(1, 0).UTC(),
	}}
	if auth != "" {
		r.Auth = []byte(auth)
	}
	return r
}

// connect returns a socket that has been let in.
func (f *fakeNode) connect(namespace, auth string) *fakeSocket {
	f.t.Helper()
	c, err := f.tryConnect(namespace, auth)
	if err != nil {
		f.t.Fatalf("connect to %s: %v", namespace, err)
	}
	return c
}

func (f *fakeNode) tryConnect(namespace, auth string) (*fakeSocket, error) {
	r := f.request(namespace, auth)
	welcome, err := f.app().Connect(r)
	if err != nil {
		return nil, err
	}
	c := &fakeSocket{node: f, key: r.Socket, namespace: namespace, id: r.ID, pid: welcome.PID, rooms: make(map[string]bool), moved: sync.NewCond(&f.mu)}
	f.mu.Lock()
	if welcome.ID != "" {
		c.id = welcome.ID
		c.rooms[c.id] = true
	}
	for _, room := range welcome.Rooms {
		c.rooms[room] = true
	}
	f.sockets[r.Socket] = c
	for _, p := range welcome.Missed {
		c.take(p, server.EmitOptions{})
	}
	f.mu.Unlock()
	if welcome.Joined != nil {
		welcome.Joined()
	}
	f.app().Connected(r.Socket, namespace)
	return c, nil
}

// take is given a packet, under mu.
func (c *fakeSocket) take(p server.SocketPacket, o server.EmitOptions) {
	text := string(p.Data)
	if o.WantsAck {
		c.acks = append(c.acks, o.AckID)
	} else if i, j := strings.LastIndex(text, `,"`), strings.LastIndex(text, `"]`); c.pid != "" && i >= 0 && j > i {
		text, c.offset = text[:i]+"]", text[i+2:j]
	}
	for _, a := range p.Attachments {
		text += " " + string(a)
	}
	if o.Volatile {
		text += " volatile"
	}
	c.got = append(c.got, text)
	c.moved.Broadcast()
}

// emit has the client send an event. id is that of an acknowledgement, below 0 for none.
func (c *fakeSocket) emit(data string, id int, attachments ...string) {
	e := &server.SocketEvent{Namespace: c.namespace, SocketPacket: packetOf(data, attachments...), HasAck: id >= 0}
	if id >= 0 {
		e.AckID = uint64(id)
	}
	c.node.app().Event(c.key, e)
}

// answer has the client answer the oldest event that asks for it, when one does.
func (c *fakeSocket) answer(data string, attachments ...string) {
	c.node.mu.Lock()
	for len(c.acks) == 0 {
		c.moved.Wait()
	}
	id := c.acks[0]
	c.acks = c.acks[1:]
	c.node.mu.Unlock()
	c.node.app().Ack(c.key, id, packetOf(data, attachments...))
}

// heard returns what came since it was asked last.
func (c *fakeSocket) heard() string {
	c.node.mu.Lock()
	defer c.node.mu.Unlock()
	text := strings.Join(c.got, "; ")
	c.got = nil
	return text
}

// expect checks what came since it was asked last.
func (c *fakeSocket) expect(want string) {
	c.node.t.Helper()
	if got := c.heard(); got != want {
		c.node.t.Errorf("%s heard %s; want %s", c.id, got, want)
	}
}

// leave ends the socket.
func (c *fakeSocket) leave(reason string) {
	c.node.mu.Lock()
	if c.node.sockets[c.key] == nil {
		c.node.mu.Unlock()
		return
	}
	delete(c.node.sockets, c.key)
	rooms := slices.Sorted(maps.Keys(c.rooms))
	c.node.mu.Unlock()
	c.node.app().Disconnect(c.key, c.namespace, reason, rooms)
}

// members returns the sockets of t, under mu.
func (f *fakeNode) members(t server.SocketTarget) (all []*fakeSocket) {
	for _, c := range f.sockets {
		in := func(room string) bool { return room == f.SocketID(c.key) || c.rooms[room] }
		if c.namespace == t.Namespace && (len(t.Rooms) == 0 || slices.ContainsFunc(t.Rooms, in)) && !slices.ContainsFunc(t.Except, in) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *fakeSocket) int { return int(a.key.Serial) - int(b.key.Serial) })
	return all
}

func (f *fakeNode) EmitSocket(s server.Socket, p server.SocketPacket, o server.EmitOptions) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.sockets[s]; c != nil {
		c.take(p, o)
	}
}

func (f *fakeNode) AckSocket(s server.Socket, id uint64, p server.SocketPacket) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.sockets[s]; c != nil {
		p.Data = fmt.Appendf(nil, "%d%s", id, p.Data)
		c.got = append(c.got, string(p.Data))
	}
}

func (f *fakeNode) Broadcast(t server.SocketTarget, p server.SocketPacket, o server.EmitOptions) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.behind != nil {
		return f.behind
	}
	for _, c := range f.members(t) {
		c.take(p, o)
	}
	return nil
}

func (f *fakeNode) BroadcastTo(_ context.Context, t server.SocketTarget, p server.SocketPacket, o server.EmitOptions) (to []server.Socket, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.members(t) {
		c.take(p, o)
		to = append(to, c.key)
	}
	return to, f.behind
}

func (f *fakeNode) SocketID(s server.Socket) string { return fmt.Sprintf("id%d", s.Serial) }

func (f *fakeNode) JoinSockets(_ context.Context, t server.SocketTarget, rooms ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.members(t) {
		for _, room := range rooms {
			c.rooms[room] = true
		}
	}
	return nil
}

func (f *fakeNode) LeaveSockets(_ context.Context, t server.SocketTarget, rooms ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.members(t) {
		for _, room := range rooms {
			delete(c.rooms, room)
		}
	}
	return nil
}

func (f *fakeNode) JoinSocket(ctx context.Context, s server.Socket, rooms ...string) error {
	if _, err := f.SocketRooms(ctx, s); err != nil {
		return err
	}
	return f.JoinSockets(ctx, f.alone(s), rooms...)
}

func (f *fakeNode) LeaveSocket(ctx context.Context, s server.Socket, rooms ...string) error {
	return f.LeaveSockets(ctx, f.alone(s), rooms...)
}

// alone names one socket.
func (f *fakeNode) alone(s server.Socket) server.SocketTarget {
	f.mu.Lock()
	defer f.mu.Unlock()
	return server.SocketTarget{Namespace: f.sockets[s].namespace, Rooms: []string{f.SocketID(s)}}
}

func (f *fakeNode) SocketRooms(_ context.Context, s server.Socket) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.sockets[s]
	if c == nil {
		return nil, errGone
	}
	return slices.Sorted(maps.Keys(c.rooms)), nil
}

func (f *fakeNode) Sockets(_ context.Context, t server.SocketTarget) (all []server.SocketInfo, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.members(t) {
		all = append(all, server.SocketInfo{Socket: c.key, ID: f.SocketID(c.key), Rooms: slices.Sorted(maps.Keys(c.rooms))})
	}
	return all, nil
}

func (f *fakeNode) DisconnectSocket(s server.Socket, all bool) {
	f.mu.Lock()
	c := f.sockets[s]
	f.mu.Unlock()
	if c != nil {
		go c.leave(map[bool]string{true: "forced server close", false: "server namespace disconnect"}[all])
	}
}

func (f *fakeNode) DropSocket(s server.Socket) {
	f.mu.Lock()
	c := f.sockets[s]
	f.mu.Unlock()
	if c != nil {
		go c.leave("transport error")
	}
}

func (f *fakeNode) DisconnectSockets(t server.SocketTarget, all bool) {
	f.mu.Lock()
	members := f.members(t)
	f.mu.Unlock()
	for _, c := range members {
		f.DisconnectSocket(c.key, all)
	}
}

func (f *fakeNode) KeepRecord(log string, data []byte) error {
	if f.disk == nil {
		return server.ErrNoStore
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.full == nil {
		f.disk.logs[log] = append(f.disk.logs[log], data)
	}
	return f.disk.full
}

func (f *fakeNode) Records(log string, read func(data []byte)) error {
	if f.disk == nil {
		return server.ErrNoStore
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	for _, data := range f.disk.logs[log] {
		read(data)
	}
	return nil
}
