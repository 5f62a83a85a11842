package netpoll

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// lent returns a socket that listens on an address of the loopback, as another process would open it, and where it is.
func lent(t *testing.T, network, address string) (f *os.File, at string) {
	t.Helper()
	return lentBy(t, new(net.ListenConfig), network, address)
}

func lentBy(t *testing.T, lc *net.ListenConfig, network, address string) (f *os.File, at string) {
	t.Helper()
	ln, err := lc.Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	at = ln.Addr().String()
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
		at = "unix:" + at
	}
	f, err = ln.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // whoever adopts it has done so before
	return f, at
}

// All loops accept from a socket that somebody else has opened, beside those of their own.
func TestAdoptedListener(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		path := filepath.Join(t.TempDir(), "socket")
		tcp, tcpAt := lent(t, "tcp", "127.0.0.1:0")
		six, sixAt := lent(t, "tcp", "[::1]:0")
		local, localAt := lent(t, "unix", path)
		st := open(t, Config{Loops: 3, Tables: tables, Listeners: []*os.File{tcp, six, local}}, script{})
		if got, want := st.Addresses()[1:], []string{tcpAt, sixAt, localAt}; !slices.Equal(got, want) {
			t.Fatalf("Addresses() = .., %q; want %q", got, want)
		}
		for _, address := range st.Addresses() {
			echoAndClose(t, st, address)
		}
		if _, err := tcp.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the file that was adopted: Stat = %v; want %v", err, os.ErrClosed)
		}
		st.Close()
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("the socket file of somebody else is gone: %v", err)
		}
	})
}

// What an adopted listener accepts has the options that what our own accept has.
func TestAdoptedListenerIsFittedOut(t *testing.T) {
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // which knows fewer options
	f, at := lentBy(t, &plain, "tcp", "127.0.0.1:0")
	st := open(t, Config{Listeners: []*os.File{f}}, script{})
	client := dial(t, at)
	id := await(t, st.opened, "Opened")
	st.on(id, func(_ *Loop, c *Conn) {
		if got, err := unix.GetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); got != notSentLowat || err != nil {
			t.Errorf("TCP_NOTSENT_LOWAT = %d, %v; want %d", got, err, notSentLowat)
		}
	})
	wantEcho(t, client, "adopted")
}

// When the loops stop, somebody else may go on with the socket: it takes clients as before, who wait for the next to serve it.
func TestAdoptedListenerOutlivesItsReactor(t *testing.T) {
	forTables(t, func(t *testing.T, tables Tables) {
		f, at := lent(t, "tcp", "127.0.0.1:0")
		keep := duplicate(t, f)
		first := open(t, Config{Loops: 2, Tables: tables, Listeners: []*os.File{f}}, script{})
		wantEcho(t, dial(t, at), "first")
		first.stopListening()
		between := dial(t, at)
		first.Close()
		open(t, Config{Loops: 2, Tables: tables, Listeners: []*os.File{keep}}, script{})
		wantEcho(t, between, "second")
	})
}

func duplicate(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "duplicate")
}

func TestAdoptOnlyListeners(t *testing.T) {
	_, at := lent(t, "tcp", "127.0.0.1:0")
	client, err := dial(t, at).(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = datagrams.Close() }()
	udp, err := datagrams.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	before := descriptors()
	for what, f := range map[string]*os.File{"a connection": client, "a UDP socket": udp, "no socket": null} {
		_, err := Open(Config{Loops: 1, Listeners: []*os.File{f}, NewHandler: func(*Loop) Handler { return &actor{} }})
		if !errors.Is(err, ErrNoListener) {
			t.Errorf("Open with %s = %v; want %v", what, err, ErrNoListener)
		}
		before-- // the file is closed
	}
	if after := descriptors(); after != before {
		t.Errorf("%d descriptors after it; want %d", after, before)
	}
}
