package netpoll

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

// ErrNoListener means that a file to adopt is not a stream socket that listens.
var ErrNoListener = errors.New("not a listening stream socket")

// adopt takes over a listening socket that somebody else has opened, and closes f. All loops accept from it, as there is only
// one. Whoever opened it may go on listening, so a socket file is not ours to remove.
func adopt(f *os.File, stall time.Duration) (listener, error) {
	fd, err := takeDescriptor(f)
	if err != nil {
		return listener{}, fmt.Errorf("netpoll: adopt %s: %w", f.Name(), err)
	}
	at, err := fitOut(fd, stall)
	if err != nil {
		sys.Close(fd)
		return listener{}, fmt.Errorf("netpoll: adopt %s: %w", f.Name(), err)
	}
	return listener{fd: fd, at: at, shared: newSharers(), lent: true}, nil
}

// takeDescriptor returns a duplicate of f's descriptor that no [os.File] owns, and closes f.
func takeDescriptor(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	failed := raw.Control(func(its uintptr) { fd, err = unix.FcntlInt(its, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(failed, err); err != nil {
		return -1, err
	}
	return fd, f.Close()
}

// fitOut gives an adopted socket what our own have, and returns where it listens.
func fitOut(fd int, stall time.Duration) (endpoint, error) {
	if err := checkListens(fd); err != nil {
		return endpoint{}, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return endpoint{}, err
	}
	at, err := endpointOfSocket(fd)
	if err != nil || at.path != "" {
		return at, err
	}
	if err := setOptions(fd, at, connOptions(stall)); !errors.Is(err, unix.ENOPROTOOPT) { // a Multipath TCP socket does not know all of them
		return at, err
	}
	return at, nil
}

func checkListens(fd int) error {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_STREAM {
		return errors.Join(ErrNoListener, err)
	}
	if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
		return errors.Join(ErrNoListener, err)
	}
	return nil
}

// endpointOfSocket returns where fd listens. One on "::" is on every address of the host, unless it takes only IPv6.
func endpointOfSocket(fd int) (endpoint, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return endpoint{}, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrUnix:
		return endpoint{path: sa.Name}, nil
	case *unix.SockaddrInet6:
		own := endpoint{addr: netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))}
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err == nil && only == 0 && own.addr.Addr().IsUnspecified() {
			return endpointOf(sa, endpoint{}), nil
		}
		return own, nil
	case *unix.SockaddrInet4:
		return endpointOf(sa, endpoint{}), nil
	}
	return endpoint{}, ErrNoListener
}
