package tlsrecord

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// The errors that end a conn before crypto/tls has a word in it. No alert goes with them: the peer either does
// not speak TLS or means harm.
var (
	ErrNotTLS  = errors.New("tls: what was sent does not look like TLS")
	ErrHello   = errors.New("tls: bad or too large ClientHello")
	ErrBusy    = errors.New("tls: too many handshakes under way")
	ErrRecord  = errors.New("tls: bad record header")
	ErrFlights = errors.New("tls: handshake in too many pieces or too large")
	ErrFlood   = errors.New("tls: too many records without data")

	// ErrKeyUpdate ends a conn whose records somebody else does: its keys are those it was exported with.
	ErrKeyUpdate = errors.New("tls: new keys on a conn that has been exported")
)

// A PanicError is a panic of ours or of crypto/tls, caught before it could reach another conn.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("tls: panic: %v", e.Value) }

// Label returns in a word why a conn failed, one of a fixed set, for counters. For nil, io.EOF (the peer said
// close_notify) and a conn that was closed it is empty: that is no failure.
func Label(err error) string {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return ""
	}
	for _, row := range []struct {
		err   error
		label string
	}{
		{ErrNotTLS, "not_tls"}, {ErrHello, "hello"}, {ErrBusy, "busy"}, {ErrRecord, "record"},
		{ErrFlights, "flights"}, {ErrFlood, "flood"}, {ErrKeyUpdate, "key_update"},
	} {
		if errors.Is(err, row.err) {
			return row.label
		}
	}
	return deepLabel(err)
}

// deepLabel is Label for what happens in crypto/tls.
func deepLabel(err error) string {
	var (
		op   *net.OpError
		cert *tls.CertificateVerificationError
		bug  *PanicError
	)
	switch {
	case errors.As(err, &bug):
		return "panic"
	case errors.As(err, &cert):
		return "certificate"
	case errors.As(err, &op) && op.Op == "remote error":
		return "peer_alert"
	}
	return "protocol"
}
