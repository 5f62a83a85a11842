package server

import (
	"bytes"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// The public paths.
const (
	pathWebSocket = "/connection/websocket"
	pathEcho      = "/echo"
)

// The subprotocols: the two encodings of the client protocol.
const (
	nameJSON     = "centrifuge-json"
	nameProtobuf = "centrifuge-protobuf"
)

// serveWebSocket makes the conn a session, if r may have one.
func (l *loop) serveWebSocket(c *netpoll.Conn, s *session, r *httpRequest) {
	if err := l.upgrade(c, s, r, stateNew); err != nil {
		l.refuse(c, s, err)
	}
}

// serveEcho makes the conn a WebSocket that sends back what it gets.
func (l *loop) serveEcho(c *netpoll.Conn, s *session, r *httpRequest) {
	if err := l.upgrade(c, s, r, stateEcho); err != nil {
		l.refuse(c, s, err)
	}
}

// upgrade makes the conn a WebSocket, if r may have one, in the state next.
func (l *loop) upgrade(c *netpoll.Conn, s *session, r *httpRequest, next state) *frame.HTTPError {
	if err := r.checkUpgrade(); err != nil {
		return err
	}
	if !l.originAllowed(r.Origin, r.Host) {
		return frame.ErrForbidden
	}
	name, protobuf, err := selectProtocol(r.Request, next)
	if err != nil {
		return err
	}
	deflate, err := frame.NegotiateDeflate(r.Extensions)
	if err != nil {
		return err
	}
	if next == stateNew && !l.fields.keep(l.net.ID(c), r.Request) {
		return frame.ErrUnavailable
	}
	l.out = frame.AppendUpgrade(l.out, r.Key, name, deflate)
	s.deflate = deflate
	s.clear(flagsOfRequest)
	l.open(c, s, next)
	if protobuf {
		s.set(flagProtobuf)
	}
	s.wire = wireOfWebSocket(protobuf, deflate)
	if len(r.Origin) == 0 {
		s.set(flagNoOrigin)
	}
	if hasParameter(r.RawQuery, "cf_ws_frame_ping_pong", "true") {
		s.set(flagFramePing)
	}
	return nil
}

// open begins the life of s as a WebSocket.
func (l *loop) open(c *netpoll.Conn, s *session, next state) {
	s.state = next
	s.set(flagCounted)
	if next == stateEcho {
		s.set(flagEcho)
	}
	l.counts.Connections[s.transport()]++
	if next == stateEcho {
		l.net.StopTimer(c)
	} else {
		l.net.SetTimer(c, l.server.config.StaleTimeout)
	}
}

// selectProtocol returns the subprotocol to answer with, "" for none, and whether the conn speaks protobuf, as the
// subprotocol or the query has it.
func selectProtocol(r *frame.Request, next state) (name string, protobuf bool, err *frame.HTTPError) {
	name, err = frame.SelectProtocol(r.Protocols, nameJSON, nameProtobuf)
	if err != nil || next == stateEcho {
		return "", false, err
	}
	asked := hasParameter(r.RawQuery, "format", "protobuf") || hasParameter(r.RawQuery, "cf_protocol", "protobuf")
	return name, name == nameProtobuf || asked, nil
}

// hasParameter reports whether a query has name=value, written plainly.
func hasParameter(query []byte, name, value string) bool {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		key, val, _ := bytes.Cut(pair, []byte{'='})
		if string(key) == name && string(val) == value {
			return true
		}
	}
	return false
}

// originAllowed reports whether a page of this origin may connect (RFC 6454). Programs send none: they have to show a token
// later. In development every page of this machine may.
func (l *loop) originAllowed(origin, host []byte) bool {
	return len(origin) == 0 || l.access().origins.Allows(origin, host) || l.server.config.Development && ofThisMachine(origin)
}

// ofThisMachine reports whether an origin is a page that this machine serves itself.
func ofThisMachine(origin []byte) bool {
	u, err := url.Parse(string(origin))
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && u.Path == "" && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// refuse answers a request with an error, and ends the conn: who knows what follows.
func (l *loop) refuse(c *netpoll.Conn, s *session, e *frame.HTTPError) {
	l.reject(c, rejectionOf(e))
	l.endPost(c, s)
	s.finish()
	l.putError(s, e, l.cors...)
	l.lastWord(c)
}

// rejectionOf returns the counter for an HTTP answer.
func rejectionOf(e *frame.HTTPError) metrics.Rejection {
	switch e.Status {
	case http.StatusMethodNotAllowed:
		return metrics.RejectMethod
	case http.StatusUpgradeRequired:
		return metrics.RejectVersion
	case http.StatusRequestHeaderFieldsTooLarge, http.StatusRequestURITooLong, http.StatusRequestEntityTooLarge:
		return metrics.RejectTooLarge
	case http.StatusNotFound:
		return metrics.RejectNotFound
	case http.StatusForbidden:
		return metrics.RejectOrigin
	case http.StatusServiceUnavailable:
		return metrics.RejectFieldMemory
	}
	return metrics.RejectBadRequest
}
