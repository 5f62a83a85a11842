package server

import (
	"bytes"
	"net/http"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// A stream is a session whose conn carries an HTTP answer that does not end: what the session has for its client leaves in
// chunks of it, and what the client has for the session comes by requests of its own (see emulation.go). In all else it is
// as a WebSocket.

// The paths of streams.
const (
	pathHTTPStream = "/connection/http_stream"
	pathSSE        = "/connection/sse"
)

// The types of what is streamed and asked.
const (
	typeJSON   = "application/json; charset=utf-8"
	typeBinary = "application/octet-stream"
	typeEvents = "text/event-stream; charset=utf-8"
)

// streamHeader are the lines that keep what stands between from holding back a stream.
const streamHeader = "Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0\r\nPragma: no-cache\r\nExpire: 0\r\nX-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n"

// streaming is what is to be known of a kind of stream.
type streaming struct {
	transport metrics.Transport
	kind      string // Content-Type
	first     string // body that stands before all else
	ping      []byte // a whole chunk
	encode    func(dst []byte, s *Server, p *hub.Publication) []byte
	replies   func(l *loop, s *session, dst, replies []byte) []byte // appends replies, as their encoding joins them, in a chunk
}

// The kinds of streams.
var (
	streamSSE = streaming{
		transport: metrics.SSE,
		kind:      typeEvents,
		first:     "\r\n",
		ping:      frame.AppendChunk(nil, appendData(nil, protocol.JSON.AppendPing(nil))),
		encode: func(dst []byte, s *Server, p *hub.Publication) []byte {
			return frame.AppendChunk(dst, appendData(nil, appendMessage(nil, p, protocol.JSON, s.ids)))
		},
		replies: func(l *loop, _ *session, dst, replies []byte) []byte {
			l.chunk = l.chunk[:0]
			for line := range bytes.SplitSeq(replies, []byte{'\n'}) {
				l.chunk = appendData(l.chunk, line)
			}
			return l.endChunk(dst)
		},
	}
	streamJSON = streaming{
		transport: metrics.HTTPStream,
		kind:      typeJSON,
		ping:      frame.AppendChunk(nil, append(protocol.JSON.AppendPing(nil), '\n')),
		encode: func(dst []byte, s *Server, p *hub.Publication) []byte {
			return frame.AppendChunk(dst, append(appendMessage(nil, p, protocol.JSON, s.ids), '\n'))
		},
		replies: func(l *loop, _ *session, dst, replies []byte) []byte {
			l.chunk = append(append(l.chunk[:0], replies...), '\n')
			return l.endChunk(dst)
		},
	}
	streamProtobuf = streaming{
		transport: metrics.HTTPStream,
		kind:      typeBinary,
		ping:      frame.AppendChunk(nil, protocol.Protobuf.AppendPing(nil)),
		encode: func(dst []byte, s *Server, p *hub.Publication) []byte {
			return frame.AppendChunk(dst, appendMessage(nil, p, protocol.Protobuf, s.ids))
		},
		replies: func(_ *loop, _ *session, dst, replies []byte) []byte { return frame.AppendChunk(dst, replies) },
	}
)

// wiring is the wire form w of a kind of stream.
func (k *streaming) wiring(w wireForm, e protocol.Encoding) wiring {
	return wiring{
		encoding: e,
		small:    w,
		opaque:   e == protocol.Protobuf,
		payload:  chunkPayload,
		join:     (*loop).joinWires,
		encode:   func(s *Server, dst []byte, p *hub.Publication) []byte { return k.encode(dst, s, p) },
		stream:   k,
	}
}

// streamRoutes returns what is served for streams, if there may be any.
func (s *Server) streamRoutes() (all []route) {
	if s.config.HTTPStream {
		all = append(all, route{path: pathHTTPStream, methods: "POST, OPTIONS", limit: strangersLimit, cors: true, serve: (*loop).serveHTTPStream})
	}
	if s.config.SSE {
		all = append(all, route{path: pathSSE, methods: "GET, POST, OPTIONS", limit: strangersLimit, cors: true, serve: (*loop).serveSSE})
	}
	if len(all) > 0 {
		all = append(all, route{path: pathEmulation, methods: "POST, OPTIONS", limit: emulationLimit, cors: true, serve: (*loop).serveEmulation})
	}
	return all
}

// appendData appends msg, which has no line feeds, as an event's data. Carriage returns, which end a line there (HTML standard,
// section 9.2.6), can only be space in JSON.
func appendData(dst, msg []byte) []byte {
	dst = append(dst, "data: "...)
	from := len(dst)
	dst = append(dst, msg...)
	for i := bytes.IndexByte(dst[from:], '\r'); i >= 0; i = bytes.IndexByte(dst[from:], '\r') {
		from += i
		dst[from] = ' '
	}
	return append(dst, "\n\n"...)
}

// endChunk appends l.chunk as one.
func (l *loop) endChunk(dst []byte) []byte {
	dst = frame.AppendChunk(dst, l.chunk)
	l.chunk = trim(l.chunk)
	return dst
}

// chunkPayload is how many bytes of chunks are not their frame.
func chunkPayload(wire []byte) (n int) {
	for len(wire) > 0 {
		size := 0
		i := 0
		for ; wire[i] != '\r'; i++ {
			digit := int(wire[i] - '0')
			if wire[i] >= 'a' {
				digit = int(wire[i]-'a') + 10
			}
			size = size<<4 | digit
		}
		n += size
		wire = wire[i+len("\r\n")+size+len("\r\n"):]
	}
	return n
}

// serveHTTPStream makes the conn a stream of the client protocol: the request's body are its first commands.
func (l *loop) serveHTTPStream(c *netpoll.Conn, s *session, r *httpRequest) {
	wire := wireStream
	if bytes.Equal(mediaType(r), []byte(typeBinary)) {
		wire = wireStreamProtobuf
	}
	if l.startStream(c, s, r, wire) {
		l.firstCommands(c, s, r.body)
	}
}

// serveSSE is the same for server-sent events. A GET has the commands in its query; one that has none is no SDK's.
func (l *loop) serveSSE(c *netpoll.Conn, s *session, r *httpRequest) {
	commands := r.body
	if string(r.Method) == http.MethodGet {
		q, ok := readQuery(r.RawQuery)
		switch {
		case !ok:
			l.refuse(c, s, errQuery)
			return
		case q.commands == nil:
			l.serveEvents(c, s, r, &q)
			return
		}
		commands = q.commands
	}
	if l.startStream(c, s, r, wireSSE) {
		l.firstCommands(c, s, commands)
	}
}

// mediaType returns that of a request's body, without its parameters.
func mediaType(r *httpRequest) []byte {
	kind, _, _ := bytes.Cut(r.Header("content-type"), []byte{';'})
	return bytes.ToLower(bytes.TrimSpace(kind))
}

// startStream begins the answer that does not end, and the life of s as a stream. It reports false if there is no room for it.
func (l *loop) startStream(c *netpoll.Conn, s *session, r *httpRequest, wire wireForm) bool {
	if !l.fields.keep(l.net.ID(c), r.Request) {
		l.refuse(c, s, frame.ErrUnavailable)
		return false
	}
	kind := wirings[wire].stream
	l.header = append(append(l.header[:0], streamHeader...), l.cors...)
	l.out = frame.AppendStreamHead(l.out, kind.kind, l.header)
	if kind.first != "" {
		l.out = frame.AppendChunk(l.out, []byte(kind.first))
	}
	s.clear(flagsOfRequest)
	s.wire = wire
	if wirings[wire].encoding == protocol.Protobuf {
		s.set(flagProtobuf)
	}
	if len(r.Origin) == 0 {
		s.set(flagNoOrigin)
	}
	l.open(c, s, stateNew)
	return true
}

// firstCommands serves the commands that a stream begins with.
func (l *loop) firstCommands(c *netpoll.Conn, s *session, commands []byte) {
	l.counts.MessagesIn++
	l.counts.PayloadIn += uint64(len(commands))
	l.readCommands(c, s, commands)
	l.charge(c, s, len(commands))
}
