package bench

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

var typingStart = []byte(`"data":{"typing":`)

// message reads replies and pushes.
func (m *mixPlay) message(c *netpoll.Conn, p *peer, b []byte) {
	member := m.member(p.number)
	m.d.hear(c, p, b)
	if member.leaving && p.stage == ready && m.isDone(member) {
		m.d.leave(c, p)
	}
}

// published checks a publication whose data b begins with.
func (m *mixPlay) published(p *peer, b []byte) {
	member := m.member(p.number)
	ledger := &m.d.result.ledger
	s, _, err := parseStamp(b)
	if err != nil || s.sequence == 0 {
		ledger.Damaged++
		return
	}
	i := slices.IndexFunc(member.rooms, func(in membership) bool { return m.d.number(in.room) == s.source })
	if i < 0 {
		ledger.Misrouted++
		return
	}
	in := &member.rooms[i]
	ledger.arrive(&m.rooms[in.room].roomBook, in, s.sequence)
	c := m.classes[member.class]
	c.row.Deliveries++
	if !member.slow && !member.excused {
		record(c.latency, m.d.now-s.due)
		record(m.d.result.latency, m.d.now-s.due)
	}
	if room := &m.rooms[in.room]; len(room.asked) > 0 {
		id := room.asked[0]
		room.asked = room.asked[1:]
		m.answered(&protocol.Reply{Kind: protocol.ReplyResult, ID: id})
	}
}

// replied deals with all that is not a publication.
func (m *mixPlay) replied(c *netpoll.Conn, p *peer, reply *protocol.Reply) {
	d := m.d
	switch {
	case reply.Kind == protocol.ReplyPing:
		d.out = frame.AppendMasked(d.out, d.key(), frame.OpText, protocol.JSON.AppendPong(nil), false)
	case (reply.Kind == protocol.ReplyPublication || reply.Kind == protocol.ReplyPush) && bytes.Contains(d.replyLine, typingStart):
		m.classes[m.member(p.number).class].row.TypingSeen++
	case reply.Kind == protocol.ReplyPublication:
		d.result.ledger.Damaged++
	case reply.Kind == protocol.ReplyPush:
		m.count.OtherPushes++
	case p.stage == joining:
		d.joined(c, p, reply)
	default:
		m.answered(reply)
	}
}

// answered takes the reply to a command.
func (m *mixPlay) answered(reply *protocol.Reply) {
	d := m.d
	pending, ok := m.pending[reply.ID]
	switch {
	case !ok && d.run.options.Protocol == SocketIO: // it was not waited for any more
		return
	case !ok:
		d.result.errors["reply to nothing"]++
		return
	}
	delete(m.pending, reply.ID)
	d.counters.answered.add(1)
	member := m.member(pending.number)
	member.unanswered--
	c := m.classes[member.class]
	record(c.calls, d.now-pending.due)
	failed := reply.Kind == protocol.ReplyError
	switch {
	case pending.action == doPublish && failed:
		m.rooms[pending.room].refuse()
		d.result.errors[fmt.Sprintf("publish: error %d %+q", reply.Code, reply.Message)]++
	case pending.action == doPublish:
		m.rooms[pending.room].unanswered--
	case failed && isAbsent(reply.Code):
		c.row.Refused++
	case failed:
		d.result.errors[fmt.Sprintf("call: error %d %+q", reply.Code, reply.Message)]++
	}
}

// isAbsent reports whether an error says that the server has no such thing, or not for everybody: permission denied,
// method not found, not available. To a call that is an answer like any other.
func isAbsent(code uint32) bool {
	return code == protocol.ErrPermissionDenied.Code || code == protocol.ErrMethodNotFound.Code || code == protocol.ErrNotAvailable.Code
}
