package bench

import (
	"errors"
	"syscall"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// maxDials is how many connections a loop begins in one turn.
const maxDials = 32

// dialSome begins connections as far as their pace and the number of those under way allow.
func (d *driver) dialSome(now int64) (more bool) {
	for range maxDials {
		if d.pending >= d.run.pendingLimit && !d.stages.crowding {
			return false // one that gets ready or fails makes the next turn
		}
		number, ok := d.nextNumber(now)
		if !ok {
			return false
		}
		d.dial(number, now)
	}
	return true
}

// nextNumber returns the next connection that may be dialled at this time.
func (d *driver) nextNumber(now int64) (number uint32, ok bool) {
	if n := len(d.again); n > 0 && !d.resting {
		number = d.again[n-1]
		d.again = d.again[:n-1]
		return number, true
	}
	if number, ok = d.later.take(now); ok {
		return number, true
	}
	number = d.number(d.next)
	if d.next == d.share || d.dials.at(uint64(number)) > now {
		return 0, false
	}
	d.next++
	return number, true
}

// dial begins connection number.
func (d *driver) dial(number uint32, now int64) {
	d.counters.dialed.add(1)
	to, source := d.run.routes.of(number)
	id, err := d.loop.Dial(to.dial, source)
	if err != nil {
		d.dialFailed(number, err)
		return
	}
	d.pending++
	slot := id.Slot()
	d.room(slot)
	d.peers[slot] = peer{began: now, number: number, stage: dialing}
	if d.run.options.polls() {
		d.newPoll(slot, firstConn, noSlot)
	}
	d.slots[d.index(number)] = slot
	d.loop.SetTimer(d.loop.Conn(id), connectTimeout)
}

// room makes room for the peer of a slot.
func (d *driver) room(slot uint32) {
	for int(slot) >= len(d.peers) {
		d.peers = append(d.peers, peer{})
	}
}

func (d *driver) dialFailed(number uint32, err error) {
	p := &peer{number: number}
	d.countFailed(p, "dial: "+plainError(err).Error())
	d.play.ended(p, dialing, netpoll.ClosedDial)
}

// plainError returns what the kernel says, if it is that, without what differs from one time to the next.
func plainError(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
