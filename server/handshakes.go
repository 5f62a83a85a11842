package server

import (
	"bytes"
	"net/http"
	"time"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// handshakes are the requests that sessions of Socket.IO began with, as long as the application may be shown them: each is one
// piece of memory that is no larger than the request. Loop goroutine only.
type handshakes struct {
	byConn map[netpoll.ConnID]keptHandshake
	recent []recent // those that are kept no longer than a while, by when they are forgotten
	bytes  int      // of all, with what keeping them takes
	text   []byte   // scratch space
}

// keptHandshake is a request: its target, and its header's lines as they came, each of them with a line feed behind it.
type keptHandshake struct {
	text   []byte
	issued int64 // Unix time in nanoseconds
	ends   bool  // its conn is among the recent
}

// recent is when the handshake of a session is forgotten.
type recent struct {
	conn netpoll.ConnID
	at   time.Duration
}

// handshakeKept is how long a session's handshake is kept for further namespaces once its client is in one, unless the
// application wants it for longer. Clients ask for those that they need from the beginning at once.
const handshakeKept = 5 * time.Second

func newHandshakes() handshakes { return handshakes{byConn: make(map[netpoll.ConnID]keptHandshake)} }

// full reports whether there is no room for another.
func (h *handshakes) full() bool { return h.bytes > maxFields }

// keep keeps r for a conn.
func (h *handshakes) keep(id netpoll.ConnID, r *frame.Request) {
	b := append(h.text[:0], r.Path...)
	if len(r.RawQuery) > 0 {
		b = append(append(b, '?'), r.RawQuery...)
	}
	b = append(b, '\n')
	for name, value := range r.All() {
		b = append(append(append(b, name...), ':'), value...)
		b = append(b, '\n')
	}
	h.byConn[id] = keptHandshake{text: bytes.Clone(b), issued: time.Now().UnixNano()}
	h.bytes += fieldCost + len(b)
	h.text = trim(b)
}

// show fills in what is kept of a conn's request, if it is.
func (h *handshakes) show(id netpoll.ConnID, to *SocketHandshake) {
	k, ok := h.byConn[id]
	if !ok {
		return
	}
	target, lines, _ := bytes.Cut(k.text, []byte{'\n'})
	to.URL, to.Issued = string(target), time.Unix(0, k.issued)
	for line := range bytes.Lines(lines) {
		name, value, _ := bytes.Cut(line[:len(line)-1], []byte{':'})
		to.Header.Add(string(name), string(value))
	}
}

// expire has a conn's forgotten at a time, which is no earlier than that of any before it.
func (h *handshakes) expire(id netpoll.ConnID, at time.Duration) {
	if k, ok := h.byConn[id]; ok && !k.ends {
		k.ends = true
		h.byConn[id] = k
		h.recent = append(h.recent, recent{id, at})
	}
}

// forget forgets a conn's.
func (h *handshakes) forget(id netpoll.ConnID) {
	k, ok := h.byConn[id]
	if !ok {
		return
	}
	h.bytes -= fieldCost + len(k.text)
	delete(h.byConn, id)
	if len(h.byConn) == 0 {
		h.byConn = make(map[netpoll.ConnID]keptHandshake) // one that has been large stays so
	}
}

// age forgets those whose time has come.
func (h *handshakes) age(now time.Duration) {
	n := 0
	for n < len(h.recent) && h.recent[n].at <= now {
		h.forget(h.recent[n].conn)
		n++
	}
	switch {
	case n == len(h.recent):
		h.recent = nil
	case n > 0:
		h.recent = append(h.recent[:0], h.recent[n:]...)
	}
}

// handshakeOf returns what the application is shown of the request that a session began with.
func (l *loop) handshakeOf(c *netpoll.Conn, s *session) *SocketHandshake {
	shown := &SocketHandshake{Header: make(http.Header), Address: l.addressOf(c, s), Secure: l.server.tls != nil}
	l.sockets.handshakes.show(l.net.ID(c), shown)
	return shown
}

// roomForHandshake reports whether the request of a new session can be kept, as far as that is asked for.
func (l *loop) roomForHandshake(flags uint32) bool {
	return flags&engineEcho != 0 || l.server.config.SocketIO.NoHandshakes || !l.sockets.handshakes.full()
}
