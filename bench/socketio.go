package bench

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// Protocol is how connections speak of rooms.
type Protocol string

// The protocols.
const (
	EdgeProtocol Protocol = "edge"     // what edge serves at /connection/websocket, in JSON
	SocketIO     Protocol = "socketio" // Engine.IO 4 over WebSocket alone, and Socket.IO 5 in it
)

// socketIOPath is where a Socket.IO server has its WebSockets.
const socketIOPath = "/socket.io/?EIO=4&transport=websocket"

// What a Socket.IO server is to know: the events subscribe(room) and publish(room, data), both with an
// acknowledgement, and publication(data) to all who have subscribed. Engine.IO's packets begin with
// a digit, of which 4, a message, is followed by Socket.IO's own.
var (
	openPacket        = []byte("0{")
	pingPacket        = []byte("2")
	connectPacket     = []byte("40")
	refusalPacket     = []byte("44")
	ackPacket         = []byte("43")
	publicationPacket = []byte(`42["publication",`)
)

// checkProtocol returns what is wrong with how o has connections speak.
func (o *Options) checkProtocol() error {
	switch {
	case o.Protocol == EdgeProtocol:
		return nil
	case o.Protocol != SocketIO:
		return fmt.Errorf("%w: --protocol %q: want edge or socketio", ErrUsage, o.Protocol)
	case o.Scenario != Idle && o.Scenario != Fanout:
		return fmt.Errorf("%w: --protocol socketio: want the scenario idle or fanout", ErrUsage)
	case o.Personal || o.TokenSecret != "":
		return fmt.Errorf("%w: --protocol socketio: leave out --personal and --token-secret", ErrUsage)
	}
	return nil
}

// packet deals with one from a Socket.IO server.
func (d *driver) packet(c *netpoll.Conn, p *peer, b []byte) {
	switch {
	case bytes.HasPrefix(b, publicationPacket):
		before := d.result.ledger.Received
		d.delivery(p, b[len(publicationPacket):])
		d.counters.delivered.add(d.result.ledger.Received - before)
	case bytes.HasPrefix(b, ackPacket):
		d.acknowledged(c, p)
	case bytes.HasPrefix(b, openPacket):
		d.sendText(connectPacket)
	case bytes.HasPrefix(b, connectPacket):
		d.connected(c, p)
	case bytes.Equal(b, pingPacket):
		d.sendText([]byte("3"))
	case bytes.HasPrefix(b, refusalPacket):
		d.drop(c, p, fmt.Sprintf("connect: %+q", b[len(refusalPacket):]))
	default:
		d.result.errors["packet that is not expected"]++
	}
}

// sendText adds a message to what goes to the conn at hand.
func (d *driver) sendText(b []byte) {
	d.out = frame.AppendMasked(d.out, d.key(), frame.OpText, b, false)
}

// connected has p, which is in the namespace now, subscribe, unless it publishes.
func (d *driver) connected(c *netpoll.Conn, p *peer) {
	switch {
	case p.stage != joining:
		d.result.errors["packet that is not expected"]++
	case d.run.isPublisher(p.number):
		d.stand(c, p)
	default:
		d.sendText(appendEvent(d.text[:0], subscribeID, "subscribe", d.run.roomName(d.run.roomOf(p.number)), nil))
	}
}

// acknowledged counts the answer to a subscribe or a publish.
func (d *driver) acknowledged(c *netpoll.Conn, p *peer) {
	if p.stage == joining {
		d.stand(c, p)
		return
	}
	d.counters.answered.add(1)
}

// appendEvent appends an event that asks for an acknowledgement: its room, which needs no quoting, and data, JSON, if any.
func appendEvent(dst []byte, id uint32, name string, room, data []byte) []byte {
	dst = append(dst, "42"...)
	dst = strconv.AppendUint(dst, uint64(id), 10)
	dst = append(append(append(dst, `["`...), name...), `","`...)
	dst = append(append(dst, room...), '"')
	if len(data) > 0 {
		dst = append(append(dst, ','), data...)
	}
	return append(dst, ']')
}
