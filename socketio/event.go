package socketio

import (
	"encoding/json"
	"sync/atomic"

	"github.com/seed4ac54ce5/edge/server"
)

// Event is what a client has emitted.
type Event struct {
	Name string // "7" for the number 7

	packet server.SocketPacket
	socket Socket
	ackID  uint64
	hasAck bool
	acked  atomic.Bool
}

// newEvent returns what s has sent, or nil for a packet without a name.
func newEvent(n *Namespace, s server.Socket, e *server.SocketEvent) *Event {
	for name := range elements(e.Data) {
		return &Event{
			Name:   eventName(name),
			packet: e.SocketPacket,
			socket: Socket{ns: n, key: s},
			ackID:  e.AckID,
			hasAck: e.HasAck,
		}
	}
	return nil
}

// eventName returns the name that element, a string or a number, is.
func eventName(element []byte) string {
	if element[0] != '"' {
		return string(element)
	}
	var name string
	_ = json.Unmarshal(element, &name) // the node has checked it
	return name
}

// Args returns the arguments.
func (e *Event) Args() Args { return argsOf(e.packet, true) }

// Arg returns argument i, or the zero Arg if there are fewer.
func (e *Event) Arg(i int) Arg {
	at := -1 // of the name
	for element := range elements(e.packet.Data) {
		if at == i && at >= 0 {
			return Arg{element, e.packet.Attachments}
		}
		at++
	}
	return Arg{}
}

// Bind decodes the arguments: see [Args.Bind].
func (e *Event) Bind(dst ...any) error { return e.Args().Bind(dst...) }

// WantsAck reports whether the client waits for [Event.Ack].
func (e *Event) WantsAck() bool { return e.hasAck }

// Ack answers the client, at any time, once: later answers, and those that the client has not asked for, go nowhere. The
// error is of arguments that cannot be sent; then there was no answer.
func (e *Event) Ack(args ...any) error {
	if !e.hasAck || e.acked.Load() {
		return nil
	}
	io := e.socket.ns.io
	p, err := encodeArgs(args, io.attachments())
	if err != nil {
		return err
	}
	if e.acked.CompareAndSwap(false, true) {
		io.node().AckSocket(e.socket.key, e.ackID, p)
	}
	return nil
}
