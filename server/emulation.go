package server

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// What the client of a stream has to say comes by requests of their own, which name the session by a secret that only its client was
// told. Such a request is served on the session's loop: its conn moves there.

const (
	pathEmulation  = "/emulation"
	emulationLimit = 64 << 10 // bytes of a request
	maxLine        = 64       // requests that wait for one session
)

// emulation is what such a request says.
type emulation struct {
	Session string `json:"session"`
	Node    string `json:"node"`
	Data    string `json:"data"` // commands
}

var errEmulation = &frame.HTTPError{Status: http.StatusBadRequest, Reason: "bad emulation request"}

// secretOf returns the name of c's session for its client, good until the next call for an id.
func (l *loop) secretOf(c *netpoll.Conn) []byte {
	return l.server.secrets.append(nil, &l.idSpace, uint64(l.net.ID(c)))
}

// serveEmulation gives a session the commands in a request. One whose session has others to finish waits; one whose session has
// gone is answered as if it had not, as its client hears by the stream.
func (l *loop) serveEmulation(c *netpoll.Conn, s *session, r *httpRequest) {
	e, ok := l.parseEmulated(r)
	if !ok {
		l.refuse(c, s, errEmulation)
		return
	}
	if e.Node != string(l.server.nodeID) {
		l.answer(c, s, &answer{status: http.StatusNotFound})
		return
	}
	conn, ok := l.server.secrets.parse(&l.idSpace, []byte(e.Session))
	id := netpoll.ConnID(conn)
	switch {
	case !ok || id.Loop() >= len(l.server.loops):
		l.answer(c, s, &answer{status: http.StatusNoContent})
	case id.Loop() != l.net.Number():
		l.move(c, s, id.Loop())
	case !l.mayCommand(id):
		l.waitInLine(c, s, id)
	default:
		l.flush(c) // answers to requests before it are not the stream's
		l.commandsFor(id, []byte(e.Data))
		l.answer(c, s, &answer{status: http.StatusNoContent})
	}
}

// parseEmulated reads the body of a request in either encoding.
func (l *loop) parseEmulated(r *httpRequest) (e emulation, ok bool) {
	if string(mediaType(r)) == typeBinary {
		var b protocol.Emulation
		err := l.decoder.DecodeEmulation(r.body, &b)
		return emulation{string(b.Session), string(b.Node), string(b.Data)}, err == nil
	}
	err := json.Unmarshal(r.body, &e)
	return e, err == nil
}

// streamOf returns a stream that stands, or nil.
func (l *loop) streamOf(id netpoll.ConnID) (c *netpoll.Conn, s *session) {
	if c = l.net.Conn(id); c == nil || c.Closing() {
		return nil, nil
	}
	s = l.sessions.At(c.Slot())
	if !s.speaks() || s.stream() == nil || s.wire == wireEvents {
		return nil, nil
	}
	return c, s
}

// mayCommand reports whether a stream takes commands now, or never will.
func (l *loop) mayCommand(id netpoll.ConnID) bool {
	c, s := l.streamOf(id)
	return c == nil || !s.has(flagOffloaded|flagThrottled) && l.net.Backlog(c) == 0
}

// commandsFor serves commands of a stream's client. A fault in them is the stream's.
func (l *loop) commandsFor(id netpoll.ConnID, commands []byte) {
	c, s := l.streamOf(id)
	if c == nil {
		return
	}
	defer l.guard(c)
	l.counts.MessagesIn++
	l.counts.PayloadIn += uint64(len(commands))
	l.readCommands(c, s, commands)
	l.charge(c, s, len(commands))
	l.flush(c)
}

// waitInLine has a request wait until a session has finished what came before.
func (l *loop) waitInLine(c *netpoll.Conn, s *session, id netpoll.ConnID) {
	if len(l.lines[id]) >= maxLine {
		l.refuse(c, s, frame.ErrUnavailable)
		return
	}
	l.putBack(c, s)
	if own := l.net.ID(c); !slices.Contains(l.lines[id], own) {
		l.lines[id] = append(l.lines[id], own)
	}
}

// putBack leaves the request in hand where it is: it will be read again. Its conn is paused, and its timer stands still.
func (l *loop) putBack(c *netpoll.Conn, s *session) {
	l.stays = true
	s.state = stateHeld
	l.net.StopTimer(c)
	l.net.Pause(c)
}

// takeUp has a request read again that was put back.
func (l *loop) takeUp(c *netpoll.Conn, s *session) {
	if s.state == stateHeld && !c.Closing() {
		s.state = stateHead
		l.net.SetTimer(c, l.server.config.HeadTimeout)
		l.readOn(c, s)
	}
}

// callNext takes up the requests that wait for a session, which takes commands again or has ended.
func (l *loop) callNext(id netpoll.ConnID) {
	if len(l.lines) == 0 {
		return
	}
	line := l.lines[id]
	delete(l.lines, id)
	for _, own := range line {
		if c := l.net.Conn(own); c != nil {
			l.takeUp(c, l.sessions.At(c.Slot()))
		}
	}
}
