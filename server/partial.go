package server

import (
	"time"

	"github.com/seed4ac54ce5/edge/internal/poison"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// partials are the messages of a loop of which some frames have come, by index; 0 is nobody's.
type partials struct {
	table  []partial
	free   []uint32
	budget *netpoll.Budget // of all loops
}

// partial is what has come of a message.
type partial struct {
	payload []byte
	owner   netpoll.ConnID
	since   time.Duration // when its first frame came, by the loop's patience
}

// take returns the index of an empty message of owner.
func (p *partials) take(owner netpoll.ConnID, now time.Duration) uint32 {
	if len(p.table) == 0 {
		p.table = append(p.table, partial{})
	}
	i := uint32(len(p.table))
	if n := len(p.free); n > 0 {
		i = p.free[n-1]
		p.free = p.free[:n-1]
	} else {
		p.table = append(p.table, partial{})
	}
	p.table[i] = partial{owner: owner, since: now}
	return i
}

// add appends a fragment's payload: memory follows what has arrived.
func (p *partials) add(i uint32, payload []byte) {
	m := &p.table[i]
	before := cap(m.payload)
	m.payload = append(m.payload, payload...)
	p.budget.Add(cap(m.payload) - before)
}

// drop gives up a message, if there is one, and its index.
func (p *partials) drop(i *uint32) {
	if *i != 0 {
		p.budget.Add(-cap(p.table[*i].payload))
		poison.Bytes(p.table[*i].payload)
		p.table[*i] = partial{}
		p.free = append(p.free, *i)
		*i = 0
	}
}

// count returns how many messages there are.
func (p *partials) count() int { return max(len(p.table)-1, 0) - len(p.free) }
