package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/internal/testutil"
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

func TestMischiefIsSeen(t *testing.T) {
	t.Parallel()
	var kept string
	for _, row := range []struct {
		name  string
		spoil func(member, n int, push string) []string
		want  Ledger // Expected and Received follow
		close string
	}{
		{
			name:  "nothing wrong: joined, pinged, in two frames",
			spoil: func(_, _ int, push string) []string { return []string{"{}", "{}\n" + push + "\n{}"} },
		},
		{
			name: "one is missing",
			spoil: func(member, n int, push string) []string {
				if member == 0 && n == 2 {
					return []string{}
				}
				return []string{push}
			},
			want: Ledger{Missing: 1},
		},
		{
			name: "one comes twice",
			spoil: func(member, n int, push string) []string {
				if member == 1 && n == 2 {
					return []string{push + "\n" + push}
				}
				return []string{push}
			},
			want: Ledger{Duplicated: 1},
		},
		{
			name: "two in the wrong order",
			spoil: func(member, n int, push string) []string {
				switch {
				case member == 1 && n == 2:
					kept = push
					return []string{}
				case member == 1 && n == 3:
					return []string{push + "\n" + kept}
				}
				return []string{push}
			},
			want: Ledger{Reordered: 1},
		},
		{
			name: "one is damaged",
			spoil: func(member, n int, push string) []string {
				if member == 0 && n == 1 {
					return []string{strings.Replace(push, "xxxx", "xxyx", 1)}
				}
				return []string{push}
			},
			want: Ledger{Missing: 1, Damaged: 1},
		},
		{
			name: "one is of another room",
			spoil: func(member, n int, push string) []string {
				if member == 0 && n == 1 {
					return []string{push, strings.Replace(push, `"f00000000`, `"f00000001`, 1)}
				}
				return []string{push}
			},
			want: Ledger{Misrouted: 1},
		},
		{
			name: "a message that is no JSON",
			spoil: func(member, n int, push string) []string {
				if member == 0 && n == 1 {
					return []string{push, "{"}
				}
				return []string{push}
			},
			want: Ledger{Damaged: 1},
		},
		{
			name: "a member is thrown out",
			spoil: func(member, n int, push string) []string {
				if member == 1 && n == 2 {
					return nil
				}
				return []string{push}
			},
			close: `3008 "slow"`,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			drain := patience
			if row.want.Missing > 0 || row.close != "" {
				drain = loses
			}
			ctx, enough := context.WithCancel(t.Context())
			defer enough()
			l := &liar{spoil: row.spoil, enough: enough}
			r, err := Run(ctx, Options{
				Scenario: Fanout, Targets: []string{startLiar(t, l)}, Connections: 2, Rate: 100,
				Duration: time.Hour, Drain: drain,
			})
			if err != nil {
				t.Fatal(err)
			}
			l.mu.Lock()
			sent := uint64(l.publications)
			l.mu.Unlock()
			if sent < 3 {
				t.Fatalf("%d publications; too few to spoil", sent)
			}
			want := row.want
			if row.close != "" {
				want.Missing = sent - 1
				if r.Lost != 1 || r.Closes[row.close] != 1 {
					t.Errorf("lost %d, closes %v; want one for %s", r.Lost, r.Closes, row.close)
				}
			}
			want.Expected = 2 * sent
			want.Received = want.Expected - want.Missing
			if r.Delivery != want {
				t.Errorf("delivery = %+v; want %+v", r.Delivery, want)
			}
			if clean := row.want == (Ledger{}) && row.close == ""; errors.Is(r.Err(), ErrLoss) == clean {
				t.Errorf("Err() = %v; want an error: %v", r.Err(), !clean)
			}
		})
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	refuse := func(m protocol.Method) func(c *protocol.Command) []byte {
		return func(c *protocol.Command) []byte {
			if c.Method == m {
				return protocol.JSON.AppendError(nil, c.ID, protocol.ErrPermissionDenied)
			}
			return nil
		}
	}
	for label, l := range map[string]*liar{
		"upgrade: HTTP status 503":                   {status: 503},
		"connect: error 103 \"permission denied\"":   {answer: refuse(protocol.MethodConnect)},
		"subscribe: error 103 \"permission denied\"": {answer: refuse(protocol.MethodSubscribe)},
	} {
		r, err := Run(t.Context(), Options{Scenario: Idle, Targets: []string{startLiar(t, l)}, Connections: 5})
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed != 5 || r.Failures[label] != 5 || r.Ready != 0 || !errors.Is(r.Err(), ErrLoss) {
			t.Errorf("%d failed, %v, %v; want 5 for %s", r.Failed, r.Failures, r.Err(), label)
		}
	}
}

func TestRefusedPublicationsAreCounted(t *testing.T) {
	t.Parallel()
	l := &liar{answer: func(c *protocol.Command) []byte {
		if c.Method == protocol.MethodPublish {
			return protocol.JSON.AppendError(nil, c.ID, protocol.ErrPermissionDenied)
		}
		return nil
	}}
	r, err := Run(t.Context(), Options{
		Scenario: Idle, Targets: []string{startLiar(t, l)}, Connections: 4, Rooms: 2, PublishOnce: true, Drain: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	const label = "publish: error 103 \"permission denied\""
	if want := (Ledger{Expected: 4, Missing: 4}); r.Delivery != want || r.Errors[label] != 2 {
		t.Errorf("delivery %+v, errors %v; want %+v and two for %s", r.Delivery, r.Errors, want, label)
	}
}

// Of a run that is interrupted while it connects nothing is due to those who come to stand afterwards.
func TestInterruptedWhileConnecting(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	joined := 0
	l := &liar{spoil: faithful}
	l.answer = func(c *protocol.Command) []byte {
		if c.Method == protocol.MethodSubscribe {
			if joined++; joined == 3 {
				interrupt()
			}
		}
		return nil
	}
	r, err := Run(ctx, Options{Scenario: Idle, Targets: []string{startLiar(t, l)}, Connections: 200, PublishOnce: true, Drain: patience})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Err() != nil || r.Delivery != (Ledger{}) {
		t.Errorf("interrupted %v, %v, delivery %+v", r.Interrupted, r.Err(), r.Delivery)
	}
}

// A server that hangs has not served those whom it keeps waiting at the end.
func TestChurnOfServerThatHangs(t *testing.T) {
	t.Parallel()
	l := &liar{answer: func(*protocol.Command) []byte { return []byte{} }}
	r, err := Run(t.Context(), Options{Scenario: Churn, Targets: []string{startLiar(t, l)}, Connections: 3, Duration: time.Second, Drain: loses})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failures["not ready at the end: joining"] == 0 || r.Ready != 0 || !errors.Is(r.Err(), ErrLoss) {
		t.Errorf("%d ready, %d failed, %v, %v; want all who joined to have failed", r.Ready, r.Failed, r.Failures, r.Err())
	}
}

// A message of a member that is not answered is a loss.
func TestMessageWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	swallowed := false
	l := &liar{spoil: faithful}
	l.answer = func(c *protocol.Command) []byte {
		if c.Method != protocol.MethodPublish || swallowed || !bytes.HasSuffix(c.Publish.Channel, []byte("nobody")) {
			return nil
		}
		swallowed = true
		return []byte{}
	}
	r, err := Run(t.Context(), Options{
		Scenario: Idle, Targets: []string{startLiar(t, l)}, Connections: 4, PublishOnce: true, Message: 64, Drain: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Errors["message without an answer"] == 0 || !errors.Is(r.Err(), ErrLoss) {
		t.Errorf("errors %v, %v; want a message without an answer", r.Errors, r.Err())
	}
}

func TestNobodyListens(t *testing.T) {
	for _, s := range []Scenario{Idle, Churn} {
		r, err := Run(t.Context(), Options{
			Scenario: s, Targets: []string{testutil.Nobody}, Connections: 3,
			Duration: 30 * time.Millisecond, Probe: 5 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Ready != 0 || r.Failed < 3 || r.Failures["dialling: dial"] != r.Failed || !errors.Is(r.Err(), ErrLoss) {
			t.Errorf("%s: %d ready, %d failed, %v, %v", s, r.Ready, r.Failed, r.Failures, r.Err())
		}
		var table bytes.Buffer
		if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "dialling: dial") {
			t.Errorf("%s: table, %v:\n%s", s, err, table.String())
		}
	}
}
