package server

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/seed4ac54ce5/edge/engineio"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/protocol"
	"github.com/seed4ac54ce5/edge/socketio/packet"
)

// What is published in rooms of sockets is an event: Data is its JSON array, Info what else belongs to it, and Room its namespace.
// In a channel it is a publication, of which its tags tell the event's name.

// The tags of a publication that is an event, besides tagEvent.
const (
	tagArgs = "args" // how many arguments, if not one: Data is an array of them then
	tagEdge = "edge"
)

// appendExtra appends what belongs to an event besides its array: nothing, or
//
//	acknowledgement id + 1, 0 for none | attachments, each behind its length
//
// numbers as varints.
func appendExtra(dst []byte, p *SocketPacket, o *EmitOptions) []byte {
	if !o.WantsAck && len(p.Attachments) == 0 {
		return dst
	}
	ack := uint64(0)
	if o.WantsAck {
		ack = o.AckID + 1
	}
	dst = binary.AppendUvarint(dst, ack)
	for _, a := range p.Attachments {
		dst = append(binary.AppendUvarint(dst, uint64(len(a))), a...)
	}
	return dst
}

// parseExtra takes apart what appendExtra has made: the attachments are parts of b.
func parseExtra(b []byte) (ack uint64, attachments [][]byte) {
	ack, size := binary.Uvarint(b)
	for b = b[max(size, 0):]; len(b) > 0; {
		n, size := binary.Uvarint(b)
		attachments = append(attachments, b[size:size+int(n)])
		b = b[size+int(n):]
	}
	return ack, attachments
}

// eventPacket returns the packet that p is for sockets, and its attachments. ok is false for what they do not get.
func (s *Server) eventPacket(p *hub.Publication) (event packet.Packet, attachments [][]byte, ok bool) {
	namespace, room, ok := s.socketRooms.split(p.Room)
	if !ok {
		return packet.Packet{}, nil, false
	}
	event = packet.Packet{Type: packet.Event, Namespace: namespace}
	if len(p.Room) > len(socketPrefix) && string(p.Room[:len(socketPrefix)]) == socketPrefix {
		var ack uint64
		if ack, attachments = parseExtra(p.Info); ack > 0 {
			event.ID, event.HasID = ack-1, true
		}
		event.Data = p.Data
	} else {
		event.Data, attachments = s.eventOfChannel(p, room)
	}
	if len(attachments) > 0 {
		event.Type, event.Attachments = packet.BinaryEvent, len(attachments)
	}
	return event, attachments, true
}

// eventOfChannel returns the array of the event that a publication of a channel is for sockets.
func (s *Server) eventOfChannel(p *hub.Publication, room []byte) (data []byte, attachments [][]byte) {
	name, args := eventName(p)
	data = append(packet.AppendString(append(data, '['), name), ',')
	switch {
	case p.Kind != hub.PubData:
		data = s.appendAbout(data, p, room)
	case p.Opaque:
		data, attachments = packet.AppendPlaceholder(data, 0), [][]byte{p.Data}
	case args && isArray(p.Data):
		if inside := bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(p.Data), []byte{']'})[1:]); len(inside) > 0 {
			data = append(data, inside...)
		} else {
			data = data[:len(data)-1] // no argument
		}
	default:
		data = append(data, p.Data...)
	}
	if tagOf(p.Tags, tagEvent) == nil && p.Kind == hub.PubData {
		data = s.appendAbout(append(data, ','), p, room)
	}
	return append(data, ']'), attachments
}

// eventName returns the name of the event that p is, and whether its data are several arguments.
func eventName(p *hub.Publication) (name []byte, args bool) {
	switch p.Kind {
	case hub.PubJoin:
		return []byte("join"), false
	case hub.PubLeave:
		return []byte("leave"), false
	}
	if name := tagOf(p.Tags, tagEvent); len(name) > 0 && !packet.Reserved(name) {
		return name, tagOf(p.Tags, tagArgs) != nil
	}
	if kind := tagOf(p.Tags, tagEdge); string(kind) == "typing" {
		return kind, false
	}
	return []byte("publication"), false
}

// tagOf returns the value of a tag, nil without one.
func tagOf(tags hub.Tags, key string) []byte {
	for k, value := range tags.All() {
		if string(k) == key {
			return value
		}
	}
	return nil
}

// appendAbout appends what a client is told of a publication that no application has made for it: as much as there is of
//
//	{"room":…,"offset":…,"epoch":…,"client":…,"user":…,"info":…,"tags":{…}}
func (s *Server) appendAbout(dst []byte, p *hub.Publication, room []byte) []byte {
	dst = packet.AppendString(append(dst, `{"room":`...), room)
	if p.Positioned() {
		dst = strconv.AppendUint(append(dst, `,"offset":`...), p.Position.Offset, 10)
		dst = packet.AppendString(append(dst, `,"epoch":`...), appendEpoch(nil, p.Position.Epoch))
	}
	var who protocol.ClientInfo
	if len(p.Info) > 0 {
		who = parseInfo(p.Info)
	}
	if p.Kind != hub.PubData {
		var space scratch
		who.Client = s.ids.append(nil, &space, p.Sender)
	}
	if len(who.Client) > 0 {
		dst = packet.AppendString(append(dst, `,"client":`...), who.Client)
	}
	if len(who.User) > 0 {
		dst = packet.AppendString(append(dst, `,"user":`...), who.User)
	}
	if len(who.ConnInfo) > 0 {
		dst = append(append(dst, `,"info":`...), who.ConnInfo...)
	}
	dst = appendTags(dst, p.Tags)
	return append(dst, '}')
}

// appendTags appends the member for tags, if there are any.
func appendTags(dst []byte, tags hub.Tags) []byte {
	separator := `,"tags":{`
	for key, value := range tags.All() {
		dst = packet.AppendString(append(dst, separator...), key)
		dst = packet.AppendString(append(dst, ':'), value)
		separator = ","
	}
	if separator == "," {
		dst = append(dst, '}')
	}
	return dst
}

// appendSocketText encodes p as the frames of a WebSocket: a packet, and its attachments.
func appendSocketText(s *Server, dst []byte, p *hub.Publication) []byte {
	event, attachments, ok := s.eventPacket(p)
	if !ok {
		return dst
	}
	dst = appendPacketFrame(dst, &event)
	for _, a := range attachments {
		dst = frame.AppendFrame(dst, frame.OpBinary, a, false)
	}
	return dst
}

// appendPacketFrame appends the frame of a packet's text.
func appendPacketFrame(dst []byte, p *packet.Packet) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, maxHeader)...)
	dst = append(dst, byte(engineio.Message))
	dst = packet.Append(dst, p)
	return endFrame(dst, from, frame.Header{Fin: true, OpCode: frame.OpText})
}

// appendSocketBase64 is appendSocketText for a client that takes no binary frames.
func appendSocketBase64(s *Server, dst []byte, p *hub.Publication) []byte {
	event, attachments, ok := s.eventPacket(p)
	if !ok {
		return dst
	}
	dst = appendPacketFrame(dst, &event)
	for _, a := range attachments {
		dst = frame.AppendFrame(dst, frame.OpText, engineio.AppendBase64(nil, a), false)
	}
	return dst
}

// appendSocketPoll encodes p as packets of a polling payload, a separator behind each.
func appendSocketPoll(s *Server, dst []byte, p *hub.Publication) []byte {
	event, attachments, ok := s.eventPacket(p)
	if !ok {
		return dst
	}
	dst = append(dst, byte(engineio.Message))
	dst = append(packet.Append(dst, &event), engineio.Separator)
	for _, a := range attachments {
		dst = append(engineio.AppendBase64(dst, a), engineio.Separator)
	}
	return dst
}

// appendSocketPack encodes p as a frame with a MessagePack packet.
func appendSocketPack(s *Server, dst []byte, p *hub.Publication) []byte {
	if packed := s.pack(p); packed != nil {
		dst = frame.AppendFrame(dst, frame.OpBinary, packed, false)
	}
	return dst
}

// appendSocketPackBase64 is appendSocketPack for a client that takes no binary frames.
func appendSocketPackBase64(s *Server, dst []byte, p *hub.Publication) []byte {
	if packed := s.pack(p); packed != nil {
		dst = frame.AppendFrame(dst, frame.OpText, engineio.AppendBase64(nil, packed), false)
	}
	return dst
}

// appendSocketPackPoll is appendSocketPoll for MessagePack.
func appendSocketPackPoll(s *Server, dst []byte, p *hub.Publication) []byte {
	if packed := s.pack(p); packed != nil {
		dst = append(engineio.AppendBase64(dst, packed), engineio.Separator)
	}
	return dst
}

// pack returns p as MessagePack; nil for what sockets do not get.
func (s *Server) pack(p *hub.Publication) []byte {
	event, attachments, ok := s.eventPacket(p)
	if !ok {
		return nil
	}
	packed, err := packet.AppendPack(nil, &event, attachments)
	if err != nil {
		s.report(fault{what: "event for MessagePack: " + err.Error()})
		return nil
	}
	return packed
}

// socketPayload is the size of what stands in frames behind one another.
func socketPayload(wire []byte) (n int) {
	for len(wire) > 1 {
		h, size, err := frame.ParseHeader(wire)
		if err != nil || size == 0 || int64(len(wire)-size) < h.Length {
			return n + len(wire)
		}
		n += int(h.Length)
		wire = wire[size+int(h.Length):]
	}
	return n
}
