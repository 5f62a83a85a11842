package sys

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns two connected stream sockets, non-blocking, that close with the test.
func pair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fds[0]); Close(fds[1]) })
	return fds[0], fds[1]
}

func TestSendSegments(t *testing.T) {
	many := make([][]byte, MaxSegments+10)
	for i := range many {
		many[i] = []byte{byte(i), byte(i)}
	}
	for _, row := range []struct {
		name     string
		segments [][]byte
		want     int // segments that leave in one call
	}{
		{"none", nil, 0},
		{"one", [][]byte{[]byte("abc")}, 1},
		{"empty ones between", [][]byte{nil, []byte("abc"), {}, []byte("d"), nil}, 5},
		{"only empty ones", [][]byte{nil, {}}, 2},
		{"as many as fit", many[:MaxSegments], MaxSegments},
		{"too many", many, MaxSegments},
	} {
		a, b := pair(t)
		want := bytes.Join(row.segments[:row.want], nil)
		n, errno := SendSegments(a, row.segments)
		if n != len(want) || errno != 0 {
			t.Errorf("%s: SendSegments = %d, %v; want %d", row.name, n, errno, len(want))
		}
		got := make([]byte, 1024)
		n, _ = Recv(b, got)
		if !bytes.Equal(got[:n], want) {
			t.Errorf("%s: the peer got % x; want % x", row.name, got[:n], want)
		}
	}
}

// What a socket does not take stays with the caller, who is told how much went.
func TestShortWrites(t *testing.T) {
	for name, write := range map[string]func(fd int, b []byte) (int, error){
		"Send": func(fd int, b []byte) (int, error) { n, errno := Send(fd, b); return n, asError(errno) },
		"SendSegments": func(fd int, b []byte) (int, error) {
			n, errno := SendSegments(fd, [][]byte{b})
			return n, asError(errno)
		},
	} {
		a, _ := pair(t)
		b := make([]byte, 8<<20)
		n, err := write(a, b)
		if n <= 0 || n >= len(b) || err != nil {
			t.Errorf("%s = %d, %v; want part of %d", name, n, err, len(b))
		}
		if n, err := write(a, b); n != 0 || err != error(unix.EAGAIN) {
			t.Errorf("%s to a full socket = %d, %v; want 0, %v", name, n, err, unix.EAGAIN)
		}
	}
}

func TestEndOfStream(t *testing.T) {
	a, b := pair(t)
	var buf [8]byte
	if n, errno := Recv(b, buf[:]); n != 0 || errno != unix.EAGAIN {
		t.Errorf("Recv = %d, %v with nothing there; want 0, %v", n, errno, unix.EAGAIN)
	}
	if n, errno := Send(a, []byte("last")); n != 4 || errno != 0 {
		t.Errorf("Send = %d, %v; want 4", n, errno)
	}
	if errno := ShutdownWrite(a); errno != 0 {
		t.Errorf("ShutdownWrite = %v", errno)
	}
	for _, want := range []int{4, 0, 0} {
		if n, errno := Recv(b, buf[:]); n != want || errno != 0 {
			t.Errorf("Recv = %d, %v; want %d", n, errno, want)
		}
	}
	Close(b)
	// No signal comes with it: the process lives.
	if n, errno := Send(a, []byte("x")); n != 0 || errno != unix.EPIPE {
		t.Errorf("Send after the end = %d, %v; want 0, %v", n, errno, unix.EPIPE)
	}
	if n, errno := SendSegments(a, [][]byte{[]byte("x")}); n != 0 || errno != unix.EPIPE {
		t.Errorf("SendSegments after the end = %d, %v; want 0, %v", n, errno, unix.EPIPE)
	}
}

// What more follows is kept back until that comes: the peer gets it with the end of the stream. The kernel does so for some 200 ms,
// and what a busy machine takes longer for says nothing.
func TestSendMore(t *testing.T) {
	ln := listen(t)
	for range 20 {
		kept, last, took := sendMore(t, ln)
		if took >= 100*time.Millisecond {
			continue
		}
		if kept != 0 {
			t.Errorf("SendMore sent %d segments; want none yet", kept)
		}
		if last != 1 {
			t.Errorf("the last bytes and the end of the stream are %d segments; want 1", last)
		}
		return
	}
	t.Skip("the machine is too busy: 100 ms between two calls, 20 times")
}

// sendMore sends to a new client by SendMore and then ends the stream. It returns how many segments the first sent, how many both
// did, and how long that took.
func sendMore(t *testing.T, ln int) (kept, last uint32, took time.Duration) {
	t.Helper()
	client := dial(t, ln)
	fd, errno := Accept(ln)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer Close(fd)
	sent, start := segmentsOut(t, fd), time.Now()
	if n, errno := SendMore(fd, []byte("last")); n != 4 || errno != 0 {
		t.Errorf("SendMore = %d, %v; want 4", n, errno)
	}
	kept = segmentsOut(t, fd) - sent
	if errno := ShutdownWrite(fd); errno != 0 {
		t.Errorf("ShutdownWrite = %v", errno)
	}
	last, took = segmentsOut(t, fd)-sent, time.Since(start)
	var buf [8]byte
	for _, want := range []int{4, 0} {
		if n, err := unix.Read(client, buf[:]); n != want || err != nil {
			t.Errorf("the peer's read = %d, %v; want %d", n, err, want)
		}
	}
	return kept, last, took
}

// segmentsOut returns how many segments a socket has sent.
func segmentsOut(t *testing.T, fd int) uint32 {
	t.Helper()
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		t.Fatal(err)
	}
	return info.Segs_out
}

// listen returns a socket that listens on a free port of 127.0.0.1, non-blocking.
func listen(t *testing.T) int {
	t.Helper()
	ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(ln) })
	if err := unix.Bind(ln, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(ln, 1); err != nil {
		t.Fatal(err)
	}
	return ln
}

// dial returns a blocking socket that is connected to a listener.
func dial(t *testing.T, ln int) int {
	t.Helper()
	client := connect(t, ln)
	t.Cleanup(func() { Close(client) })
	return client
}

// connect is dial of a socket that the test closes.
func connect(t *testing.T, ln int) int {
	t.Helper()
	client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(ln)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(client, at); err != nil {
		t.Fatal(err)
	}
	return client
}

func TestAccept(t *testing.T) {
	accepts := map[string]func(ln int) (int, error){
		"Accept": func(ln int) (int, error) { fd, errno := Accept(ln); return fd, asError(errno) },
		"AcceptFrom": func(ln int) (int, error) {
			fd, from, errno := AcceptFrom(ln)
			if errno == 0 && (!from.IsValid() || from != Peer(fd)) {
				t.Errorf("AcceptFrom: from %v; want %v", from, Peer(fd))
			}
			return fd, asError(errno)
		},
	}
	for name, accept := range accepts {
		ln := listen(t)
		if fd, err := accept(ln); err != error(unix.EAGAIN) {
			t.Errorf("%s = %d, %v with nobody there; want %v", name, fd, err, unix.EAGAIN)
		}
		dial(t, ln)
		fd, err := accept(ln)
		if err != nil {
			t.Fatal(name, err)
		}
		defer Close(fd)
		status, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if status&unix.O_NONBLOCK == 0 || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: the new socket has flags %#x and %#x; want O_NONBLOCK and FD_CLOEXEC", name, status, flags)
		}
	}
}

func TestOpenNull(t *testing.T) {
	fd, errno := OpenNull()
	if errno != 0 {
		t.Fatal(errno)
	}
	defer Close(fd)
	var b [1]byte
	if n, err := unix.Read(fd, b[:]); n != 0 || err != nil {
		t.Errorf("read of the null device = %d, %v; want its end", n, err)
	}
}

// Wakes add up, and one read takes them all.
func TestWake(t *testing.T) {
	bell := eventfd(t)
	Wake(bell)
	Wake(bell)
	var b [8]byte
	if n, err := unix.Read(bell, b[:]); n != 8 || err != nil || b[0]+b[7] != 2 {
		t.Errorf("after two wakes the eventfd holds % x, %v; want 2", b[:n], err)
	}
	Wake(bell)
	ClearWake(bell)
	if _, err := unix.Read(bell, b[:]); err != error(unix.EAGAIN) {
		t.Errorf("read after ClearWake: %v; want %v", err, unix.EAGAIN)
	}
}

// A peer has hung up when it has ended its stream, behind bytes that were not read too, or reset it.
func TestHungUp(t *testing.T) {
	for name, linger := range map[string]int32{"end of the stream": 0, "reset": 1} {
		ln := listen(t)
		client := connect(t, ln)
		fd, errno := Accept(ln)
		if errno != 0 {
			t.Fatal(errno)
		}
		if _, errno := Send(client, []byte("unread")); errno != 0 || HungUp(fd) {
			t.Errorf("%v; hung up: %v", errno, HungUp(fd))
		}
		if err := unix.SetsockoptLinger(client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: linger}); err != nil {
			t.Error(err)
		}
		Close(client)
		for err := error(unix.EINTR); err == error(unix.EINTR); {
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}, 120_000)
		}
		if !HungUp(fd) {
			t.Errorf("%s is not seen", name)
		}
		Close(fd)
	}
}
