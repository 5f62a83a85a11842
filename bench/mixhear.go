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
	before := m.d.result.ledger.Received
	member := m.member(p.number)
	for line, _ := range protocol.JSON.Messages(b) { // JSON has none
		m.line(c, p, member, line)
	}
	if n := m.d.result.ledger.Received - before; n > 0 {
		m.d.counters.delivered.add(n)
	}
	if member.leaving && p.stage == ready && m.isDone(member) {
		m.d.leave(c, p)
	}
}

func (m *mixPlay) line(c *netpoll.Conn, p *peer, member *mixMember, line []byte) {
	if bytes.HasPrefix(line, pushStart) {
		if at := bytes.Index(line, dataStart); at >= 0 {
			m.delivery(member, line[at+len(`"data":`):])
			return
		}
		if bytes.Contains(line, typingStart) {
			m.classes[member.class].row.TypingSeen++
			return
		}
	}
	d := m.d
	if err := protocol.JSON.DecodeReply(&d.decoder, line, &d.reply); err != nil {
		d.result.ledger.Damaged++
		return
	}
	m.replied(c, p, &d.reply)
}

// delivery checks a publication whose data b begins with.
func (m *mixPlay) delivery(member *mixMember, b []byte) {
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
}

// replied deals with all that is not a publication.
func (m *mixPlay) replied(c *netpoll.Conn, p *peer, reply *protocol.Reply) {
	d := m.d
	switch {
	case reply.Kind == protocol.ReplyPing:
		d.out = frame.AppendMasked(d.out, d.key(), frame.OpText, protocol.JSON.AppendPong(nil), false)
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
	if !ok {
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
