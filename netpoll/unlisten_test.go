package netpoll

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

// stopListening stops, and returns when all listeners are closed.
func (st *stage) stopListening() {
	st.t.Helper()
	st.StopListening()
	testutil.Eventually(st.t, patience, func() bool { return !st.Listening() }, "the listeners are closed")
}

// R06: whoever could connect is served, also while the listeners close.
func TestR06StopListeningLosesNobody(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		for name, address := range map[string]string{"TCP": "127.0.0.1:0", "Unix": streams(t)["Unix"]} {
			t.Run(name, func(t *testing.T) {
				st := open(t, Config{Loops: 2, Tables: tables, Addresses: []string{address}}, script{})
				f := flood(t, st.Addresses()[0])
				for range 50 {
					<-f.served
				}
				st.stopListening()
				f.wait()
			})
		}
	})
}

// flooding is clients that connect to one address, one after the other, until nobody listens there.
type flooding struct {
	t       *testing.T
	address string
	served  chan struct{}
	refused atomic.Bool
	clients sync.WaitGroup
}

const flooders = 16

func flood(t *testing.T, address string) *flooding {
	f := &flooding{t: t, address: address, served: make(chan struct{}, 1)}
	for range flooders {
		f.clients.Go(f.connect)
	}
	return f
}

func (f *flooding) wait() {
	f.clients.Wait()
	if !f.refused.Load() {
		f.t.Error("no client was refused; want all of them to be in the end")
	}
}

func (f *flooding) connect() {
	for f.exchange() {
		select {
		case f.served <- struct{}{}:
		default:
		}
	}
}

// exchange is one client that wants an echo. It reports false when it could not connect.
func (f *flooding) exchange() bool {
	c, err := dialUp(f.address)
	if err != nil {
		f.refused.Store(true)
		return false
	}
	defer func() { _ = c.Close() }()
	b := []byte("ping")
	if _, err := c.Write(b); err != nil {
		f.t.Errorf("a client that had connected could not write: %v", err)
		return false
	}
	if _, err := io.ReadFull(c, b); err != nil {
		f.t.Errorf("a client that had connected got no echo: %v", err)
		return false
	}
	return true
}

func dialUp(address string) (net.Conn, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return net.DialTimeout("unix", path, patience)
	}
	return net.DialTimeout("tcp", address, patience)
}

// R06: those in the queue of a loop that has no time for them are served when it has.
func TestR06StopListeningServesTheQueue(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		for name, address := range map[string]string{"TCP": "127.0.0.1:0", "Unix": streams(t)["Unix"]} {
			t.Run(name, func(t *testing.T) {
				const conns = 3 * maxAccepts
				st := open(t, Config{Tables: tables, Addresses: []string{address}}, script{})
				release := st.hold(0)
				var clients []net.Conn
				for range conns {
					clients = append(clients, dial(t, st.Addresses()[0]))
				}
				st.StopListening()
				release()
				for _, c := range clients {
					wantEcho(t, c, "queued")
				}
				testutil.Eventually(t, patience, func() bool { return !st.Listening() }, "the listener is closed")
			})
		}
	})
}

// While its last handshakes come to their end, a listener does not answer those who come: they are neither served nor reset.
func TestStopListeningTurnsArrivalsAway(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		st := open(t, Config{Addresses: []string{address}}, script{})
		queued := dial(t, st.Addresses()[0])
		var state uint8
		st.do(0, func(l *Loop) {
			l.stopListening()
			state = arrive(t, st.endpoints[0])
		})
		if state != unix.BPF_TCP_SYN_SENT {
			t.Errorf("%s: a client of a listener that turns arrivals away is in state %d; want %d, unanswered", address, state, unix.BPF_TCP_SYN_SENT)
		}
		wantEcho(t, queued, "from before")
	}
}

// A Unix socket ends for all loops as soon as one of them stops, also for those who have found its file before it was removed.
func TestStopListeningEndsAUnixSocket(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		path := filepath.Join(t.TempDir(), "socket")
		st := open(t, Config{Loops: 2, Tables: tables, Addresses: []string{"unix:" + path}}, script{})
		if err := os.Link(path, path+"2"); err != nil {
			t.Fatal(err)
		}
		release := st.hold(1)
		defer release()
		st.StopListening()
		st.do(0, func(*Loop) {})
		if c, err := net.Dial("unix", path+"2"); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("dial = %v, %v; want %v", c, err, unix.ECONNREFUSED)
		}
	})
}

// Whoever is taken in as the last has a turn of the loop's like everybody, whether or not anything happens behind it.
func TestStopListeningTurnsForTheLast(t *testing.T) {
	f, at := lent(t, "tcp", "127.0.0.1:0")
	came := false
	turned := make(chan struct{}, 1)
	st := open(t, Config{Listeners: []*os.File{f}}, script{
		opened: func(*Loop, *Conn) { came = true },
		turn: func(*Loop) bool {
			if came {
				came = false
				turned <- struct{}{}
			}
			return false
		},
	})
	st.do(0, func(l *Loop) {
		l.stopListening()
		l.leaveAt = l.wheel.now
		dial(t, at)
	})
	select {
	case <-turned:
	case <-time.After(time.Minute): // a loop without anything to do turns after 69 s
		t.Error("the loop has no turn within a minute")
	}
}

// arrive begins to connect to a port of the loopback, and returns the state of that at once.
func arrive(t *testing.T, at endpoint) uint8 {
	t.Helper()
	domain, sa := at.sockaddr()
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Connect(fd, sa); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		t.Fatal(err)
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		t.Fatal(err)
	}
	return info.State
}
