package bench

import (
	"bytes"
	"fmt"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// lines reads a message of the protocol: one or more replies and pushes, a line each.
func (d *driver) lines(c *netpoll.Conn, p *peer, b []byte) {
	for line, _ := range protocol.JSON.Messages(b) { // JSON has none
		d.replyLine = line
		d.line(c, p, line)
	}
}

var (
	pushStart = []byte(`{"push":`)
	dataStart = []byte(`"data":` + stampStart)
)

// line tells what comes in masses by its first bytes and has the rest decoded.
func (d *driver) line(c *netpoll.Conn, p *peer, line []byte) {
	if bytes.HasPrefix(line, pushStart) {
		if at := bytes.Index(line, dataStart); at >= 0 {
			d.published(p, line[at+len(`"data":`):])
			return
		}
	}
	d.repeats.mixed = true
	if err := protocol.JSON.DecodeReply(&d.decoder, line, &d.reply); err != nil {
		d.result.ledger.Damaged++
		return
	}
	d.heard(c, p, &d.reply)
}

// delivery checks a publication that has come to p; b begins with its data.
func (d *driver) delivery(p *peer, b []byte) {
	ledger := &d.result.ledger
	s, _, err := parseStamp(b)
	switch {
	case err != nil || s.sequence == 0:
		d.repeats.mixed = true
		ledger.Damaged++
	case d.run.isPublisher(p.number) || s.source != d.run.roomOf(p.number):
		d.repeats.mixed = true
		ledger.Misrouted++
	default:
		d.repeats.dues = append(d.repeats.dues, s.due)
		d.repeats.mixed = d.repeats.mixed || s.sequence != p.track.last+1
		ledger.note(&p.track, s.sequence)
		record(d.result.latency, d.now-s.due)
	}
}

// replied deals with all that is not a publication of ours.
func (d *driver) replied(c *netpoll.Conn, p *peer, reply *protocol.Reply) {
	switch {
	case reply.Kind == protocol.ReplyPing:
		d.out = frame.AppendMasked(d.out, d.key(), frame.OpText, protocol.JSON.AppendPong(nil), false)
	case reply.Kind == protocol.ReplyPublication:
		d.result.ledger.Damaged++
	case reply.Kind == protocol.ReplyPush:
		d.result.errors["push that is no publication"]++
	case p.stage == joining:
		d.joined(c, p, reply)
	default:
		d.counters.answered.add(1)
		if reply.Kind == protocol.ReplyError {
			d.result.errors[fmt.Sprintf("publish: error %d %+q", reply.Code, reply.Message)]++
		}
	}
}
