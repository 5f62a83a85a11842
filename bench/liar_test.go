package bench

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/protocol"
	"github.com/seed4ac54ce5/edge/proxyproto"
)

// liar is a server that does wrong on purpose, so that a test sees the flooder notice.
type liar struct {
	t        *testing.T
	listener net.Listener
	serving  sync.WaitGroup

	tls *tls.Config // nil for a plain server

	status int // of the answer to the upgrade, 0 for 101

	// gate returns lines of a header with which an upgrade is refused by 503, or none to let it pass.
	gate func() string

	// subscribe returns the answer to a subscription, if not nil.
	subscribe func(q *protocol.SubscribeRequest) protocol.SubscribeResult

	// answer replaces the reply to a command if it returns one.
	answer func(c *protocol.Command) []byte

	// spoil returns what member gets instead of push, the n-th publication: any messages, or nil to end it.
	spoil func(member, n int, push string) []string

	// byRoom has publications come to those alone who are in the room; member is then a number there.
	byRoom bool
	rooms  map[string][]net.Conn

	proxied bool // conns begin with a proxy's header, and requests have X-Flood: yes

	mu           sync.Mutex     // guards what follows
	clients      map[string]int // conns by the address in that header
	without      int            // requests without that line
	members      []net.Conn
	open         []net.Conn
	publications int

	enough func() // called at the 20th publication, if not nil
}

// startLiar serves until the test ends.
func startLiar(t *testing.T, l *liar) string {
	t.Helper()
	var err error
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	address := l.listener.Addr().String()
	if l.tls != nil {
		l.listener = tls.NewListener(l.listener, l.tls)
	}
	l.t = t
	l.serving.Go(l.accept)
	t.Cleanup(l.stop)
	return address
}

func (l *liar) stop() {
	l.listener.Close()
	l.mu.Lock()
	for _, c := range l.open {
		c.Close()
	}
	l.mu.Unlock()
	l.serving.Wait()
}

func (l *liar) accept() {
	for {
		c, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.open = append(l.open, c)
		l.mu.Unlock()
		l.serving.Go(func() { defer l.leave(c); l.serve(c) })
	}
}

// leave ends c and takes it out of the rooms.
func (l *liar) leave(c net.Conn) {
	c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	same := func(m net.Conn) bool { return m == c }
	l.open = slices.DeleteFunc(l.open, same)
	for name, members := range l.rooms {
		l.rooms[name] = slices.DeleteFunc(members, same)
	}
}

// serve reads c until it ends: first its request, then frames.
func (l *liar) serve(c net.Conn) {
	in := make([]byte, 0, 1<<20)
	var stream frame.Stream
	take := taker(l.request)
	if l.proxied {
		take = l.proxy
	}
	for {
		n, err := c.Read(in[len(in):cap(in)])
		if err != nil {
			return
		}
		in = in[:len(in)+n]
		for len(in) > 0 {
			n, next, ok := take(c, in, &stream)
			if !ok {
				return
			}
			if n == 0 {
				break
			}
			in, take = in[n:], next
		}
	}
}

// taker takes what is whole at the front of b, and says how much that was and who takes what follows.
type taker func(c net.Conn, b []byte, s *frame.Stream) (n int, next taker, ok bool)

func (l *liar) proxy(_ net.Conn, b []byte, _ *frame.Stream) (n int, next taker, ok bool) {
	h, n, err := proxyproto.Parse(b)
	if err != nil {
		l.t.Errorf("the flooder's proxy header %q: %v", b, err)
		return 0, nil, false
	}
	if n == 0 {
		return 0, l.proxy, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.clients == nil {
		l.clients = make(map[string]int)
	}
	l.clients[h.Source.String()]++
	return n, l.request, true
}

func (l *liar) request(c net.Conn, b []byte, _ *frame.Stream) (n int, next taker, ok bool) {
	var request frame.Request
	n, err := frame.ParseRequest(b, 0, &frame.RequestLimits{Head: 4096, Target: 256, Fields: 32}, &request)
	if err != nil {
		l.t.Errorf("the flooder's request: %v", err)
		return 0, nil, false
	}
	if n == 0 {
		return 0, l.request, true
	}
	if l.proxied && !bytes.Contains(b[:n], []byte("\r\nX-Flood: yes\r\n")) {
		l.mu.Lock()
		l.without++
		l.mu.Unlock()
	}
	return n, l.frame, l.upgrade(c, &request)
}

func (l *liar) frame(c net.Conn, b []byte, s *frame.Stream) (n int, next taker, ok bool) {
	f, n, _, err := s.Next(b, &frame.Options{MaxMessage: 1 << 20})
	if err != nil {
		l.t.Errorf("the flooder's frame: %v", err)
		return 0, nil, false
	}
	if n > 0 && f.Opcode == frame.OpClose {
		c.Write(frame.AppendClose(nil, 1000, "")) // and the end of the stream follows
		return 0, nil, false
	}
	return n, l.frame, n == 0 || f.Opcode != frame.OpText || l.message(c, f.Payload)
}

func (l *liar) upgrade(c net.Conn, r *frame.Request) bool {
	if l.status != 0 {
		fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n", l.status, http.StatusText(l.status))
		return false
	}
	if header := l.refusal(); header != "" {
		fmt.Fprintf(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n%s\r\n", header)
		return false
	}
	_, err := c.Write(frame.AppendUpgrade(nil, r.Key, "", frame.DeflateParams{}))
	return err == nil
}

func (l *liar) refusal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gate == nil {
		return ""
	}
	return l.gate()
}

// message obeys the commands of one message.
func (l *liar) message(c net.Conn, b []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var d protocol.Decoder
	for line := range protocol.JSON.Messages(b) {
		var command protocol.Command
		if err := protocol.JSON.DecodeCommand(&d, line, &command); err != nil {
			l.t.Errorf("the flooder's command %s: %v", line, err)
			return false
		}
		l.write(c, string(l.obey(c, &command)))
	}
	return true
}

// obey returns the reply to a command; a pong has none.
func (l *liar) obey(c net.Conn, command *protocol.Command) []byte {
	if l.answer != nil {
		if reply := l.answer(command); reply != nil {
			return reply
		}
	}
	switch command.Method {
	case protocol.MethodConnect:
		return protocol.JSON.AppendConnectReply(nil, command.ID, &protocol.ConnectResult{})
	case protocol.MethodSubscribe:
		if l.members = append(l.members, c); l.byRoom {
			l.enter(c, string(command.Subscribe.Channel))
		}
		var result protocol.SubscribeResult
		if l.subscribe != nil {
			result = l.subscribe(&command.Subscribe)
		}
		return protocol.JSON.AppendSubscribeReply(nil, command.ID, &result)
	case protocol.MethodPublish:
		l.publish(&command.Publish)
		return protocol.JSON.AppendPublishReply(nil, command.ID)
	}
	return nil
}

// enter puts c into a room.
func (l *liar) enter(c net.Conn, room string) {
	if l.rooms == nil {
		l.rooms = make(map[string][]net.Conn)
	}
	l.rooms[room] = append(l.rooms[room], c)
}

// publish gives each member what the test wants it to get.
func (l *liar) publish(p *protocol.PublishRequest) {
	if l.publications++; l.publications == 20 && l.enough != nil {
		l.enough()
	}
	push := string(protocol.JSON.AppendPublicationPush(nil, p.Channel, &protocol.Publication{Data: p.Data, Offset: uint64(l.publications)}))
	members := l.members
	if l.byRoom {
		members = l.rooms[string(p.Channel)]
	}
	for i, member := range members {
		if member == nil {
			continue
		}
		messages := l.spoil(i, l.publications, push)
		if messages == nil {
			member.Write(frame.AppendClose(nil, 3008, "slow"))
			members[i] = nil
		}
		for _, m := range messages {
			l.write(member, m)
		}
	}
}

// write sends a message, if there is one.
func (l *liar) write(c net.Conn, message string) {
	if message == "" {
		return
	}
	c.Write(frame.AppendFrame(nil, frame.OpText, []byte(message), false)) // who is gone needs nothing
}
