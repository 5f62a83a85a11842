package netpoll

import (
	"fmt"
	"syscall"

	"github.com/seed4ac54ce5/edge/internal/sys"
	"golang.org/x/sys/unix"
)

// TLSKeys protect one direction of a conn of TLS 1.3 from its next record on.
type TLSKeys = sys.TLSKeys

// RecordLayer does the records of TLS below sockets: the kernel does, and in tests what stands for it. Its methods are called on
// loops' goroutines and must not block.
type RecordLayer interface {
	// Start has the records of a connected socket done from the next byte on, in both directions. With begun false the
	// socket is as it was; with begun true and an error it is of no use any more.
	Start(fd int, tx, rx TLSKeys) (begun bool, errno syscall.Errno)

	// Recv receives what records of one type have carried, and that type. 0 bytes of type 0 are the end of the stream.
	Recv(fd int, b []byte) (n int, kind byte, errno syscall.Errno)

	// Send sends one record of a type other than data, which is what goes through the socket otherwise.
	Send(fd int, kind byte, b []byte) syscall.Errno
}

// RecordHandler is a [Handler] that starts TLS below its conns.
type RecordHandler interface {
	Handler

	// Record is called with what is no data of a conn with TLS below: what a record of another type has carried, or with
	// type 0 why a record could not be opened. EKEYEXPIRED, EBADMSG and EMSGSIZE among others say so.
	Record(c *Conn, kind byte, b []byte, why syscall.Errno)
}

// The types of records that matter here (RFC 8446 section 5.1).
const (
	recordAlert = 21
	recordData  = 23
)

// KernelTLS returns nil if the kernel can do TLS records, and else why it cannot. The question may load a module.
func KernelTLS() error {
	if errno := sys.KernelTLS(); errno != 0 {
		return fmt.Errorf("netpoll: TCP_ULP tls: %w", errno)
	}
	return nil
}

// kernelRecords is the kernel.
type kernelRecords struct{}

func (kernelRecords) Start(fd int, tx, rx TLSKeys) (bool, syscall.Errno) {
	return sys.StartTLS(fd, tx, rx)
}
func (kernelRecords) Recv(fd int, b []byte) (int, byte, syscall.Errno) { return sys.RecvRecord(fd, b) }
func (kernelRecords) Send(fd int, kind byte, b []byte) (err syscall.Errno) {
	return sys.SendRecord(fd, kind, b)
}

// TLS below a conn: 0 for none.
const (
	belowOn    uint8 = 1 << iota // there is
	belowEnded                   // ours have ended with an alert
	belowPart                    // a part of a record has come, and the loop hears of edges: see hearEdges
)

// below are the conns with TLS below them, by slot: nothing at all for a loop that has had none.
type below struct {
	states []uint8
	count  int
}

// has reports whether the conn in a slot has one of these.
func (b *below) has(slot uint32, any uint8) bool {
	return int(slot) < len(b.states) && b.states[slot]&any != 0
}

// open reports whether the conn in a slot has TLS below it, of which ours has not ended yet.
func (b *below) open(slot uint32) bool { return b.has(slot, belowOn) && !b.has(slot, belowEnded) }

func (b *below) begin(slot uint32) {
	for int(slot) >= len(b.states) {
		b.states = append(b.states, 0)
	}
	b.states[slot] = belowOn
	b.count++
}

// move makes what is below one conn another's.
func (b *below) move(from, to uint32) {
	if b.has(from, belowOn) {
		state := b.states[from]
		b.end(from)
		b.begin(to)
		b.states[to] = state
	}
}

// end forgets a conn.
func (b *below) end(slot uint32) {
	if b.has(slot, belowOn) {
		b.states[slot] = 0
		b.count--
	}
}

// StartTLS has the kernel do c's records from the next byte on: what is written is sealed, and Received gets plaintext; other
// records go to [RecordHandler.Record]. Nothing may wait for c or be held of it, and the handler must be a RecordHandler. With
// false and no close c is as it was; a conn that has come to half of it only is closed. [Loop.Shutdown] says close_notify
// then.
func (l *Loop) StartTLS(c *Conn, tx, rx TLSKeys) bool {
	if c.has(flagClosing|flagLinger|flagSlow|flagDialing) || c.out != 0 || c.Detached() {
		return false
	}
	begun, errno := l.config.Records.Start(int(c.fd), tx, rx)
	if !begun {
		return false
	}
	l.below.begin(c.slot)
	if errno != 0 {
		l.below.states[c.slot] |= belowEnded
		l.Close(c, ClosedReset)
	}
	return true
}

// KernelTLS returns how many conns have TLS below them. Loop goroutine only.
func (l *Loop) KernelTLS() int { return l.below.count }

// Held returns how many bytes the handler has left of c. While they are being delivered they count too.
func (l *Loop) Held(c *Conn) int {
	if c.in == 0 {
		return 0
	}
	return len(l.inputs.table[c.in].held)
}

// Alert sends an alert on a conn with TLS below, close_notify if its description is 0 and else a fatal one, after which nothing
// should be sent (RFC 8446 section 6). It is lost if anything waits for c, or if the socket takes nothing.
func (l *Loop) Alert(c *Conn, description byte) {
	if c.out&corkMark != 0 {
		l.uncork(c)
	}
	if l.below.open(c.slot) && c.out == 0 && !c.has(flagClosing) {
		l.below.states[c.slot] |= belowEnded
		_ = l.sendAlert(c, description)
	}
}

func (l *Loop) sendAlert(c *Conn, description byte) syscall.Errno {
	level := byte(2)
	if description == 0 {
		level = 1
	}
	return l.config.Records.Send(int(c.fd), recordAlert, []byte{level, description})
}

// finishRecords says close_notify, where TLS below has not ended yet, and reports whether the end of the stream may follow. It
// comes back when the socket takes more.
func (l *Loop) finishRecords(c *Conn) bool {
	if !l.below.open(c.slot) {
		return true
	}
	if errno := l.sendAlert(c, 0); errno == unix.EAGAIN || errno == unix.EINTR {
		if !c.has(flagWriting) {
			c.set(flagWriting)
			l.watch(c)
		}
		return false
	}
	l.below.states[c.slot] |= belowEnded // or the socket has failed, which the next call sees
	c.clear(flagWriting)
	return true
}

// readRecords reads c once, with TLS below it.
func (l *Loop) readRecords(c *Conn) {
	b := l.readSpace(c)
	room := b[len(b):min(cap(b), len(b)+maxRead)]
	n, kind, errno := l.recvRecords(c, room)
	switch {
	case errno == 0 && kind == recordData && n == 0:
		l.keep(c, b, 0, l.needOf(c)) // an empty record
	case errno == 0 && kind != 0 && kind != recordData:
		l.keep(c, b, 0, l.needOf(c))
		l.handler.(RecordHandler).Record(c, kind, room[:n], 0)
	case errno == 0 || errno == unix.EAGAIN || errno == unix.EINTR || isEnd(errno):
		l.received(c, b[:len(b)+n], n, errno)
	default:
		l.keep(c, b, 0, l.needOf(c))
		l.handler.(RecordHandler).Record(c, 0, nil, errno)
	}
}

// recvRecords receives what records of one type have carried. A failure that is no end of the stream is taken off the socket, where it
// would stand in the way of an alert; the next call finds it again.
func (l *Loop) recvRecords(c *Conn, b []byte) (n int, kind byte, errno syscall.Errno) {
	n, kind, errno = l.config.Records.Recv(int(c.fd), b)
	l.hearEdges(c, errno == unix.EAGAIN)
	if errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR && !isEnd(errno) {
		_, _ = unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	}
	return n, kind, errno
}

// hearEdges has the loop hear of what comes for c only when it comes, or of what is there. A kernel may call a socket readable that
// has a part of a record (6.1 does), and would do so in every turn until the rest of it comes.
func (l *Loop) hearEdges(c *Conn, on bool) {
	if l.below.has(c.slot, belowOn) && l.below.has(c.slot, belowPart) != on {
		l.below.states[c.slot] ^= belowPart
		l.watch(c)
	}
}

// isEnd reports whether errno is the end of a TCP connection, with records or without.
func isEnd(errno syscall.Errno) bool {
	switch errno {
	case unix.ECONNRESET, unix.ETIMEDOUT, unix.EPIPE, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENOTCONN, unix.EHOSTDOWN, unix.ENETDOWN:
		return true
	}
	return false
}

// discardRecords throws away what a peer sends to a conn with TLS below, and reports whether that has ended. What comes behind a record
// that cannot be opened stays in the kernel, and the conn waits for the end alone: to close it would reset it, and the peer could
// lose the alert that tells it why.
func (l *Loop) discardRecords(c *Conn) (ended bool) {
	n, kind, errno := l.recvRecords(c, l.shared)
	switch {
	case errno == 0:
		return n == 0 && kind == 0
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return false
	case isEnd(errno):
		return true
	}
	c.set(flagPaused)
	l.watch(c)
	return false
}
