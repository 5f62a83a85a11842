package bench

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/frame"
)

// socketIO is a Socket.IO server with one room, which spoils what it sends as a test wishes.
type socketIO struct {
	t       *testing.T
	spoil   func(packet string) string // what is sent instead; "" for nothing
	serving sync.WaitGroup

	mu      sync.Mutex // guards what follows, and writing
	open    []net.Conn
	members []net.Conn
}

func startSocketIO(t *testing.T, spoil func(string) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &socketIO{t: t, spoil: spoil}
	s.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.open = append(s.open, c)
			s.mu.Unlock()
			s.serving.Go(func() { defer c.Close(); s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for _, c := range s.open {
			c.Close()
		}
		s.mu.Unlock()
		s.serving.Wait()
	})
	return l.Addr().String()
}

func (s *socketIO) serve(c net.Conn) {
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	if r.URL.String() != "/socket.io/?EIO=4&transport=websocket" {
		s.t.Errorf("the flooder asks for %s", r.URL)
		return
	}
	if _, err := c.Write(frame.AppendUpgrade(nil, []byte(r.Header.Get("Sec-WebSocket-Key")), "", frame.DeflateParams{})); err != nil {
		return
	}
	s.write(c, `0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)
	var stream frame.Stream
	b := make([]byte, 0, 1<<20)
	for {
		n, err := in.Read(b[len(b):cap(b)])
		if err != nil {
			return
		}
		b = b[:len(b)+n]
		for len(b) > 0 {
			f, n, _, err := stream.Next(b, &frame.Options{MaxMessage: 1 << 20})
			if n == 0 || err != nil {
				break
			}
			b = b[n:]
			if f.Opcode == frame.OpText {
				s.obey(c, string(f.Payload))
			}
		}
	}
}

// obey answers one packet. After a subscribe it pings, and waits for no pong.
func (s *socketIO) obey(c net.Conn, packet string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, event, _ := strings.Cut(strings.TrimPrefix(packet, "42"), `[`)
	switch {
	case packet == "40":
		s.write(c, `40{"sid":"b"}`)
	case packet == "3":
	case strings.HasPrefix(event, `"join",{"room":"`):
		s.members = append(s.members, c)
		s.write(c, "43"+id+"[]")
		s.write(c, "2")
	case strings.HasPrefix(event, `"publish",{"room":"`):
		_, data, _ := strings.Cut(strings.TrimSuffix(event, "}]"), `"data":`)
		data += "]"
		for _, m := range s.members {
			s.write(m, `42["publication",`+data)
		}
		s.write(c, "43"+id+"[]")
	default:
		s.t.Errorf("the flooder says %s", packet)
	}
}

func (s *socketIO) write(c net.Conn, packet string) {
	if s.spoil != nil {
		packet = s.spoil(packet)
	}
	if packet != "" {
		_, _ = c.Write(frame.AppendFrame(nil, frame.OpText, []byte(packet), false)) // who is gone needs nothing
	}
}

func TestSocketIO(t *testing.T) {
	t.Parallel()
	instead := func(start, packet string) func(string) string {
		return func(p string) string {
			if strings.HasPrefix(p, start) {
				return packet
			}
			return p
		}
	}
	for name, row := range map[string]struct {
		spoil func(packet string) string
		well  func(r *Report) bool
	}{
		"nothing wrong":      {nil, func(r *Report) bool { return r.Err() == nil && r.Delivery.Received == 8 && r.Ready == 9 }},
		"damaged":            {instead(`42["publication"`, `42["publication",1]`), func(r *Report) bool { return r.Delivery.Damaged == 8 && r.Delivery.Missing == 8 }},
		"missing":            {instead(`42["publication"`, ""), func(r *Report) bool { return r.Delivery.Missing == 8 && r.Delivery.Damaged == 0 }},
		"refused":            {instead(`40{`, `44{"message":"no"}`), func(r *Report) bool { return r.Failures[`connect: "{\"message\":\"no\"}"`] == 9 }},
		"of another kind":    {instead("2", `42["news"]`), func(r *Report) bool { return r.Errors["packet that is not expected"] == 8 }},
		"connected too late": {instead("2", `40{}`), func(r *Report) bool { return r.Errors["packet that is not expected"] == 8 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Run(t.Context(), Options{
				Scenario: Idle, PublishOnce: true, Protocol: SocketIO, Targets: []string{startSocketIO(t, row.spoil)},
				Connections: 8, Loops: 2, Drain: drainOf(name), Probe: time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			if !row.well(r) || len(r.Probe) > 0 {
				t.Errorf("%v: %d ready, failures %v, errors %v, delivery %+v, probe %v", r.Err(), r.Ready, r.Failures, r.Errors, r.Delivery, r.Probe)
			}
		})
	}
}

// drainOf is how long to wait for what may not come: in vain only where that is what a test is about.
func drainOf(name string) time.Duration {
	if name == "damaged" || name == "missing" {
		return time.Second
	}
	return 2 * time.Minute
}

func TestAppendEvent(t *testing.T) {
	o := (&Options{Protocol: SocketIO}).withDefaults()
	d, err := newDialect(&o)
	if err != nil {
		t.Fatal(err)
	}
	for want, got := range map[string][]byte{
		`422["join",{"room":"r"}]`:                    d.appendEvent(nil, 2, d.join, []byte("r"), nil),
		`4212["publish",{"room":"r\"","data":"abc"}]`: d.appendEvent(nil, 12, d.publish, []byte(`r"`), []byte(`"abc"`)),
	} {
		if !bytes.Equal(got, []byte(want)) {
			t.Errorf("appendEvent = %s; want %s", got, want)
		}
	}
}
