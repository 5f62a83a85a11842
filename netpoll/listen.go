package netpoll

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

const (
	backlog      = 65535    // the kernel takes the smaller of this and net.core.somaxconn
	notSentLowat = 16 << 10 // unsent bytes a socket may hold; what is beyond waits here, where it can be dropped
	maxAccepts   = 64       // a turn and listener
	maxRefusals  = 64       // while there are no descriptors, a pause
	acceptPause  = 2        // ticks without accepting after the kernel ran out of something

	// Of a table that the loops share with the rest of the process one part in processPart is not for conns, and processMost at most.
	processPart = 8
	processMost = 256

	// userTimeout is the number of milliseconds after which the kernel gives up a connection whose peer does not acknowledge, or
	// whose window stays closed.
	userTimeout = 30_000
)

// listener is one listening socket as one loop has it.
type listener struct {
	fd     int // -1 when it is closed
	at     endpoint
	data   uint64   // what epoll says it is
	shared *sharers // nil for a socket that is this loop's alone
	lent   bool     // somebody else opened it and may listen on: only what is in its queue concerns us
}

// sharers counts who holds a listener's descriptor in one table: the loops that accept from it, and the reactor until they do.
type sharers struct{ left atomic.Int32 }

func newSharers() *sharers {
	s := new(sharers)
	s.left.Store(1)
	return s
}

// leave reports whether the last holder has left, who closes the descriptor.
func (s *sharers) leave() bool { return s.left.Add(-1) == 0 }

// listenTCP opens this loop's socket for at. The options are inherited by what it accepts, which
// saves three calls a connection.
func listenTCP(at endpoint, stall time.Duration) (l listener, err error) {
	fd, at, err := tcpSocket(at)
	if err != nil {
		return listener{}, err
	}
	defer func() {
		if err != nil {
			sys.Close(fd)
		}
	}()
	options := append([]option{{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_SOCKET, unix.SO_REUSEPORT, 1}}, connOptions(stall)...)
	if err := setOptions(fd, at, options); err != nil {
		return listener{}, err
	}
	at, err = bind(fd, at)
	return listener{fd: fd, at: at}, err
}

// option is a socket option whose value is a number.
type option struct{ level, name, value int }

// connOptions are set on TCP listeners for what they accept. Peers that read nothing for a while are ours to judge, by the limit
// in stall, so that the kernel has to wait for longer.
func connOptions(stall time.Duration) []option {
	timeout := max(userTimeout, 2*min(stall.Milliseconds(), math.MaxInt32/2))
	return []option{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowat},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(timeout)},
	}
}

func setOptions(fd int, at endpoint, options []option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("netpoll: listen on %v: socket option: %w", at, err)
		}
	}
	return nil
}

// tcpSocket opens a socket for at. Where the host has no IPv6, "every address" is IPv4's.
func tcpSocket(at endpoint) (int, endpoint, error) {
	domain, _ := at.sockaddr()
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) && !at.addr.Addr().IsValid() {
		at.addr = netip.AddrPortFrom(netip.IPv4Unspecified(), at.addr.Port())
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		return -1, at, fmt.Errorf("netpoll: listen on %v: socket: %w", at, err)
	}
	if domain == unix.AF_INET6 && !at.addr.Addr().IsValid() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			sys.Close(fd)
			return -1, at, fmt.Errorf("netpoll: listen on %v: socket option: %w", at, err)
		}
	}
	return fd, at, nil
}

// bind binds fd, listens, and returns where it really is.
func bind(fd int, at endpoint) (endpoint, error) {
	_, sa := at.sockaddr()
	if err := unix.Bind(fd, sa); err != nil {
		return at, fmt.Errorf("netpoll: listen on %v: %w", at, err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return at, fmt.Errorf("netpoll: listen on %v: %w", at, err)
	}
	got, err := unix.Getsockname(fd)
	if err != nil {
		return at, fmt.Errorf("netpoll: listen on %v: %w", at, err)
	}
	return endpointOf(got, at), nil
}

// checkFree tells whether somebody else listens on at: with SO_REUSEPORT the kernel would let a
// second server of the same user in, and give it half of the connections.
func checkFree(at endpoint) error {
	if at.addr.Port() == 0 {
		return nil
	}
	fd, at, err := tcpSocket(at)
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fmt.Errorf("netpoll: listen on %v: socket option: %w", at, err)
	}
	_, err = bind(fd, at)
	return err
}

// listenUnix opens the socket at a path. One is shared by all loops, as the kernel does not spread
// connections over several. A socket file that nobody serves any more is replaced.
func listenUnix(at endpoint) (listener, error) {
	if err := removeDeadSocket(at); err != nil {
		return listener{}, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return listener{}, fmt.Errorf("netpoll: listen on %v: socket: %w", at, err)
	}
	if _, err := bind(fd, at); err != nil {
		sys.Close(fd)
		return listener{}, err
	}
	return listener{fd: fd, at: at, shared: newSharers()}, nil
}

func removeDeadSocket(at endpoint) error {
	info, err := os.Lstat(at.path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // bind will say what is wrong, if anything
	}
	// Non-blocking: one that serves but whose queue is full would hold us up.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("netpoll: listen on %v: socket: %w", at, err)
	}
	defer sys.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: at.path}); !errors.Is(err, unix.ECONNREFUSED) {
		return nil
	}
	return os.Remove(at.path)
}

// The loop's own descriptors are registered with generation 0: the bell as 0, listeners from 1.
const bellData = 0

// listen registers a listener with the loop.
func (l *Loop) listen(ln listener) error {
	events := uint32(unix.EPOLLIN)
	if ln.shared != nil {
		events |= unix.EPOLLEXCLUSIVE
	}
	ln.data = uint64(len(l.listeners) + 1)
	ev := sys.NewEpollEvent(events, ln.data)
	if errno := sys.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, ln.fd, &ev); errno != 0 {
		return fmt.Errorf("netpoll: listen on %v: epoll_ctl: %w", ln.at, errno)
	}
	l.listeners = append(l.listeners, ln)
	if ln.shared != nil {
		ln.shared.left.Add(1)
	}
	l.listening.Store(true)
	return nil
}

// accept takes a bounded number of connections from ln, and reports whether there may be more.
func (l *Loop) accept(ln *listener) (more bool) {
	if l.acceptPaused {
		return false
	}
	for range maxAccepts {
		fd, from, errno := sys.AcceptFrom(ln.fd)
		switch errno {
		case 0:
			if l.crowded(fd) {
				l.stats.Refused++
				l.dismiss(fd)
				l.refuse(ln)
				l.pauseAccepting(unix.EMFILE)
				return false
			}
			if !l.admit(fd, from) {
				return false
			}
		case unix.EAGAIN, unix.EINVAL: // nobody waits; of a Unix socket that was shut down, nobody any more
			return false
		case unix.EMFILE, unix.ENFILE:
			l.ceiling = 0 // the limit may be lower than it was
			l.refuse(ln)
			l.pauseAccepting(errno)
			return false
		case unix.ENOMEM, unix.ENOBUFS:
			l.pauseAccepting(errno)
			return false
		default:
			// The connection died in the queue, or the call was interrupted: the next one.
		}
	}
	return true
}

// crowded reports whether fd is among the last of a table that the loops share. Those are for the rest of the process, its internal
// listener, files and backends: clients must not be able to take them. The kernel gives the lowest number that is free.
func (l *Loop) crowded(fd int) bool {
	if l.private || fd < l.ceiling {
		return false
	}
	limit, err := sys.DescriptorLimit()
	if err != nil {
		return false
	}
	l.ceiling = ceilingOf(limit)
	return fd >= l.ceiling
}

// ceilingOf returns the number from which descriptors of a shared table are not for conns.
func ceilingOf(limit int) int { return limit - min(limit/processPart, processMost) }

// admit makes fd a conn. If the kernel has no room for it, accepting pauses.
func (l *Loop) admit(fd int, from netip.AddrPort) bool {
	c, errno := l.register(fd, unix.EPOLLIN|unix.EPOLLRDHUP, 0)
	if errno != 0 {
		l.stats.Refused++
		l.pauseAccepting(errno)
		return false
	}
	l.stats.Accepted++
	l.newest, l.newestFrom = l.ID(c), from
	l.handler.Opened(c)
	return true
}

// register gives fd a slot and watches it. On an error fd is closed.
func (l *Loop) register(fd int, events, flags uint32) (*Conn, syscall.Errno) {
	c, err := l.slots.take(fd)
	if err != nil {
		sys.Close(fd)
		return nil, unix.ENOMEM
	}
	c.set(flags)
	ev := sys.NewEpollEvent(events, uint64(l.ID(c)))
	if errno := sys.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &ev); errno != 0 {
		l.slots.give(c)
		sys.Close(fd)
		return nil, errno
	}
	return c, 0
}

// refuse answers some waiting connections by way of the reserve descriptor, so that clients learn at
// once that this node is full.
func (l *Loop) refuse(ln *listener) {
	if l.reserve < 0 {
		return
	}
	sys.Close(l.reserve)
	for range maxRefusals {
		fd, errno := sys.Accept(ln.fd)
		if errno != 0 {
			break
		}
		l.stats.Refused++
		l.dismiss(fd)
	}
	l.openReserve()
}

// dismiss closes fd with an answer.
func (l *Loop) dismiss(fd int) {
	_, _ = sys.Recv(fd, l.shared) // unread bytes would turn the close into a reset
	_, _ = sys.Send(fd, l.config.Refusal)
	sys.Close(fd)
}

// openReserve sets a descriptor aside for refuse.
func (l *Loop) openReserve() {
	fd, errno := sys.OpenNull()
	if errno != 0 {
		fd = -1
	}
	l.reserve = fd
}

// pauseAccepting leaves connections in the kernel's queue for a while: a level-triggered listener that
// cannot be served would spin the loop.
func (l *Loop) pauseAccepting(why syscall.Errno) {
	if l.acceptPaused {
		return
	}
	l.acceptPaused, l.acceptAgain = true, l.wheel.now+acceptPause
	l.stats.Pauses++
	l.config.AcceptError(l.id, why)
	_ = l.watchListeners(0) // one that cannot be silenced is not listened to
}

// resumeAccepting ends a pause that has lasted long enough. While the kernel has no room to watch the listeners again, the
// pause goes on.
func (l *Loop) resumeAccepting() {
	if !l.acceptPaused || int32(l.wheel.now-l.acceptAgain) < 0 {
		return
	}
	if l.reserve < 0 {
		l.openReserve()
	}
	if l.watchListeners(unix.EPOLLIN) != 0 {
		l.acceptAgain = l.wheel.now + acceptPause
		return
	}
	l.acceptPaused = false
}

// watchListeners sets what the loop wants to hear from its listeners. An error leaves some as they were.
func (l *Loop) watchListeners(events uint32) (failed syscall.Errno) {
	for i := range l.listeners {
		if errno := l.watchListener(&l.listeners[i], events); errno != 0 {
			failed = errno
		}
	}
	return failed
}

// watchListener does it for one, if that is open. One shared by the loops cannot be modified, by a rule of EPOLLEXCLUSIVE: it is
// taken out and put back.
func (l *Loop) watchListener(ln *listener, events uint32) syscall.Errno {
	if ln.fd < 0 {
		return 0
	}
	op, ev := unix.EPOLL_CTL_MOD, sys.NewEpollEvent(events, ln.data)
	switch {
	case ln.shared != nil && events == 0:
		op = unix.EPOLL_CTL_DEL
	case ln.shared != nil:
		op, ev.Events = unix.EPOLL_CTL_ADD, events|unix.EPOLLEXCLUSIVE
	}
	switch errno := sys.EpollCtl(l.epoll, op, ln.fd, &ev); errno {
	case 0, unix.EEXIST, unix.ENOENT: // put back or taken out by a call before, of which another part has failed
		return 0
	default:
		return errno
	}
}
