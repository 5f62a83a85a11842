package admission

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Options are what a Control is made of.
type Options struct {
	// How many addresses and users are kept track of at a time; 4 Mi if 0. A record takes 28 bytes and 20, when there
	// is need of it. Past that, those without conns are forgotten, and when there are none, those who
	// are new are let in without being counted: the node's own limits still hold them.
	Addresses, Users int

	Budget *Budget // nil: memory is not looked at
}

const defaultNames = 4 << 20

// Control decides who is let in. Any goroutine may use it.
type Control struct {
	rules     atomic.Pointer[rules]
	budget    *Budget
	addresses *table
	users     *tally

	_     [64]byte // what follows is written for each conn
	conns atomic.Int64
	node  bucket
	_     [48]byte
}

// New returns a Control that holds to l.
func New(o Options, l Limits) *Control {
	if o.Addresses <= 0 {
		o.Addresses = defaultNames
	}
	if o.Users <= 0 {
		o.Users = defaultNames
	}
	c := &Control{budget: o.Budget, addresses: newTable(o.Addresses), users: newTally(o.Users)}
	c.SetLimits(l)
	return c
}

// SetLimits has c hold to l from now on. Nobody who is in has to leave. A limit for addresses or users that there was
// none of before counts those who come from now on; a new IPv6Prefix begins to count anew.
func (c *Control) SetLimits(l Limits) { c.rules.Store(l.rules()) }

// Limits returns what c holds to.
func (c *Control) Limits() Limits { return c.rules.Load().Limits }

// Admit decides about a conn from addr; with the zero Addr, for one over a Unix socket, it asks only what concerns
// the node. The order is that of the Reasons, and who is refused uses nothing up. now is as in the package's
// comment. An admitted conn is counted until Release.
func (c *Control) Admit(addr netip.Addr, now time.Duration) (Ticket, Verdict) {
	r := c.rules.Load()
	if v := c.admitNode(r, int64(now)); !v.Admitted() {
		return 0, v
	}
	if !addr.IsValid() || !r.countsAddresses() {
		return 0, Verdict{}
	}
	key := c.addresses.host(addr, r.IPv6Prefix)
	ticket, tooMany, wait := c.addresses.admit(key, r.AddressConnections, r.address, int64(now))
	if !tooMany && wait == 0 {
		return ticket, Verdict{}
	}
	c.conns.Add(-1)
	c.node.untake(r.node)
	if tooMany {
		return 0, refuse(AddressConnections, 0)
	}
	return 0, refuse(AddressRate, wait)
}

// admitNode counts a conn of the node, unless it refuses it.
func (c *Control) admitNode(r *rules, now int64) Verdict {
	conns := c.conns.Add(1)
	if r.Connections > 0 && conns > int64(r.Connections) {
		c.conns.Add(-1)
		return refuse(NodeConnections, 0)
	}
	if wait := c.node.take(r.node, now); wait > 0 {
		c.conns.Add(-1)
		return refuse(NodeRate, wait)
	}
	if c.budget != nil && conns > c.budget.room.Load() {
		c.conns.Add(-1)
		c.node.untake(r.node)
		return refuse(Memory, 0)
	}
	return Verdict{}
}

// Release says that an admitted conn has closed; to be called once for each. It panics when there was none.
func (c *Control) Release(t Ticket, now time.Duration) {
	if c.conns.Add(-1) < 0 {
		panic("admission: more conns have closed than were admitted")
	}
	c.addresses.release(t, int64(now))
}

// AdmitUser decides about one more conn of a user, once its token has been believed. It is counted until ReleaseUser.
// An empty name is nobody's, and is not counted.
func (c *Control) AdmitUser(user string) (Ticket, Verdict) {
	most := c.rules.Load().UserConnections
	if user == "" || most <= 0 {
		return 0, Verdict{}
	}
	ticket, tooMany := c.users.admit(c.users.key(user), most)
	if tooMany {
		return 0, refuse(UserConnections, 0)
	}
	return ticket, Verdict{}
}

// ReleaseUser gives back what AdmitUser gave; to be called once for each.
func (c *Control) ReleaseUser(t Ticket) { c.users.release(t) }

// Connections returns how many conns are in.
func (c *Control) Connections() int64 { return c.conns.Load() }

// Stats are what a Control knows beyond the number of conns.
type Stats struct {
	Addresses, Users int    // that have a record
	Uncounted        uint64 // conns let in since start without being counted for their address or user
}

// Stats takes every shard's lock once.
func (c *Control) Stats() Stats {
	return Stats{
		Addresses: c.addresses.live(),
		Users:     c.users.live(),
		Uncounted: c.addresses.uncounted.Load() + c.users.uncounted.Load(),
	}
}
