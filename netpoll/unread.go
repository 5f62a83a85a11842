package netpoll

import (
	"syscall"

	"github.com/seed4ac54ce5/edge/internal/sys"
)

// ReadPaused reads at most n bytes of a conn that is paused, and hands over what came. If that was the end of the
// stream, c is closed. A conn with TLS below it cannot be read so. Loop goroutine only.
func (l *Loop) ReadPaused(c *Conn, n int) {
	if !c.has(flagPaused) || c.has(flagClosing|flagLinger|flagAgain) || c.Detached() || l.below.has(c.slot, belowOn) {
		return
	}
	b, got, errno := l.readAtMost(c, n)
	l.received(c, b, got, errno)
}

// ReadRest reads what the kernel still holds of a conn that has closed, and hands it to received as to [Handler.Received]: of
// one that was paused that may be a lot, with a last word of the peer's at its end. It is for [Handler.Closed] only.
func (l *Loop) ReadRest(c *Conn, received func(c *Conn, b []byte) (used, need int)) {
	for !c.Detached() && !l.below.has(c.slot, belowOn) {
		b, got, errno := l.readAtMost(c, maxRead)
		if got == 0 || errno != 0 {
			break
		}
		used, need := received(c, b)
		l.keep(c, b, used, need)
	}
	l.dropInput(c)
}

// readAtMost reads up to n bytes of c behind those that are held of it.
func (l *Loop) readAtMost(c *Conn, n int) (b []byte, got int, errno syscall.Errno) {
	b = l.readSpace(c)
	got, errno = sys.Recv(int(c.fd), b[len(b):min(cap(b), len(b)+n)])
	return b[:len(b)+max(got, 0)], got, errno
}
