package bench

import (
	"fmt"
	"strings"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// Protocol is how connections speak to the server.
type Protocol string

// The protocols.
const (
	Centrifuge   Protocol = "centrifuge" // what edge serves at /connection/websocket, in JSON
	SocketIO     Protocol = "socketio"   // Socket.IO 5 in Engine.IO 4
	EchoProtocol Protocol = "echo"       // none: what a connection sends comes back to it, and to nobody else

	// EdgeProtocol is another name of Centrifuge.
	EdgeProtocol Protocol = "edge"
)

// Transport is what Engine.IO's packets travel in.
type Transport string

// The transports.
const (
	WebSocket Transport = "websocket"
	Polling   Transport = "polling" // HTTP requests, of which the server holds one until it has something to say
)

// protocolDefaults fills in how connections speak. Echo, if nothing is said, is about bare WebSockets.
func (o *Options) protocolDefaults() {
	if o.Protocol == EdgeProtocol {
		o.Protocol = Centrifuge
	}
	if o.Scenario == Echo {
		orElse(&o.Protocol, EchoProtocol)
	}
	orElse(&o.Protocol, Centrifuge)
	orElse(&o.Transport, WebSocket)
	if o.Protocol == SocketIO {
		o.dialectDefaults()
	}
}

// checkProtocol returns what is wrong with how o has connections speak.
func (o *Options) checkProtocol() error {
	switch o.Protocol {
	case SocketIO:
		return o.checkDialect()
	case Centrifuge, EchoProtocol:
	default:
		return fmt.Errorf("%w: --protocol %q: want centrifuge, socketio or echo", ErrUsage, o.Protocol)
	}
	switch {
	case o.Transport != WebSocket:
		return fmt.Errorf("%w: --transport %s: want it with --protocol socketio", ErrUsage, o.Transport)
	case o.Namespace+o.JoinEvent+o.PublishEvent+o.EchoEvent+o.PublicationEvent != "":
		return fmt.Errorf("%w: --namespace and the names of events are for --protocol socketio: write that too", ErrUsage)
	case o.Protocol == Centrifuge:
		return nil
	case o.Personal || o.PublishVia == ViaAPI:
		return fmt.Errorf("%w: --protocol echo: leave out --personal and --publish-via", ErrUsage)
	case o.alone() && o.Rooms != 1 && o.Rooms != o.Connections:
		return fmt.Errorf("%w: --protocol echo: leave out --rooms: each connection is alone in one", ErrUsage)
	}
	return nil
}

// alone reports whether each connection is the only member of a room, number as it is, and publishes there itself.
func (o *Options) alone() bool { return o.Protocol == EchoProtocol && o.inRooms() }

// inRooms reports whether there are rooms; if not, connections echo.
func (o *Options) inRooms() bool { return o.Scenario != Echo }

// polls reports whether packets travel in HTTP requests.
func (o *Options) polls() bool { return o.Transport == Polling }

// path returns where to connect to t.
func (r *run) path(t *target) string {
	path := t.path
	switch {
	case r.options.Protocol == SocketIO:
		return enginePath(path, r.options.Transport)
	case path != "":
		return path
	case r.options.Protocol == EchoProtocol:
		return echoPath
	}
	return roomsPath
}

// enginePath returns path, /socket.io/ if it is empty, with the query that Engine.IO wants, unless that has been written already.
func enginePath(path string, transport Transport) string {
	orElse(&path, socketIOPath)
	if strings.Contains(path, "EIO=") {
		return path
	}
	sign := "?"
	if strings.Contains(path, "?") {
		sign = "&"
	}
	return path + sign + "EIO=4&transport=" + string(transport)
}

// ear is a play that itself takes what the server says.
type ear interface {
	published(p *peer, b []byte)                         // b begins with the stamp of a publication
	replied(c *netpoll.Conn, p *peer, r *protocol.Reply) // anything that is none
}

// hear reads a message of the protocol.
func (d *driver) hear(c *netpoll.Conn, p *peer, b []byte) {
	before := d.result.ledger.Received
	switch d.run.options.Protocol {
	case SocketIO:
		d.packet(c, p, b)
	case EchoProtocol:
		d.published(p, b)
	default:
		d.lines(c, p, b)
	}
	if n := d.result.ledger.Received - before; n > 0 && d.run.options.inRooms() {
		d.counters.delivered.add(n)
	}
}

// published deals with a publication that has come to p; b begins with its stamp.
func (d *driver) published(p *peer, b []byte) {
	if d.ear != nil {
		d.ear.published(p, b)
		return
	}
	d.delivery(p, b)
}

// heard deals with all else.
func (d *driver) heard(c *netpoll.Conn, p *peer, r *protocol.Reply) {
	if d.ear != nil {
		d.ear.replied(c, p, r)
		return
	}
	d.replied(c, p, r)
}

// sendText adds a message to what goes to the conn at hand.
func (d *driver) sendText(b []byte) {
	if !d.run.options.polls() {
		d.out = frame.AppendMasked(d.out, d.key(), frame.OpText, b, false)
		return
	}
	d.out = appendPacket(d.out, b)
}

// appendPublish appends the command that publishes data to a room.
func (d *driver) appendPublish(dst []byte, id uint32, room, data []byte) []byte {
	switch d.run.options.Protocol {
	case SocketIO:
		return d.run.dialect.appendEvent(dst, id, d.run.dialect.publish, room, data)
	case EchoProtocol:
		return append(dst, data...)
	}
	return protocol.JSON.AppendPublish(dst, id, &protocol.PublishRequest{Channel: room, Data: data})
}
