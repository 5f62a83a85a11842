package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// secured is the TLS of one conn, between its socket and its session.
type secured struct {
	tls   *tlsrecord.Conn
	plain []byte        // what the session has not used of what it was sent
	since time.Duration // when it last used any, by the loop's patience
	stays bool          // the kernel has refused its records
}

// secure begins TLS on a conn.
func (l *loop) secure(c *netpoll.Conn, s *session) {
	l.keepSecured(c, &secured{tls: l.server.tls.NewConn()})
	s.state = stateTLS
}

// keepSecured makes t the TLS of a conn.
func (l *loop) keepSecured(c *netpoll.Conn, t *secured) {
	for int(c.Slot()) >= len(l.secured) {
		l.secured = append(l.secured, nil)
	}
	l.secured[c.Slot()] = t
}

// unsecure ends it.
func (l *loop) unsecure(c *netpoll.Conn) {
	if t := l.securedOf(c); t != nil {
		t.tls.Close()
		l.keepPlain(t, nil)
		l.secured[c.Slot()] = nil
	}
}

// securedOf returns the TLS of a conn, nil for a plain one.
func (l *loop) securedOf(c *netpoll.Conn) *secured {
	if int(c.Slot()) < len(l.secured) {
		return l.secured[c.Slot()]
	}
	return nil
}

// receiveSecured takes what has come from a conn with TLS.
func (l *loop) receiveSecured(c *netpoll.Conn, s *session, t *secured, b []byte) (used, need int) {
	if s.state == stateTLS {
		return l.shakeHands(c, s, t, b)
	}
	own, into := len(t.plain) > 0, l.clear[:0]
	if own {
		into = t.plain
	}
	plain, used, need, err := t.tls.Open(into, b)
	l.writeRecords(c, t.tls.Flush(l.sealed[:0]))
	if own {
		l.keepPlain(t, plain)
	} else {
		l.clear = trim(plain)
	}
	l.receivePlain(c, s, t, plain)
	switch {
	case err == io.EOF && !c.Closing():
		l.writeRecords(c, t.tls.CloseWrite(l.sealed[:0])) // RFC 5246 section 7.2.1 has it answered
		l.net.Close(c, netpoll.ClosedByPeer)
	case err != nil && err != io.EOF:
		l.failSecured(c, s, err)
	case err == nil && used == len(b) && (used > 0 || l.net.Held(c) == 0):
		l.useKernel(c, s, t)
	}
	return used, need
}

// receivePlain hands plaintext to the session and keeps what it leaves. plain is t's own, or scratch space if t has none.
func (l *loop) receivePlain(c *netpoll.Conn, s *session, t *secured, plain []byte) {
	used := len(plain)
	if s.state != stateClosing && !c.Closing() {
		used, _ = l.receive(c, s, plain)
	}
	rest := plain[used:]
	if used > 0 || len(t.plain) == 0 {
		t.since = l.net.Patience()
	}
	switch {
	case len(rest) == 0:
		l.keepPlain(t, nil)
	case len(t.plain) == 0:
		l.keepPlain(t, bytes.Clone(rest))
	default:
		t.plain = t.plain[:copy(t.plain, rest)]
	}
}

// keepPlain makes b what the session has not used.
func (l *loop) keepPlain(t *secured, b []byte) {
	l.server.inputs.Add(cap(b) - cap(t.plain))
	t.plain = b
}

// shakeHands goes on with a handshake. Its cryptography is for a pool of its own.
func (l *loop) shakeHands(c *netpoll.Conn, s *session, t *secured, b []byte) (used, need int) {
	begins := !t.tls.Begun()
	used, need, err := t.tls.Feed(b)
	if err != nil {
		l.hangUp(c, s, whyTLS(err))
		return len(b), 0
	}
	if !t.tls.Ready() {
		return used, need
	}
	if !l.stepAway(c, t, begins) {
		l.hangUp(c, s, metrics.RejectTLSOverload)
		return len(b), 0
	}
	l.net.Pause(c)
	return used, need
}

// stepAway hands a step of a handshake to the pool of handshakes, and reports whether there is room for it. One that begins is refused,
// or ended by its turn, when it would come too late to be of use: half the time that the client has for all of its request is gone by
// then, and the client has to answer yet. One that has begun has cost too much to be given up for others, and goes before them.
func (l *loop) stepAway(c *netpoll.Conn, t *secured, begins bool) bool {
	id := l.net.ID(c)
	step := func() {
		t.tls.Step()
		l.net.Send(netpoll.Post{Kind: postTLS, A: uint64(id)})
	}
	if begins {
		late := func() { l.net.Send(netpoll.Post{Kind: postTLSLate, A: uint64(id)}) }
		return l.server.shakes.submitFresh(step, late, l.server.config.HeadTimeout/2)
	}
	return l.server.shakes.submit(step)
}

// giveUpHandshake ends a conn whose handshake has waited for too long to begin.
func (l *loop) giveUpHandshake(id netpoll.ConnID) {
	if c := l.net.Conn(id); c != nil && !c.Closing() {
		l.hangUp(c, l.sessions.At(c.Slot()), metrics.RejectTLSOverload)
	}
}

// goOnShaking is what follows a step of a handshake.
func (l *loop) goOnShaking(id netpoll.ConnID) {
	c := l.net.Conn(id)
	if c == nil || c.Closing() {
		return
	}
	defer l.guard(c)
	s, t, waiting := l.sessions.At(c.Slot()), l.securedOf(c), len(l.rereads)
	l.writeRecords(c, t.tls.Flush(l.sealed[:0]))
	switch {
	case t.tls.Err() != nil:
		l.failSecured(c, s, t.tls.Err())
		return
	case t.tls.Established():
		s.state = stateHead
		l.receiveSecured(c, s, t, nil) // what came right behind the handshake
	}
	if len(l.rereads) == waiting && l.mayRead(c, s) {
		l.net.Resume(c)
	}
}

// failSecured ends a conn whose TLS has failed. What TLS has to say about it has been sent.
func (l *loop) failSecured(c *netpoll.Conn, s *session, why error) {
	if s.state == stateClosing || c.Closing() {
		return
	}
	if bug := (*tlsrecord.PanicError)(nil); errors.As(why, &bug) {
		l.counts.Panics++
		l.server.report(fault{conn: l.net.ID(c), what: fmt.Sprint(bug.Value), stack: bug.Stack})
	}
	l.reject(c, whyTLS(why))
	l.leave(c, s, protocol.DisconnectConnectionClosed)
	s.finish()
	l.net.Shutdown(c, nil, turnedAwayFor)
}

// tlsRejections are the rejections for the labels of tlsrecord.
var tlsRejections = map[string]metrics.Rejection{
	"not_tls": metrics.RejectTLSPlain, "hello": metrics.RejectTLSHello, "busy": metrics.RejectTLSBusy,
	"flights": metrics.RejectTLSFlights, "record": metrics.RejectTLSRecord, "flood": metrics.RejectTLSFlood,
	"key_update":  metrics.RejectTLSKeyUpdate,
	"certificate": metrics.RejectTLSCertificate, "peer_alert": metrics.RejectTLSAlert, "panic": metrics.RejectTLSPanic,
}

// whyTLS returns what a conn is rejected for whose TLS has failed.
func whyTLS(err error) metrics.Rejection {
	if why, ok := tlsRejections[tlsrecord.Label(err)]; ok {
		return why
	}
	return metrics.RejectTLS
}

// again serves c once more when the others have had their turn. Until then it is not read: what a client sends faster than it is served
// stays in its socket.
func (l *loop) again(c *netpoll.Conn) {
	if l.securedOf(c) != nil {
		l.net.Pause(c)
		l.rereads = append(l.rereads, l.net.ID(c))
	} else {
		l.net.Again(c)
	}
}

// reread hands sessions what they have left of their plaintext, and reports whether to go on at once.
func (l *loop) reread() (more bool) {
	n := len(l.rereads)
	for _, id := range l.rereads[:n] {
		c := l.net.Conn(id)
		if c == nil || c.Closing() {
			continue
		}
		s := l.sessions.At(c.Slot())
		switch t := l.securedOf(c); {
		case !l.mayRead(c, s): // whatever stands against it will have it read again
		case t != nil:
			l.rereadConn(c, s, t)
		default: // its records have become the kernel's
			l.net.Resume(c)
		}
	}
	l.rereads = l.rereads[:copy(l.rereads, l.rereads[n:])]
	return len(l.rereads) > 0
}

// rereadConn does so for one, and reads it again if that was all it could do with what it has.
func (l *loop) rereadConn(c *netpoll.Conn, s *session, t *secured) {
	defer l.guard(c)
	waiting := len(l.rereads)
	l.receivePlain(c, s, t, t.plain)
	if len(l.rereads) == waiting && l.mayRead(c, s) {
		l.net.Resume(c)
	}
}

// write sends b to a conn, by way of TLS if it has that.
func (l *loop) write(c *netpoll.Conn, b []byte) {
	if t := l.securedOf(c); t != nil {
		l.seal(c, t, b)
	} else {
		l.net.Write(c, b)
	}
}

// writeRef is write without a copy, where there is no TLS: with kept true b must never change again.
func (l *loop) writeRef(c *netpoll.Conn, b []byte) (kept bool) {
	if t := l.securedOf(c); t != nil {
		l.seal(c, t, b)
		return false
	}
	return l.net.WriteRef(c, b)
}

func (l *loop) seal(c *netpoll.Conn, t *secured, b []byte) {
	if c.Closing() {
		return // records that do not leave would be missed by those behind them
	}
	records, err := t.tls.Seal(l.sealed[:0], b)
	if err != nil {
		l.net.Close(c, netpoll.ClosedLocally)
		return
	}
	l.writeRecords(c, records)
}

// writeRecords sends records, which are in l.sealed.
func (l *loop) writeRecords(c *netpoll.Conn, records []byte) {
	if len(records) > 0 {
		l.net.Write(c, records)
	}
	l.sealed = trim(records)
}

// shutdown ends a conn in order, with last as its last word.
func (l *loop) shutdown(c *netpoll.Conn, last []byte) {
	t := l.securedOf(c)
	if t == nil {
		l.net.Shutdown(c, last, lingerTimeout)
		return
	}
	records, err := t.tls.Seal(l.sealed[:0], last)
	if err == nil {
		records = t.tls.CloseWrite(records)
	}
	l.net.Shutdown(c, records, lingerTimeout)
	l.sealed = trim(records)
}
