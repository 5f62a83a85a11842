package admission

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A model of a Control: counts in maps, buckets that are filled by hand.
type model struct {
	limits    Limits
	now       time.Duration
	room      int64
	node      modelHost
	addresses map[netip.Prefix]*modelHost
	users     map[string][]Ticket // of those who are in
}

// modelHost is the node or an address.
type modelHost struct {
	conns int
	owed  int64 // what its bucket lacks, in nanoseconds at its pace
	at    time.Duration
}

// fits reports whether a token can be taken; one that is taken is owed.
func (h *modelHost) fits(p pace, now time.Duration) bool {
	h.owed, h.at = max(h.owed-int64(now-h.at), 0), now
	if p.spacing == 0 {
		return true
	}
	if h.owed > p.span+int64(skew) {
		h.owed = p.span - p.spacing
	}
	return h.owed+p.spacing <= p.span
}

// admit answers like Control.Admit; host is nil if a release gives back no ticket.
func (m *model) admit(addr netip.Addr) (host *modelHost, reason Reason) {
	node, address := m.limits.Rate.pace(), m.limits.AddressRate.pace()
	switch {
	case m.limits.Connections > 0 && m.node.conns >= m.limits.Connections:
		return nil, NodeConnections
	case !m.node.fits(node, m.now):
		return nil, NodeRate
	case int64(m.node.conns) >= m.room:
		return nil, Memory
	}
	if m.limits.AddressConnections > 0 || address.spacing > 0 {
		host = m.host(addr)
		switch {
		case m.limits.AddressConnections > 0 && host.conns >= m.limits.AddressConnections:
			return nil, AddressConnections
		case !host.fits(address, m.now):
			return nil, AddressRate
		}
		host.conns++
		host.owed += address.spacing
	}
	m.node.conns++
	m.node.owed += node.spacing
	return host, None
}

// host returns what is known of addr's network.
func (m *model) host(addr netip.Addr) *modelHost {
	addr = addr.Unmap()
	bits := 32
	if addr.Is6() {
		bits = m.limits.IPv6Prefix
	}
	p, _ := addr.Prefix(bits)
	if m.addresses[p] == nil {
		m.addresses[p] = &modelHost{at: m.now}
	}
	return m.addresses[p]
}

// an entrance is a conn that is in.
type entrance struct {
	ticket Ticket
	host   *modelHost
}

// Under random attempts, closes, reloads and passing time a Control answers as the model does.
func TestControlAgainstModel(t *testing.T) {
	for run := range 20 {
		t.Run(fmt.Sprint(run), func(t *testing.T) { runAgainstModel(t, rand.Uint64()) })
	}
}

func runAgainstModel(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	m := &model{room: math.MaxInt64, addresses: make(map[netip.Prefix]*modelHost), users: make(map[string][]Ticket)}
	c := New(Options{Budget: NewBudget("/", -1)}, Limits{})
	m.limits = c.Limits()
	var in []entrance
	for step := range 5000 {
		switch dice := rng.IntN(100); {
		case dice < 30 && len(in) > 0:
			in = m.leave(c, in, rng.IntN(len(in)))
		case dice < 35:
			m.now += time.Duration(rng.Int64N(int64(2 * time.Second)))
		case dice < 36:
			c.SetLimits(randomLimits(rng))
			m.limits = c.Limits()
		case dice < 37:
			m.room = []int64{math.MaxInt64, math.MaxInt64, 5, 0}[rng.IntN(4)]
			c.budget.room.Store(m.room)
		case dice < 47:
			m.tryUser(t, c, fmt.Sprint(rng.IntN(5)))
		case dice < 55:
			m.leaveUser(c, fmt.Sprint(rng.IntN(5)))
		default:
			addr := randomAddr(rng)
			host, want := m.admit(addr)
			ticket, v := c.Admit(addr, m.now)
			if v.Reason != want || (ticket != 0) != (host != nil) {
				t.Fatalf("seed %d, step %d: Admit(%v, %v) = %d, %v; want %v, a ticket: %v, under %+v",
					seed, step, addr, m.now, ticket, v.Reason, want, host != nil, m.limits)
			}
			if v.Admitted() {
				in = append(in, entrance{ticket, host})
			}
		}
		if int(c.Connections()) != m.node.conns || m.node.conns != len(in) {
			t.Fatalf("seed %d, step %d: Connections = %d; want %d", seed, step, c.Connections(), m.node.conns)
		}
	}
	for len(in) > 0 {
		in = m.leave(c, in, 0)
	}
	for user := range m.users {
		for len(m.users[user]) > 0 {
			m.leaveUser(c, user)
		}
	}
	if s := c.Stats(); c.Connections() != 0 || s.Users != 0 || s.Uncounted != 0 {
		t.Errorf("seed %d: %d conns at the end, %+v; want none", seed, c.Connections(), c.Stats())
	}
}

// leave closes in[i].
func (m *model) leave(c *Control, in []entrance, i int) []entrance {
	m.node.conns--
	if in[i].host != nil {
		in[i].host.conns--
	}
	c.Release(in[i].ticket, m.now)
	in[i] = in[len(in)-1]
	return in[:len(in)-1]
}

// tryUser has a user come.
func (m *model) tryUser(t *testing.T, c *Control, user string) {
	t.Helper()
	most, here := m.limits.UserConnections, len(m.users[user])
	ticket, v := c.AdmitUser(user)
	if refused := most > 0 && here >= most; refused == v.Admitted() || (ticket != 0) != (most > 0 && !refused) {
		t.Fatalf("AdmitUser(%s) = %d, %+v; there are %d, limit %d", user, ticket, v, here, most)
	}
	if ticket != 0 {
		m.users[user] = append(m.users[user], ticket)
	}
}

// leaveUser has a user go, if there is one who was counted.
func (m *model) leaveUser(c *Control, user string) {
	if tickets := m.users[user]; len(tickets) > 0 {
		c.ReleaseUser(tickets[0])
		m.users[user] = tickets[1:]
	}
}

// randomAddr returns one of a few clients, in one of the forms of its address.
func randomAddr(rng *rand.Rand) netip.Addr {
	n := byte(rng.IntN(4))
	switch rng.IntN(3) {
	case 0:
		return netip.AddrFrom4([4]byte{192, 0, 2, n})
	case 1:
		return netip.AddrFrom16(netip.AddrFrom4([4]byte{192, 0, 2, n}).As16())
	}
	return netip.AddrFrom16([16]byte{0x20, 1, 7: n, 15: byte(rng.IntN(256))})
}

// randomLimits returns limits of which some hold and some do not.
func randomLimits(rng *rand.Rand) Limits {
	some := func(most int) int { return max(rng.IntN(2*most)-most, -1) }
	return Limits{
		Connections:        some(30),
		Rate:               Rate{float64(some(20)), some(30)},
		AddressConnections: some(6),
		AddressRate:        Rate{float64(some(4)) / 2, some(6)},
		IPv6Prefix:         []int{0, 64, 64, 56, 128}[rng.IntN(5)],
		UserConnections:    some(8),
	}
}

// Many goroutines at once never have more in than the limits allow, and in the end everything is given back.
func TestLimitsHoldAcrossGoroutines(t *testing.T) {
	const goroutines, turns, addresses = 8, 3000, 5
	l := Limits{Connections: 12, AddressConnections: 4, UserConnections: 3, Rate: Rate{1e6, 100}, AddressRate: Rate{1e6, 100}}
	c := New(Options{Addresses: 1, Users: 1 << 10}, l)
	var node atomic.Int64
	var perAddress, perUser [addresses]atomic.Int64
	var admitted [Reasons]atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 0))
			for turn := range turns {
				now := time.Duration(turn) * time.Millisecond
				a, u := rng.IntN(addresses), rng.IntN(addresses)
				ticket, v := c.Admit(netip.AddrFrom4([4]byte{192, 0, 2, byte(a)}), now)
				admitted[v.Reason].Add(1)
				if !v.Admitted() {
					continue
				}
				if n := node.Add(1); n > int64(l.Connections) {
					t.Errorf("%d conns at once; want at most %d", n, l.Connections)
				}
				counted := int64(min(ticket, 1)) // 0 if the table had no room for the address: then no limit of its own holds
				if n := perAddress[a].Add(counted); n > int64(l.AddressConnections) {
					t.Errorf("%d conns from one address at once; want at most %d", n, l.AddressConnections)
				}
				visit(t, c, fmt.Sprint(u), &perUser[u], int64(l.UserConnections))
				perAddress[a].Add(-counted)
				node.Add(-1)
				c.Release(ticket, now)
			}
		})
	}
	wg.Wait()
	if s := c.Stats(); c.Connections() != 0 || s.Users != 0 {
		t.Errorf("Connections = %d, Stats = %+v; want nobody", c.Connections(), s)
	}
	if admitted[None].Load() == 0 {
		t.Error("nobody was admitted: nothing has been shown")
	}
}

// visit has a user come and go.
func visit(t *testing.T, c *Control, user string, in *atomic.Int64, most int64) {
	ticket, v := c.AdmitUser(user)
	if !v.Admitted() {
		return
	}
	if n := in.Add(1); n > most {
		t.Errorf("user %s has %d conns at once; want at most %d", user, n, most)
	}
	in.Add(-1)
	c.ReleaseUser(ticket)
}

// Limits may change, and be read, while conns come and go.
func TestSetLimitsWhileRunning(t *testing.T) {
	c := New(Options{Budget: NewBudget("/", -1)}, Limits{})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for now := time.Duration(0); ; now += time.Millisecond {
				select {
				case <-done:
					return
				default:
				}
				if ticket, v := c.Admit(netip.AddrFrom4([4]byte{10, 0, 0, byte(g % 3)}), now); v.Admitted() {
					c.Release(ticket, now)
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		c.SetLimits(randomLimits(rng))
		if c.Limits().IPv6Prefix == 0 {
			t.Error("Limits has lost its default prefix")
		}
		if _, err := c.budget.Sample(c.Connections()); err != nil {
			t.Error(err)
		}
		c.Stats()
	}
	close(done)
	wg.Wait()
	if c.Connections() != 0 {
		t.Errorf("Connections = %d; want 0", c.Connections())
	}
}
