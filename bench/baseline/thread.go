package main

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

const (
	backlog    = 4096
	maxEvents  = 256
	bufferSize = 64 << 10
)

// The stages of a peer.
const (
	upgrading uint8 = iota
	echoing
	talking
	chatting // in Socket.IO
)

// peer is what a thread knows of a descriptor.
type peer struct {
	room  *room
	place uint32 // in the room's array
	stage uint8
	held  bool // the thread holds the beginning of a frame
}

// thread is one loop. Everything but the mailbox belongs to its goroutine.
type thread struct {
	id       int
	house    *house
	at       netip.AddrPort
	epoll    int
	listener int
	peers    []peer         // by descriptor
	held     map[int][]byte // incomplete frames, by descriptor; nearly always empty
	in       []byte
	out      []byte // frames that answer one read
	answers  []byte // of one message's commands
	push     []byte // the frame of the publication at hand
	due      []delivery
	mail     mailbox
	pinged   time.Time // when some were last
	next     int       // the last of them
	used     int       // descriptors are below it
}

// addThreads makes the house's threads, and the bells that all of them ring: those stand in every table.
func (h *house) addThreads(n int) error {
	limit, err := sys.DescriptorLimit()
	if err != nil {
		return err
	}
	if err := sys.FindRuntimePoller(); err != nil {
		return err
	}
	for i := range n {
		t := &thread{id: i, house: h, peers: make([]peer, limit), held: make(map[int][]byte), in: make([]byte, bufferSize)}
		if t.mail.bell, err = unix.Eventfd(0, unix.EFD_NONBLOCK); err != nil {
			return err
		}
		h.threads = append(h.threads, t)
	}
	return nil
}

// live opens the thread's descriptors, in a table of its own if that is wanted, and runs once all threads have theirs.
func (t *thread) live(at netip.AddrPort, opened chan<- error) {
	err := t.openTable()
	if err == nil {
		err = t.openDescriptors(at)
	}
	opened <- err
	if err == nil {
		<-t.house.open
		t.run()
	}
}

func (t *thread) openTable() error {
	if !t.house.private {
		return nil
	}
	var bells []int
	for _, other := range t.house.threads {
		bells = append(bells, other.mail.bell)
	}
	return sys.UnshareTable(bells)
}

func (t *thread) openDescriptors(at netip.AddrPort) (err error) {
	if err := t.listen(at); err != nil {
		return fmt.Errorf("listen on %v: %w", at, err)
	}
	if t.epoll, err = unix.EpollCreate1(0); err != nil {
		return err
	}
	for _, fd := range []int{t.listener, t.mail.bell} {
		if errno := t.watch(fd); errno != 0 {
			return errno
		}
	}
	return nil
}

func (t *thread) listen(at netip.AddrPort) (err error) {
	if t.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	for _, o := range [][2]int{{unix.SOL_SOCKET, unix.SO_REUSEADDR}, {unix.SOL_SOCKET, unix.SO_REUSEPORT}, {unix.IPPROTO_TCP, unix.TCP_NODELAY}} {
		if err := unix.SetsockoptInt(t.listener, o[0], o[1], 1); err != nil {
			return err
		}
	}
	if err := unix.Bind(t.listener, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return err
	}
	if err := unix.Listen(t.listener, backlog); err != nil {
		return err
	}
	sa, err := unix.Getsockname(t.listener)
	if err != nil {
		return err
	}
	t.at = netip.AddrPortFrom(at.Addr(), uint16(sa.(*unix.SockaddrInet4).Port))
	return nil
}

// watch adds fd to the thread's epoll set, level-triggered.
func (t *thread) watch(fd int) syscall.Errno {
	ev := sys.NewEpollEvent(unix.EPOLLIN, uint64(fd))
	return sys.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, fd, &ev)
}

// run serves for ever.
func (t *thread) run() {
	var events [maxEvents]sys.EpollEvent
	for {
		n, errno := sys.EpollWaitBlock(t.epoll, events[:], sooner(t.deliverDue(), t.pingDue()))
		if errno != 0 && errno != unix.EINTR {
			fmt.Fprintln(os.Stderr, "baseline: epoll_wait:", errno)
			os.Exit(1)
		}
		for i := range events[:n] {
			t.dispatch(int(sys.EpollData(&events[i])))
		}
	}
}

func (t *thread) dispatch(fd int) {
	switch fd {
	case t.listener:
		t.accept()
	case t.mail.bell:
		sys.ClearWake(fd)
		t.deliverMail()
	default:
		t.readable(fd)
	}
}

func (t *thread) accept() {
	for {
		fd, errno := sys.Accept(t.listener)
		if errno != 0 {
			return
		}
		t.peers[fd] = peer{}
		t.used = max(t.used, fd+1)
		if t.watch(fd) != 0 {
			sys.Close(fd)
		}
	}
}

// readable reads fd once and serves what came.
func (t *thread) readable(fd int) {
	p := &t.peers[fd]
	front := 0
	if p.held {
		front = t.release(fd, p)
	}
	n, errno := sys.Recv(fd, t.in[front:])
	switch {
	case n > 0:
		t.serve(fd, p, t.in[:front+n])
	case errno == unix.EAGAIN: // an event of the descriptor's previous use
		t.hold(fd, p, t.in[:front])
	default:
		t.close(fd)
	}
}

// hold keeps the beginning of a frame for the next read.
func (t *thread) hold(fd int, p *peer, b []byte) {
	if len(b) > 0 {
		p.held = true
		t.held[fd] = append([]byte(nil), b...)
	}
}

// release puts what is held of fd at the front of the buffer, which has room for twice as much.
func (t *thread) release(fd int, p *peer) int {
	b := t.held[fd]
	if need := 2*len(b) + bufferSize; need > len(t.in) {
		t.in = make([]byte, need)
	}
	p.held = false
	delete(t.held, fd)
	return copy(t.in, b)
}

func (t *thread) close(fd int) {
	p := &t.peers[fd]
	if p.held {
		delete(t.held, fd)
	}
	t.leave(p)
	sys.Close(fd)
}

// send gives all of b to fd, and waits where the socket is full. A broken socket is the next read's business.
func send(fd int, b []byte) {
	for {
		n, errno := sys.Send(fd, b)
		b = b[n:]
		if len(b) == 0 || errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR {
			return
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1) // whatever it says: the send will tell
	}
}
