package bench

import (
	"fmt"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// maxStarts is how many connections begin to echo in one turn.
const maxStarts = 128

// echoPlay sends messages and checks that each comes back. Without a rate every connection keeps its
// pipeline full; with one, messages leave when they are due, whatever has come back.
//
// What comes back is the message itself, the acknowledgement of an event, which has the message as its argument, or a publication to a
// room that nobody else is in.
type echoPlay struct {
	d       *driver
	pace    pace
	started uint32 // connections that have begun
	next    uint64 // of this loop's messages, with a rate
	data    []byte // of the message being put together
}

func (e *echoPlay) stood(*netpoll.Conn, *peer) {}

// turn sends what is due, or begins with the next connections.
func (e *echoPlay) turn(now int64) (more bool) {
	if e.pace.rate > 0 {
		return e.sendDue(now)
	}
	for range maxStarts {
		if e.started == e.d.share {
			return false
		}
		number := e.d.number(e.started)
		e.started++
		e.d.out = e.d.out[:0]
		if c, p := e.d.of(number); c != nil {
			for range e.d.run.options.Pipeline {
				e.append(p, now)
			}
			e.d.write(c, e.d.out)
		}
	}
	return true
}

// sendDue sends message after message as their times come. Message k of the run is connection
// k modulo all connections', so that this loop's come as evenly as everybody's.
func (e *echoPlay) sendDue(now int64) (more bool) {
	total, share := uint64(e.d.run.total()), uint64(e.d.share)
	for range maxStarts {
		if share == 0 {
			return false
		}
		number := e.d.number(uint32(e.next % share))
		due := e.pace.at(e.next/share*total + uint64(number))
		if due > now {
			return false
		}
		e.next++
		if c, p := e.d.of(number); c != nil {
			record(e.d.result.late, now-due)
			e.d.out = e.d.out[:0]
			e.append(p, due)
			e.d.write(c, e.d.out)
		}
	}
	return true
}

// append adds the next message of p to what is to be sent.
func (e *echoPlay) append(p *peer, due int64) {
	p.sent++
	e.d.counters.sent.add(1)
	e.data = stamp{p.number, p.sent, due}.appendTo(e.data[:0], e.d.run.options.Payload)
	e.d.text = e.d.appendEcho(e.d.text[:0], p, e.data)
	e.d.sendText(e.d.text)
}

// appendEcho appends what has p's data come back to it.
func (d *driver) appendEcho(dst []byte, p *peer, data []byte) []byte {
	switch d.run.options.Protocol {
	case EchoProtocol:
		return append(dst, data...)
	case SocketIO:
		return d.run.dialect.appendEvent(dst, p.sent, d.run.dialect.echo, nil, data)
	}
	d.command = max(d.command+1, personalID+1)
	return d.appendPublish(dst, d.command, d.run.personalRoom(p.number), data)
}

func (e *echoPlay) message(c *netpoll.Conn, p *peer, b []byte) { e.d.hear(c, p, b) }

// replied takes an acknowledgement for an echo.
func (e *echoPlay) replied(c *netpoll.Conn, p *peer, r *protocol.Reply) {
	switch {
	case p.stage == joining || r.Kind == protocol.ReplyPing || r.Kind == protocol.ReplyPublication || r.Kind == protocol.ReplyPush:
		e.d.replied(c, p, r)
	case r.Kind == protocol.ReplyError:
		e.d.result.errors[fmt.Sprintf("echo: error %d %+q", r.Code, r.Message)]++
		e.d.counters.answered.add(1)
	case e.d.run.options.Protocol == SocketIO:
		data := stampIn(r.Data)
		if data == nil {
			data = r.Data
		}
		e.published(p, data)
	} // in the other protocol a publication follows
}

// published checks an echo and, while there is to be load, sends the next message.
func (e *echoPlay) published(p *peer, b []byte) {
	ledger := &e.d.result.ledger
	s, size, err := parseStamp(b)
	switch {
	case err != nil || s.sequence == 0 || e.d.run.options.Protocol == EchoProtocol && size != len(b):
		ledger.Damaged++
	case s.source != p.number:
		ledger.Misrouted++
	default:
		ledger.note(&p.track, s.sequence)
		record(e.d.result.latency, e.d.now-s.due)
	}
	e.d.counters.answered.add(1)
	if e.d.stages.sending && e.pace.rate == 0 && p.stage == ready {
		e.append(p, e.d.now)
	}
}

// ended enters what p has sent: what has not come back never will.
func (e *echoPlay) ended(p *peer, _ uint8, _ netpoll.Reason) {
	ledger := &e.d.result.ledger
	ledger.settle(p.sent)
}
