package tlsrecord

import (
	"net"
	"net/netip"
	"time"
)

// A wire is the net.Conn that crypto/tls believes in: it reads the records in in, one at a time, and appends
// what is written to out. Its owner is the conn's: loop or pool.
type wire struct {
	in   []byte              // whole records, or the rest of one and whole ones behind it
	rest int                 // bytes of the record at the front of in
	out  []byte              // records to send
	wait func(struct{}) bool // in a handshake: returns when in has more, false if nothing will come

	secrets *secrets // nil unless the conn may be exported
}

// Read gives at most the rest of a record, so that crypto/tls never holds a second one.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.in) == 0 {
		if w.wait == nil {
			return 0, wouldBlock{}
		}
		if !w.wait(struct{}{}) {
			return 0, net.ErrClosed
		}
	}
	if w.rest == 0 {
		w.rest, _ = recordSize(w.in)
	}
	n := copy(p, w.in[:min(w.rest, len(w.in))])
	w.in, w.rest = w.in[n:], w.rest-n
	if len(w.in) == 0 {
		w.in = nil // an empty slice would keep what it was cut from
	}
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	if w.wait == nil {
		w.secrets.countSealed(p)
	}
	return len(p), nil
}

func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return nowhere }
func (w *wire) RemoteAddr() net.Addr             { return nowhere }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// nowhere is the address of both ends of a wire.
var nowhere = net.TCPAddrFromAddrPort(netip.AddrPort{})

// wouldBlock is the one error after which crypto/tls lets a Read be repeated: it asks for Temporary.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }
