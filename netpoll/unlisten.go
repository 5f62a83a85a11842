package netpoll

import (
	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

// Closing a listener resets whoever is in its queue, and whoever has been answered and is about to enter it. So a loop
// first turns new arrivals away, serves those that were under way, and closes last.

// handshakeGrace is how many ticks a handshake that was under way has to come to its end: a quarter of a second. It is
// less than the second after which a client repeats what it got no answer to, and is then refused.
const handshakeGrace = 4

// stopListening turns arrivals away, and sets the time at which the listeners close.
func (l *Loop) stopListening() {
	if l.leaving || l.listeners == nil {
		return
	}
	l.leaving, l.leaveAt = true, l.wheel.now+handshakeGrace
	for i := range l.listeners {
		ln := &l.listeners[i]
		switch {
		case ln.lent:
		case ln.at.path != "":
			l.closeQueue(ln)
		default:
			turnAway(ln.fd)
		}
	}
}

// leave closes the listeners when their time has come. Those who wait in their queues are taken in.
func (l *Loop) leave() {
	if !l.leaving || int32(l.wheel.now-l.leaveAt) < 0 {
		return
	}
	for i := range l.listeners {
		l.takeIn(&l.listeners[i])
	}
	l.more = true // as in sweep
	l.closeListeners()
}

// takeIn accepts all who wait. Who keeps coming does not keep it from its end.
func (l *Loop) takeIn(ln *listener) {
	for range backlog / maxAccepts {
		if ln.fd < 0 || !l.accept(ln) {
			return
		}
	}
}

// closeQueue ends a Unix socket: nobody enters its queue any more, and who is there is taken in.
func (l *Loop) closeQueue(ln *listener) {
	_ = unix.Shutdown(ln.fd, unix.SHUT_RD) // another loop may have done so
	l.takeIn(ln)
	if !l.acceptPaused {
		_ = l.watchListener(ln, 0) // events of one that stays name nobody
	}
	l.closeListener(ln)
}

// firstSegments is a filter that drops the segments that open a connection, SYN without ACK, and passes all others. What
// it sees begins with the TCP header.
var firstSegments = [...]unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13}, // the flags
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
}

// turnAway makes a TCP listener deaf to new clients. Where the kernel does not have it, they are taken in until the end.
func turnAway(fd int) {
	program := unix.SockFprog{Len: uint16(len(firstSegments)), Filter: &firstSegments[0]}
	_ = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
}

// closeListeners stops accepting for good.
func (l *Loop) closeListeners() {
	if !l.acceptPaused {
		_ = l.watchListeners(0) // events of those that stay name nobody
	}
	for i := range l.listeners {
		l.closeListener(&l.listeners[i])
	}
	l.listeners, l.acceptPaused, l.leaving = nil, false, false
	l.listening.Store(false)
}

// closeListener closes ln. In a table that the loops share, the last of those that accept from it does.
func (l *Loop) closeListener(ln *listener) {
	if ln.fd >= 0 && (ln.shared == nil || l.private || ln.shared.leave()) {
		sys.Close(ln.fd)
	}
	ln.fd = -1
}
