package bench

import (
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// leave sends our close frame: the server is to answer it and to close.
func (d *driver) leave(c *netpoll.Conn, p *peer) {
	p.stage = leaving
	if d.run.options.Protocol == SocketIO && d.run.options.Scenario != Storm { // who says so does not mean to come back
		d.text = append(append(d.text[:0], engineMessage, socketDisconnect), d.run.dialect.namespace...)
		d.sendText(d.text)
	}
	if d.run.options.polls() {
		d.sendText([]byte{engineClose})
	} else {
		d.out = frame.AppendMaskedClose(d.out, d.key(), 1000, "")
	}
	d.loop.SetTimer(c, closeTimeout)
}

// closing deals with the server's close frame. If it comes first it is answered, and the server closes.
func (d *driver) closing(c *netpoll.Conn, p *peer, payload []byte) {
	if p.stage == leaving {
		return
	}
	code, reason, _ := frame.ParseClose(payload) // checked by the stream
	d.out = frame.AppendMaskedClose(d.out, d.key(), code, "")
	d.end(p, closeLabel(uint16(code), reason), netpoll.ClosedByPeer)
	d.loop.SetTimer(c, closeTimeout)
}

// drop closes c for what the server did wrong.
func (d *driver) drop(c *netpoll.Conn, p *peer, label string) {
	d.end(p, label, netpoll.ClosedLocally)
	d.loop.Close(c, netpoll.ClosedLocally)
}

// end counts, once, that p is over and why.
func (d *driver) end(p *peer, label string, why netpoll.Reason) {
	stage := p.stage
	p.stage = gone
	switch {
	case stage == gone || d.stages.over:
		return
	case stage < ready:
		d.pending--
		d.countFailed(p, label)
	case stage == ready:
		d.countLost(p, label)
	}
	d.play.ended(p, stage, why)
}

func (d *driver) countFailed(p *peer, label string) {
	if d.keep == nil || !d.keep.failed(p, label) {
		d.counters.failed.add(1)
		d.result.failures[label]++
	}
}

func (d *driver) countLost(p *peer, label string) {
	if d.keep == nil || !d.keep.lost(p, label) {
		d.counters.lost.add(1)
		d.result.closes[label]++
	}
}

// countLeft counts a connection of ours that had said goodbye and is gone, and reports whether it went in order.
func (d *driver) countLeft(why netpoll.Reason) bool {
	if why == netpoll.ClosedByPeer {
		d.counters.cycled.add(1)
		return true
	}
	d.counters.lost.add(1)
	d.result.closes["closing: "+why.String()]++
	return false
}

// Slow gives up a connection whose server does not read.
func (d *driver) Slow(c *netpoll.Conn) {
	if d.run.options.polls() {
		if c, _ = d.firstOf(c); c == nil {
			return
		}
	}
	d.drop(c, &d.peers[c.Slot()], "server does not read")
}

// Expired gives up a connection that took too long.
func (d *driver) Expired(c *netpoll.Conn) {
	p := &d.peers[c.Slot()]
	if d.isSecond(c) {
		d.rested(c)
		return
	}
	if s, ok := d.play.(*slowPlay); ok && p.stage == ready {
		s.sip(c)
		return
	}
	d.drop(c, p, "time-out while "+stageName(p.stage))
}

// Closed counts the end of a connection that had not said goodbye.
func (d *driver) Closed(c *netpoll.Conn, why netpoll.Reason) {
	p := &d.peers[c.Slot()]
	if s, ok := d.play.(*slowPlay); ok {
		s.rest(c, p)
	}
	defer d.unsecure(c)
	if d.unpoll(c, why) {
		return
	}
	label := "closed without a close frame: " + why.String()
	if p.stage < ready {
		label = stageName(p.stage) + ": " + why.String()
	}
	d.now = d.run.clock()
	d.end(p, label, why)
}

func stageName(stage uint8) string {
	return [...]string{"gone", "dialling", "securing", "upgrading", "joining", "ready", "closing"}[stage]
}
