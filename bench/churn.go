package bench

import "github.com/seed4ac54ce5/edge/netpoll"

// churnPlay closes each connection as soon as it stands, and dials it again when it is gone.
type churnPlay struct{ d *driver }

func (k *churnPlay) stood(c *netpoll.Conn, p *peer) { k.d.leave(c, p) }

// turn has nothing to send: what there is to do is dialled and answered.
func (k *churnPlay) turn(int64) (more bool) { return false }

func (k *churnPlay) message(c *netpoll.Conn, p *peer, b []byte) { k.d.hear(c, p, b) }

// ended counts a life that went to its end in order.
func (k *churnPlay) ended(p *peer, stage uint8, why netpoll.Reason) {
	if stage == leaving && k.d.countLeft(why) {
		record(k.d.result.latency, k.d.now-p.began)
	}
	if stage < ready {
		k.d.resting = true
	}
	k.d.again = append(k.d.again, p.number)
}

// countUnfinished counts, at the end of churn, who had time to come to the end of a life and has not.
func (d *driver) countUnfinished() {
	d.stages.over = true
	for i := range d.peers {
		switch p := &d.peers[i]; {
		case p.stage == leaving:
			d.counters.lost.add(1)
			d.result.closes["closing: not closed at the end"]++
		case p.stage > gone && p.stage < ready:
			d.countFailed(p, "not ready at the end: "+stageName(p.stage))
		}
	}
}
