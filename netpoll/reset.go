package netpoll

import "golang.org/x/sys/unix"

// Reset closes c so that its peer hears a reset and not the end of a stream, as if the machine at this end had gone: what
// waits for c is dropped, in the kernel too (SO_LINGER of 0, socket(7)). Loop goroutine only.
func (l *Loop) Reset(c *Conn) {
	if !c.has(flagClosing|flagDialing) && !c.Detached() {
		_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // it fails of a socket that has failed
	}
	l.Close(c, ClosedLocally)
}
