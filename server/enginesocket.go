package server

import (
	"github.com/seed4ac54ce5/edge/engineio"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// engineRoutes returns what is served under the paths of Engine.IO.
func (c *SocketIO) engineRoutes() (all []route) {
	if c == nil {
		return nil
	}
	if c.EchoPath != "" {
		all = append(all, c.engineRoute(c.EchoPath, engineEcho))
	}
	return all
}

// engineRoute is the route for sessions that begin with flags.
func (c *SocketIO) engineRoute(path string, flags uint32) route {
	return route{
		path: path, below: true, limit: c.MaxPayload, socket: true,
		serve: func(l *loop, conn *netpoll.Conn, s *session, r *httpRequest) {
			if err := l.upgradeEngine(conn, s, r, flags); err != nil {
				l.refuse(conn, s, err)
			}
		},
	}
}

// upgradeEngine makes the conn the WebSocket of a session, if r may have one.
func (l *loop) upgradeEngine(c *netpoll.Conn, s *session, r *httpRequest, flags uint32) *frame.HTTPError {
	q := engineio.ParseQuery(r.RawQuery)
	if err := l.checkEngine(r.Request, &q); err != nil {
		l.refuseEngine(c, s, err)
		return nil
	}
	if err := r.checkUpgrade(); err != nil {
		return err
	}
	if _, err := frame.SelectProtocol(r.Protocols); err != nil {
		return err
	}
	if _, err := frame.NegotiateDeflate(r.Extensions); err != nil {
		return err
	}
	l.out = frame.AppendUpgrade(l.out, r.Key, "", frame.DeflateParams{})
	s.clear(flagsOfRequest)
	if q.Base64 {
		flags |= engineBase64
	}
	l.out = frame.AppendFrame(l.out, frame.OpText, l.openEngine(c, s, flags, false), false)
	return nil
}

// checkEngine returns what a request is refused for, in the order of the protocol; nil if it is good.
func (l *loop) checkEngine(r *frame.Request, q *engineio.Query) *engineio.Error {
	config := l.server.config.SocketIO
	switch {
	case q.Transport != engineio.WebSocket || config.NoWebSocket:
		return engineio.ErrTransport
	case !q.Begins():
		return engineio.ErrSession
	case !l.originAllowed(r.Origin, r.Host):
		return engineio.ErrForbidden
	case !q.Version:
		return engineio.ErrVersion
	}
	return nil
}

// refuseEngine answers a request for a WebSocket with an error.
func (l *loop) refuseEngine(c *netpoll.Conn, s *session, e *engineio.Error) {
	l.reject(c, rejectionOfEngine(e))
	s.finish()
	l.out = e.AppendUpgradeError(l.out, nil)
	l.lastWord(c)
}

// rejectionOfEngine returns the counter for an error.
func rejectionOfEngine(e *engineio.Error) metrics.Rejection {
	if e == engineio.ErrForbidden {
		return metrics.RejectOrigin
	}
	return metrics.RejectBadRequest
}

// engineMessage serves a message of the WebSocket of a session.
func (l *loop) engineMessage(c *netpoll.Conn, s *session, op frame.Opcode, payload []byte) {
	p, ok := engineio.Packet{Type: engineio.Message, Binary: true, Data: payload}, true
	if op == frame.OpText {
		p, ok = engineio.ParseText(payload)
	}
	if !ok {
		l.failEngine(c, s, reasonParseError)
		return
	}
	l.takePacket(c, s, p)
}
