package server

import (
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// The wire forms of a publication.
const formJSON hub.Form = 0

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

// Join implements [hub.Sink]: one publication is a frame of its own, made once; several share a frame, one
// to a line.
func (l *loop) Join(dst []byte, pubs []*hub.Publication, _ hub.Form) []byte {
	if len(pubs) == 1 {
		return pubs[0].Wire(formJSON, appendPush)
	}
	size := len(pubs) - 1
	for _, p := range pubs {
		size += len(push(p))
	}
	dst = frame.AppendHeader(dst, frame.Header{Fin: true, OpCode: frame.OpText, Length: int64(size)})
	for i, p := range pubs {
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = append(dst, push(p)...)
	}
	return dst
}

// push returns p's push without the header of its frame.
func push(p *hub.Publication) []byte {
	b := p.Wire(formJSON, appendPush)
	_, n, _ := frame.ParseHeader(b) // our own
	return b[n:]
}

// appendPush encodes p as a frame of its own. The header is written last, as its size follows the
// payload's.
func appendPush(dst []byte, p *hub.Publication) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, maxHeader)...)
	value := protocol.Publication{Data: p.Data}
	if len(p.Info) > 0 {
		value.Info = &protocol.ClientInfo{Client: p.Info}
	}
	dst = protocol.AppendPublicationPush(dst, p.Room, &value)
	var header [maxHeader]byte
	payload := len(dst) - from - maxHeader
	h := frame.AppendHeader(header[:0], frame.Header{Fin: true, OpCode: frame.OpText, Length: int64(payload)})
	n := copy(dst[from:], h)
	copy(dst[from+n:], dst[from+maxHeader:])
	return dst[:from+n+payload]
}

// Deliver implements [hub.Sink].
func (l *loop) Deliver(m hub.Member, wire []byte) (kept bool) {
	l.counts.PayloadOut += uint64(payloadSize(wire))
	return l.net.WriteRef(l.net.At(m.Slot()), wire)
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
