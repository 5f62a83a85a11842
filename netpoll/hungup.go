package netpoll

import "github.com/seed4ac54ce5/edge/internal/sys"

// HungUp asks the kernel whether the peer of c has ended its stream or reset it, without reading: what came before that may still
// be on its way to the handler, and so is the event of which the loop would hear. A conn without a socket has no peer to hang up.
// Loop goroutine only.
func (l *Loop) HungUp(c *Conn) bool {
	return !c.Detached() && sys.HungUp(int(c.fd))
}
