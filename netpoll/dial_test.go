package netpoll

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"golang.org/x/sys/unix"
)

// target parses address, or fails the test.
func target(t *testing.T, address string) Target {
	t.Helper()
	to, err := ParseTarget(address)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// dialFrom begins a connection on st's first loop, does then with it, and returns its identity.
func (st *stage) dialFrom(to Target, source netip.Addr, then func(l *Loop, c *Conn)) (id ConnID) {
	st.t.Helper()
	st.do(0, func(l *Loop) {
		var err error
		if id, err = l.Dial(to, source); err != nil {
			st.t.Errorf("Dial(%v): %v", to, err)
			return
		}
		then(l, l.Conn(id))
	})
	return id
}

func nothing(*Loop, *Conn) {}

// Conns that were dialled are like any other.
func TestDial(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		for network, address := range map[string]string{"IPv4": "127.0.0.1:0", "IPv6": "[::1]:0", "Unix": streams(t)["Unix"]} {
			t.Run(network, func(t *testing.T) {
				server := open(t, Config{Tables: tables, Addresses: []string{address}}, script{})
				f := newFramer()
				st := open(t, Config{Tables: tables, Addresses: []string{}}, script{
					opened:   func(l *Loop, c *Conn) { l.Write(c, frame("hello")) },
					received: f.received,
				})
				id := st.dialFrom(target(t, server.Addresses()[0]), netip.Addr{}, nothing)
				if got := await(t, st.opened, "Opened"); got != id {
					t.Errorf("Opened(%v); want %v", got, id)
				}
				if got := f.next(t); got != "hello" {
					t.Errorf("echo = %q", got)
				}
				st.on(id, func(l *Loop, c *Conn) { l.Close(c, ClosedLocally) })
				st.wantClosed(id, ClosedLocally)
				server.wantClosed(await(t, server.opened, "Opened"), ClosedByPeer)
				st.do(0, func(l *Loop) {
					if s := l.Stats(); s.Dialed != 1 || s.Accepted != 0 {
						t.Errorf("Dialed %d, Accepted %d; want 1, 0", s.Dialed, s.Accepted)
					}
				})
			})
		}
	})
}

func TestDialFromSource(t *testing.T) {
	for source, at := range map[string]string{"127.0.0.5": "127.0.0.1:0", "::1": "[::1]:0"} {
		ln, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		st := open(t, Config{Addresses: []string{}}, script{})
		st.dialFrom(target(t, ln.Addr().String()), netip.MustParseAddr(source), nothing)
		await(t, st.opened, "Opened")
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.RemoteAddr().(*net.TCPAddr).IP.String(); got != source {
			t.Errorf("dialled from %s; want %s", got, source)
		}
	}
}

// A connection that is refused is Closed without having been Opened.
func TestDialRefused(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		st := open(t, Config{Tables: tables, Addresses: []string{}}, script{})
		id := st.dialFrom(target(t, testutil.Nobody), netip.Addr{}, nothing)
		st.wantClosed(id, ClosedDial)
		if n := len(st.opened); n != 0 {
			t.Errorf("%d conns were opened", n)
		}
	})
}

// What cannot even begin is an error, and costs nothing.
func TestDialCannotBegin(t *testing.T) {
	st := open(t, Config{Addresses: []string{}}, script{})
	for _, row := range []struct {
		to, source string
		want       error
	}{
		{"unix:/no/such/socket", "", unix.ENOENT},
		{"127.0.0.1:80", "192.0.2.1", unix.EADDRNOTAVAIL},
		{"127.0.0.1:80", "::1", unix.EAFNOSUPPORT},
	} {
		source, _ := netip.ParseAddr(row.source)
		before := descriptors()
		st.do(0, func(l *Loop) {
			_, err := l.Dial(target(t, row.to), source)
			if !errors.Is(err, row.want) || !strings.Contains(fmt.Sprint(err), row.to) {
				t.Errorf("Dial(%s from %s) = %v; want %v", row.to, row.source, err, row.want)
			}
			if l.Open() != 0 {
				t.Errorf("Open() = %d after a dial that did not begin", l.Open())
			}
		})
		if after := descriptors(); after != before {
			t.Errorf("Dial(%s) left %d descriptors", row.to, after-before)
		}
	}
}

// A conn that another closes in the very turn in which it comes to stand is not opened any more.
func TestCloseBeforeConnectedIsHeard(t *testing.T) {
	var dialled ConnID
	st := open(t, Config{}, script{received: func(l *Loop, _ *Conn, b []byte) (used, need int) {
		l.Close(l.Conn(dialled), ClosedLocally)
		return len(b), 0
	}})
	to := target(t, st.Addresses()[0])
	client, id := st.connect()
	st.freezeThen(id, unix.POLLIN, func(l *Loop, _ *Conn) {
		var err error
		if dialled, err = l.Dial(to, netip.Addr{}); err != nil {
			t.Error(err)
		}
	})
	send(t, client, []byte("close the other"))
	for ended := false; !ended; { // the other end of what was dialled closes too
		ended = await(t, st.closed, "Closed") == ending{dialled, ClosedLocally}
	}
	st.do(0, func(l *Loop) {
		if n := l.Stats().Dialed; n != 0 {
			t.Errorf("%d conns count as dialled; want none", n)
		}
	})
}

// A handler may use a conn before it stands: what it writes goes out then, a pause holds, a close
// is the last that is heard.
func TestDiallingConn(t *testing.T) {
	server := open(t, Config{}, script{})
	to := target(t, server.Addresses()[0])
	f := newFramer()
	st := open(t, Config{Addresses: []string{}}, script{received: f.received})
	for name, row := range map[string]struct {
		first  func(l *Loop, c *Conn)
		opened bool
		ends   bool
	}{
		"write":            {func(l *Loop, c *Conn) { l.Write(c, frame("early")) }, true, false},
		"pause":            {func(l *Loop, c *Conn) { l.Pause(c); l.Write(c, frame("early")) }, true, false},
		"pause and resume": {func(l *Loop, c *Conn) { l.Pause(c); l.Resume(c); l.Write(c, frame("early")) }, true, false},
		"close":            {func(l *Loop, c *Conn) { l.Close(c, ClosedLocally) }, false, true},
		"shutdown":         {func(l *Loop, c *Conn) { l.Shutdown(c, nil, 0) }, false, true},
		"timer":            {func(l *Loop, c *Conn) { l.SetTimer(c, 0) }, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			id := st.dialFrom(to, netip.Addr{}, row.first)
			if row.opened {
				await(t, st.opened, "Opened")
			}
			if row.ends {
				st.wantClosed(id, ClosedLocally)
			} else {
				st.on(id, (*Loop).Resume)
				if got := f.next(t); got != "early" {
					t.Errorf("got %q; want what was written before the conn stood", got)
				}
			}
			if !row.opened && len(st.opened) != 0 {
				t.Error("Opened for a conn that had been given up")
				<-st.opened
			}
		})
	}
}
