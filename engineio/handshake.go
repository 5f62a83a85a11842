package engineio

import (
	"strconv"
	"time"
)

// Handshake is what a session begins with.
type Handshake struct {
	SID          []byte // the session's id, of characters that JSON leaves as they are
	Upgrade      bool   // the client may go on in a WebSocket
	PingInterval time.Duration
	PingTimeout  time.Duration
	MaxPayload   int // bytes
}

// Append appends the open packet that says so.
func (h *Handshake) Append(dst []byte) []byte {
	dst = append(dst, `0{"sid":"`...)
	dst = append(dst, h.SID...)
	dst = append(dst, `","upgrades":[`...)
	if h.Upgrade {
		dst = append(dst, `"websocket"`...)
	}
	dst = append(dst, `],"pingInterval":`...)
	dst = strconv.AppendInt(dst, h.PingInterval.Milliseconds(), 10)
	dst = append(dst, `,"pingTimeout":`...)
	dst = strconv.AppendInt(dst, h.PingTimeout.Milliseconds(), 10)
	dst = append(dst, `,"maxPayload":`...)
	dst = strconv.AppendInt(dst, int64(h.MaxPayload), 10)
	return append(dst, '}')
}
