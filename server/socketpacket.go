package server

import (
	"bytes"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/socketio/packet"
)

// halfPacket is a packet that waits for attachments.
type halfPacket struct {
	packet packet.Packet
	parts  [][]byte
	bytes  int
}

// enginePacket serves a message of text.
func (l *loop) enginePacket(c *netpoll.Conn, s *session, text []byte) {
	config, p := l.server.config.SocketIO, &l.sockets.packet
	if config.MessagePack || l.sockets.halves[l.net.ID(c)] != nil {
		l.failSocket(c, s)
		return
	}
	limits := packet.Limits{Attachments: config.Limits.Attachments, Depth: config.Limits.Depth}
	switch err := packet.Parse(text, &limits, p); {
	case err != nil:
		l.failSocket(c, s)
	case p.Type.IsBinary():
		l.await(c, s, p)
	default:
		l.takeSocketPacket(c, s, p, nil)
	}
}

// await keeps a packet until its attachments have come.
func (l *loop) await(c *netpoll.Conn, s *session, p *packet.Packet) {
	k := l.socketIn(s, p.Namespace)
	if k == 0 || !l.sockets.records.At(k).has(socketJoined) || !l.server.inputs.Fits(len(p.Data)) {
		l.failSocket(c, s)
		return
	}
	h := &halfPacket{packet: *p}
	h.packet.Namespace, h.packet.Data = bytes.Clone(p.Namespace), bytes.Clone(p.Data)
	h.bytes = len(p.Data)
	l.server.inputs.Add(h.bytes)
	l.sockets.halves[l.net.ID(c)] = h
	l.limitEngine(c, s, l.server.config.SocketIO.Limits.AttachmentTimeout)
}

// engineBinary serves a message of bytes.
func (l *loop) engineBinary(c *netpoll.Conn, s *session, data []byte) {
	t := &l.sockets
	if l.server.config.SocketIO.MessagePack {
		l.takePacked(c, s, data)
		return
	}
	h := t.halves[l.net.ID(c)]
	if h == nil || !l.server.inputs.Fits(len(data)) {
		l.failSocket(c, s)
		return
	}
	h.parts = append(h.parts, bytes.Clone(data))
	h.bytes += len(data)
	l.server.inputs.Add(len(data))
	if len(h.parts) == h.packet.Attachments {
		l.dropHalf(l.net.ID(c))
		l.limitEngine(c, s, 0)
		l.takeSocketPacket(c, s, &h.packet, h.parts)
	}
}

// dropHalf forgets a packet that waits for attachments.
func (l *loop) dropHalf(id netpoll.ConnID) {
	if h := l.sockets.halves[id]; h != nil {
		l.server.inputs.Add(-h.bytes)
		delete(l.sockets.halves, id)
	}
}

// takePacked serves a MessagePack packet.
func (l *loop) takePacked(c *netpoll.Conn, s *session, data []byte) {
	t, config := &l.sockets, l.server.config.SocketIO
	limits := packet.Limits{Attachments: config.Limits.Attachments, Depth: config.Limits.Depth}
	var err error
	t.json, t.parts, err = packet.ParsePack(data, &limits, t.json[:0], t.parts[:0], &t.packet)
	if err != nil {
		l.failSocket(c, s)
		return
	}
	parts := make([][]byte, len(t.parts))
	for i, b := range t.parts {
		parts[i] = bytes.Clone(b)
	}
	clear(t.parts)
	l.takeSocketPacket(c, s, &t.packet, parts)
	t.json = trim(t.json)
}

// failSocket ends a session whose client has broken a rule of Socket.IO.
func (l *loop) failSocket(c *netpoll.Conn, s *session) { l.failEngine(c, s, reasonForcedClose) }

// takeSocketPacket serves a whole packet. Its slices are good until it returns, its attachments for ever.
func (l *loop) takeSocketPacket(c *netpoll.Conn, s *session, p *packet.Packet, parts [][]byte) {
	i := l.socketIn(s, p.Namespace)
	switch {
	case p.Type == packet.Connect && i == 0:
		l.connectSocket(c, s, p)
		return
	case i == 0 || !l.sockets.records.At(i).has(socketJoined):
		l.failSocket(c, s)
		return
	}
	k := l.sockets.records.At(i)
	whose := Socket{l.net.ID(c), k.serial}
	switch p.Type.Plain() {
	case packet.Event:
		if p.Data != nil {
			l.eventOf(c, s, whose, k, p, parts)
		}
	case packet.Ack:
		if p.HasID {
			l.ackOf(c, whose, p, parts)
		}
	case packet.Disconnect:
		l.leaveSocket(c, s, i, reasonClientLeft)
	default:
		l.failSocket(c, s)
	}
}

// eventOf hands an event to the application.
func (l *loop) eventOf(c *netpoll.Conn, s *session, whose Socket, k *socket, p *packet.Packet, parts [][]byte) {
	e := &SocketEvent{Namespace: l.sockets.spaces[k.space].name, AckID: p.ID, HasAck: p.HasID}
	e.SocketPacket = SocketPacket{bytes.Clone(p.Data), parts}
	l.call(c, s, socketCall{kind: callEvent, socket: whose, event: e})
}

// ackOf hands an acknowledgement to the application, past whatever that is doing for the session.
func (l *loop) ackOf(c *netpoll.Conn, whose Socket, p *packet.Packet, parts [][]byte) {
	answer := SocketPacket{bytes.Clone(p.Data), parts}
	if p.Data == nil {
		answer.Data = []byte("[]")
	}
	if err := l.tell(func(app SocketApp) { app.Ack(whose, p.ID, answer) }); err != nil {
		l.socketFault(c, err)
	}
}

// sendSocket sends a packet with its attachments.
func (l *loop) sendSocket(c *netpoll.Conn, s *session, p *packet.Packet, attachments [][]byte) {
	t := &l.sockets
	if len(attachments) > 0 {
		p.Attachments = len(attachments)
		p.Type = map[packet.Type]packet.Type{packet.Event: packet.BinaryEvent, packet.Ack: packet.BinaryAck}[p.Type]
	}
	if l.server.config.SocketIO.MessagePack {
		packed, err := packet.AppendPack(t.text[:0], p, attachments)
		if err != nil {
			l.server.report(fault{conn: l.net.ID(c), what: "packet for MessagePack: " + err.Error()})
			return
		}
		l.sendBinary(c, s, packed)
		t.text = trim(packed)
		return
	}
	t.text = packet.Append(t.text[:0], p)
	l.sendText(c, s, t.text)
	t.text = trim(t.text)
	for _, a := range attachments {
		l.sendBinary(c, s, a)
	}
}
