package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// probeKernelTLS finds out why the kernel cannot do records, if so.
func (s *Server) probeKernelTLS() {
	if s.config.records == nil {
		s.kernelTLS = netpoll.KernelTLS()
	}
}

// tlsConfig returns c without what cannot be used.
func (s *Server) tlsConfig(c tlsrecord.Config) tlsrecord.Config {
	c.Export = c.Export && s.kernelTLS == nil
	return c
}

// aboutKernelTLS says whether the kernel does records, which it is asked to with wanted; it is empty for plain connections.
func (s *Server) aboutKernelTLS(wanted bool) string {
	switch {
	case s.tls == nil:
		return ""
	case s.kernelTLS != nil:
		return "not used, and not found: " + s.kernelTLS.Error()
	case !wanted:
		return "not used, but found"
	}
	return "used"
}

// usedKernelTLS returns how many conns have their records done by the kernel, on the loops that have answered.
func usedKernelTLS(snap *metrics.Snapshot) (n int64) {
	for i := range snap.Loops {
		n += snap.Loops[i].KernelTLS
	}
	return n
}

// useKernel hands the records of a conn to the kernel if it may be done now, when all that was read of the conn has been used.
// From then on it is a conn without TLS for the loop. Where the kernel refuses, records stay in the process.
func (l *loop) useKernel(c *netpoll.Conn, s *session, t *secured) {
	if t.stays || len(t.plain) > 0 || s.state == stateClosing || c.Closing() || l.net.Backlog(c) > 0 {
		return
	}
	tx, rx, ok := t.tls.Export()
	if !ok {
		return
	}
	begun := l.net.StartTLS(c, netpoll.TLSKeys(tx), netpoll.TLSKeys(rx))
	clear(tx.Key)
	clear(rx.Key)
	if !begun {
		t.tls.Keep()
		t.stays = true
		return
	}
	l.unsecure(c)
}

// Types of records, and alerts (RFC 8446 sections 5.1 and 6).
const (
	recordAlert     = 21
	recordHandshake = 22

	alertCloseNotify       = 0
	alertUnexpectedMessage = 10
	alertBadRecordMAC      = 20
	alertRecordOverflow    = 22
	alertInternalError     = 80
	alertUserCanceled      = 90

	messageKeyUpdate = 24 // RFC 8446 section 4
)

// Record ends a conn whose records the kernel does, for what is no data. New keys are not given to the kernel: the client is told
// internal_error, and comes back.
func (l *loop) Record(c *netpoll.Conn, kind byte, b []byte, why syscall.Errno) {
	defer l.guard(c)
	if kind == recordAlert && len(b) == 2 {
		l.hearAlert(c, b[1])
		return
	}
	alert, err := judgeRecord(kind, b, why)
	l.net.Alert(c, alert)
	l.failSecured(c, l.sessions.At(c.Slot()), err)
}

// hearAlert takes an alert of the client's.
func (l *loop) hearAlert(c *netpoll.Conn, description byte) {
	switch description {
	case alertCloseNotify:
		l.net.Alert(c, alertCloseNotify)
		l.net.Close(c, netpoll.ClosedByPeer)
	case alertUserCanceled: // close_notify follows (RFC 8446 section 6.1)
	default:
		l.failSecured(c, l.sessions.At(c.Slot()), &net.OpError{Op: "remote error", Err: tls.AlertError(description)})
	}
}

// judgeRecord returns what to tell a client whose record is no data and no alert, or could not be opened.
func judgeRecord(kind byte, b []byte, why syscall.Errno) (alert byte, err error) {
	switch {
	case kind == recordHandshake && len(b) > 0 && b[0] == messageKeyUpdate, why == syscall.EKEYEXPIRED:
		return alertInternalError, tlsrecord.ErrKeyUpdate
	case why == syscall.EBADMSG:
		return alertBadRecordMAC, errors.New("tls: a record that cannot be opened")
	case why == syscall.EMSGSIZE:
		return alertRecordOverflow, tlsrecord.ErrRecord
	case why == syscall.EINVAL: // no record of this version
		return alertUnexpectedMessage, tlsrecord.ErrRecord
	case why != 0:
		return alertInternalError, fmt.Errorf("tls: kernel: %w", why)
	}
	return alertUnexpectedMessage, fmt.Errorf("tls: unexpected record of type %d", kind)
}
