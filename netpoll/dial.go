package netpoll

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

// Target is a place to dial, resolved once for many connections.
type Target struct{ endpoint }

// ParseTarget reads host:port or unix:path.
func ParseTarget(address string) (Target, error) {
	es, err := parseEndpoint(address)
	if err != nil {
		return Target{}, fmt.Errorf("netpoll: target %q: %w", address, err)
	}
	if len(es) != 1 || es[0].path == "" && !es[0].addr.Addr().IsValid() {
		return Target{}, fmt.Errorf("netpoll: target %q: %w", address, errors.New("one host and one port are needed"))
	}
	return Target{es[0]}, nil
}

// Dial begins a connection from source, which may be the zero Addr for the kernel's choice, and
// returns its identity. [Handler.Opened] says that it stands, [Handler.Closed] with [ClosedDial]
// that it failed. An error means that it could not even begin. Loop goroutine only.
//
// A source address is bound without a port: the kernel then chooses one at connect that is free for
// this target, so that one address serves some 28,000 connections to each target.
func (l *Loop) Dial(to Target, source netip.Addr) (ConnID, error) {
	domain, sa := to.sockaddr()
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("netpoll: dial %v: socket: %w", to, err)
	}
	if err := begin(fd, domain, sa, source); err != nil {
		sys.Close(fd)
		return 0, fmt.Errorf("netpoll: dial %v: %w", to, err)
	}
	c, errno := l.register(fd, unix.EPOLLOUT|unix.EPOLLRDHUP, flagDialing)
	if errno != 0 {
		return 0, fmt.Errorf("netpoll: dial %v: epoll_ctl: %w", to, errno)
	}
	return l.ID(c), nil
}

// begin sets fd's options, binds it and starts to connect.
func begin(fd, domain int, to unix.Sockaddr, source netip.Addr) error {
	if domain != unix.AF_UNIX {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return err
		}
	}
	if source.IsValid() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return err
		}
		_, from := endpoint{addr: netip.AddrPortFrom(source, 0)}.sockaddr()
		if err := unix.Bind(fd, from); err != nil {
			return fmt.Errorf("bind to %v: %w", source, err)
		}
	}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return nil
}

// connected deals with the first event of a conn that is being dialled.
func (l *Loop) connected(c *Conn) {
	if c.has(flagClosing) {
		return
	}
	errno, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || errno != 0 {
		l.Close(c, ClosedDial)
		return
	}
	c.clear(flagDialing)
	l.watch(c)
	l.stats.Dialed++
	l.handler.Opened(c)
}
