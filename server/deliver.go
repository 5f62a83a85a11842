package server

import (
	"slices"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// inbox lets the hub post to a loop.
type inbox struct{ net *netpoll.Loop }

// Post implements [hub.Inbox].
func (i inbox) Post(ev hub.Event) (wake bool) {
	pub, where, kind := ev.Pack()
	return i.net.Post(netpoll.Post{Kind: postHub, Item: pub, A: where, B: kind})
}

// Wake implements [hub.Inbox].
func (i inbox) Wake() { i.net.Wake() }

// eventOf returns the event that a post carries.
func eventOf(p netpoll.Post) hub.Event {
	return hub.UnpackEvent(p.Item.(*hub.Publication), p.A, p.B)
}

// maxHeader is room for the header of a server's frame (RFC 6455 section 5.2).
const maxHeader = 10

// appendFrame encodes p as a frame of its own.
func appendFrame(dst []byte, p *hub.Publication, e protocol.Encoding, ids clientIDs) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, maxHeader)...)
	dst = appendMessage(dst, p, e, ids)
	return endFrame(dst, from, frame.Header{Fin: true, OpCode: opcodeOf(e)})
}

// appendDeflated is appendFrame for those who inflate.
func appendDeflated(dst []byte, p *hub.Publication, e protocol.Encoding, ids clientIDs) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, maxHeader)...)
	plain := appendMessage(nil, p, e, ids)
	dst = frame.Deflate(dst, plain, frame.DeflateParams{WindowBits: fullWindow})
	return endFrame(dst, from, frame.Header{Fin: true, OpCode: opcodeOf(e), Rsv: frame.RsvCompressed})
}

// endFrame writes the header of a frame whose payload stands in dst behind maxHeader bytes from from on, and closes the gap. It
// is written last, as its size follows the payload's.
func endFrame(dst []byte, from int, head frame.Header) []byte {
	var header [maxHeader]byte
	payload := len(dst) - from - maxHeader
	head.Length = int64(payload)
	n := copy(dst[from:], frame.AppendHeader(header[:0], head))
	copy(dst[from+n:], dst[from+maxHeader:])
	return dst[:from+n+payload]
}

// appendMessage encodes p's push.
func appendMessage(dst []byte, p *hub.Publication, e protocol.Encoding, ids clientIDs) []byte {
	var info protocol.ClientInfo
	if len(p.Info) > 0 {
		info = parseInfo(p.Info)
	}
	switch p.Kind {
	case hub.PubJoin, hub.PubLeave:
		var space scratch
		info.Client = ids.append(nil, &space, p.Sender)
		if p.Kind == hub.PubJoin {
			return e.AppendJoinPush(dst, p.Room, &info)
		}
		return e.AppendLeavePush(dst, p.Room, &info)
	}
	value := protocol.Publication{Data: p.Data}
	if len(p.Info) > 0 {
		value.Info = &info
	}
	if p.Positioned() {
		value.Offset = p.Position.Offset
	}
	for key, text := range p.Tags.All() {
		value.Tags = append(value.Tags, protocol.Tag{Key: key, Value: text})
	}
	return e.AppendPublicationPush(dst, p.Room, &value)
}

// opcodeOf returns that of the frames that carry messages of an encoding.
func opcodeOf(e protocol.Encoding) frame.Opcode {
	if e == protocol.Protobuf {
		return frame.OpBinary
	}
	return frame.OpText
}

// wire returns p in the given form, made once for all who share it; nothing if the form's clients do not get p.
func (l *loop) wire(p *hub.Publication, form hub.Form) []byte {
	if p.Kind != hub.PubData && form&formJoinLeave == 0 {
		return nil
	}
	w := wireOf(form)
	if !large(p) {
		w = wirings[w].small
	}
	return p.Wire(w.form(), l.server.encoders[w])
}

// deflateFrom is the size of a publication's data, in bytes, from which it is deflated for those who inflate: it is
// done once for all of them.
const deflateFrom = 256

// large reports whether p is worth deflating.
func large(p *hub.Publication) bool { return len(p.Data) >= deflateFrom }

// Join implements [hub.Sink]: one publication is made once for all. Several are joined as their form has it.
func (l *loop) Join(dst []byte, pubs []*hub.Publication, form hub.Form) []byte {
	w := &wirings[wireOf(form)]
	if !w.opaque && anyOpaque(pubs) {
		return inappropriate
	}
	if len(pubs) == 1 {
		return l.wire(pubs[0], form)
	}
	return w.join(l, dst, pubs, form)
}

// joinLarge puts frame behind frame if any of them is deflated.
func (l *loop) joinLarge(dst []byte, pubs []*hub.Publication, form hub.Form) []byte {
	if slices.ContainsFunc(pubs, large) {
		return l.joinWires(dst, pubs, form)
	}
	return l.joinMessages(dst, pubs, form)
}

// joinWires puts wire behind wire.
func (l *loop) joinWires(dst []byte, pubs []*hub.Publication, form hub.Form) []byte {
	for _, p := range pubs {
		dst = append(dst, l.wire(p, form)...)
	}
	return dst
}

// joinMessages puts all messages into one frame.
func (l *loop) joinMessages(dst []byte, pubs []*hub.Publication, form hub.Form) []byte {
	size, n := 0, 0
	for _, p := range pubs {
		if m := message(l.wire(p, form)); m != nil {
			size += len(m)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	e := wirings[wireOf(form)].encoding
	json := e == protocol.JSON
	if json {
		size += n - 1
	}
	dst = frame.AppendHeader(dst, frame.Header{Fin: true, OpCode: opcodeOf(e), Length: int64(size)})
	first := true
	for _, p := range pubs {
		m := message(l.wire(p, form))
		if m == nil {
			continue
		}
		if json && !first {
			dst = append(dst, '\n')
		}
		dst = append(dst, m...)
		first = false
	}
	return dst
}

// message returns a frame's payload, nil for no frame.
func message(frameBytes []byte) []byte {
	if frameBytes == nil {
		return nil
	}
	return frameBytes[len(frameBytes)-payloadSize(frameBytes):]
}

// inappropriate stands for a publication whose data is not JSON, on its way to clients that speak nothing else.
var inappropriate = []byte{0}

func anyOpaque(pubs []*hub.Publication) bool {
	for _, p := range pubs {
		if p.Opaque {
			return true
		}
	}
	return false
}

// maxJoined is the size, in bytes, up to which what a room has for a conn is copied to be joined with what others have. What
// is larger is shared by all members, and worth a write of its own.
const maxJoined = 4 << 10

// Deliver implements [hub.Sink].
func (l *loop) Deliver(m hub.Member, wire []byte, pubs []*hub.Publication) (kept bool) {
	c := l.net.At(m.Slot())
	if &wire[0] == &inappropriate[0] {
		l.disconnect(c, l.sessions.At(m.Slot()), protocol.DisconnectInappropriateProtocol)
		return false
	}
	ns := l.spaces().at(pubs[0].Namespace)
	if ns != nil && ns.durable && !l.takes(l.net.ID(c), ns, pubs) {
		return false
	}
	if !c.Detached() && l.net.Backlog(c) > 0 && l.postpone(c, m.Form(), ns, pubs) {
		return false
	}
	w := wireOf(m.Form())
	if w == wireEvents {
		l.writeEvents(c, pubs)
		return false
	}
	l.counts.PayloadOut += uint64(wirings[w].payload(wire))
	if w.isSocket() {
		return l.deliverSocket(c, m, wire, pubs)
	}
	if l.joining && len(wire) <= maxJoined && l.securedOf(c) == nil {
		l.net.Cork(c, wire)
		return false
	}
	return l.writeRef(c, wire)
}

// payloadSize is the size of the payload of a server's frame.
func payloadSize(frame []byte) int {
	switch frame[1] { // RFC 6455 section 5.2
	case 126:
		return len(frame) - 4
	case 127:
		return len(frame) - maxHeader
	}
	return len(frame) - 2
}
