package admission

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

var (
	alice = netip.MustParseAddr("192.0.2.7")
	bob   = netip.MustParseAddr("2001:db8::7")
)

// expect holds that an attempt from addr is answered with want.
func expect(t *testing.T, c *Control, addr netip.Addr, now time.Duration, want Reason) Ticket {
	t.Helper()
	ticket, v := c.Admit(addr, now)
	if v.Reason != want || v.Admitted() != (want == None) || (v.RetryAfter == 0) != (want == None) {
		t.Fatalf("Admit(%v, %v) = %+v; want %v", addr, now, v, want)
	}
	return ticket
}

// fullBudget returns a budget with no room.
func fullBudget() *Budget {
	b := NewBudget("/", 0)
	b.room.Store(0)
	return b
}

// Each limit refuses by itself, and whoever is refused by a later one has used nothing of the earlier ones.
func TestReasons(t *testing.T) {
	budget := NewBudget("/", 0)
	c := New(Options{Budget: budget}, Limits{
		Connections: 4, Rate: Rate{1, 5},
		AddressConnections: 2, AddressRate: Rate{1, 3},
	})
	first := expect(t, c, alice, 0, None)
	expect(t, c, alice, 0, None)
	for range 10 {
		expect(t, c, alice, 0, AddressConnections)
	}
	c.Release(first, 0)
	first = expect(t, c, alice, 0, None)
	c.Release(first, 0)
	for range 10 {
		expect(t, c, alice, 0, AddressRate)
	}
	budget.room.Store(0)
	for range 10 {
		expect(t, c, bob, 0, Memory)
	}
	budget.room.Store(math.MaxInt64)
	expect(t, c, bob, 0, None)
	expect(t, c, bob, 0, None) // the fifth token of the node
	expect(t, c, netip.Addr{}, 0, NodeRate)
	expect(t, c, netip.Addr{}, time.Second, None)
	expect(t, c, netip.Addr{}, time.Hour, NodeConnections)
	if c.Connections() != 4 {
		t.Errorf("Connections = %d; want 4", c.Connections())
	}
}

// Where several limits refuse, the first of the order is named.
func TestOrderOfReasons(t *testing.T) {
	all := Limits{Connections: 1, Rate: Rate{1, 1}, AddressConnections: 1, AddressRate: Rate{1, 1}}
	for _, row := range []struct {
		want   Reason
		budget *Budget
		lift   func(l *Limits)
	}{
		{NodeConnections, fullBudget(), func(*Limits) {}},
		{NodeRate, fullBudget(), func(l *Limits) { l.Connections = 0 }},
		{Memory, fullBudget(), func(l *Limits) { l.Connections, l.Rate = 0, Rate{} }},
		{AddressConnections, nil, func(l *Limits) { l.Connections, l.Rate = 0, Rate{} }},
		{AddressRate, nil, func(l *Limits) { l.Connections, l.Rate, l.AddressConnections = 0, Rate{}, 0 }},
		{None, nil, func(l *Limits) { *l = Limits{} }},
	} {
		c := New(Options{}, all)
		expect(t, c, alice, 0, None)
		c.budget = row.budget
		limits := all
		row.lift(&limits)
		c.SetLimits(limits)
		expect(t, c, alice, 0, row.want)
	}
}

func TestNoLimits(t *testing.T) {
	for _, l := range []Limits{{}, {Connections: -1, Rate: Rate{-1, -1}, AddressConnections: -1, AddressRate: Rate{-1, -1}, UserConnections: -1}} {
		c := New(Options{}, l)
		for range 1000 {
			if ticket := expect(t, c, alice, 0, None); ticket != 0 {
				t.Fatalf("a conn that nothing limits has ticket %d", ticket)
			}
			if ticket, v := c.AdmitUser("alice"); ticket != 0 || !v.Admitted() {
				t.Fatalf("AdmitUser = %d, %+v; want no ticket", ticket, v)
			}
		}
		if c.Stats() != (Stats{}) || c.Connections() != 1000 {
			t.Errorf("Stats = %+v, Connections = %d; want 1000 conns and no records", c.Stats(), c.Connections())
		}
	}
}

func TestUsers(t *testing.T) {
	c := New(Options{}, Limits{UserConnections: 2})
	first, v := c.AdmitUser("alice")
	if first == 0 || !v.Admitted() {
		t.Fatalf("AdmitUser = %d, %+v; want a ticket", first, v)
	}
	c.AdmitUser("alice")
	if ticket, v := c.AdmitUser("alice"); ticket != 0 || v.Reason != UserConnections || v.RetryAfter == 0 {
		t.Errorf("AdmitUser = %d, %+v; want %v", ticket, v, UserConnections)
	}
	if _, v := c.AdmitUser("bob"); !v.Admitted() {
		t.Errorf("AdmitUser(bob) = %+v; want alice's conns to be hers", v)
	}
	for range 5 {
		if ticket, v := c.AdmitUser(""); ticket != 0 || !v.Admitted() {
			t.Errorf("AdmitUser of nobody = %d, %+v; want no limit", ticket, v)
		}
	}
	c.ReleaseUser(first)
	if _, v := c.AdmitUser("alice"); !v.Admitted() {
		t.Errorf("AdmitUser = %+v; want a place that has become free", v)
	}
	if users := c.Stats().Users; users != 2 {
		t.Errorf("%d users have records; want 2", users)
	}
}

// A reload holds for those who come next, and those who are in leave as they came.
func TestSetLimits(t *testing.T) {
	c := New(Options{}, Limits{})
	uncounted := expect(t, c, alice, 0, None)
	c.SetLimits(Limits{AddressConnections: 1})
	counted := expect(t, c, alice, 0, None)
	expect(t, c, alice, 0, AddressConnections)
	c.SetLimits(Limits{AddressConnections: 2, Connections: 2})
	expect(t, c, alice, 0, NodeConnections)
	c.SetLimits(Limits{AddressConnections: 1, Connections: 2})
	c.Release(uncounted, 0)
	expect(t, c, alice, 0, AddressConnections)
	c.SetLimits(Limits{})
	c.Release(counted, 0)
	if got := c.Limits(); got.IPv6Prefix != defaultIPv6Prefix || c.Connections() != 0 || c.Stats().Addresses != 0 {
		t.Errorf("Limits = %+v, Connections = %d, Stats = %+v; want nobody and nothing", got, c.Connections(), c.Stats())
	}
}

func TestReleaseOfNobodyPanics(t *testing.T) {
	c := New(Options{}, Limits{})
	defer func() {
		if recover() == nil {
			t.Error("Release went on")
		}
	}()
	c.Release(0, 0)
}

func TestAdmitAllocatesNothing(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector allocates")
	}
	budget := NewBudget("/", 0)
	limits := Limits{Connections: 10, Rate: Rate{1e6, 1e6}, AddressConnections: 2, AddressRate: Rate{1e6, 1e6}, UserConnections: 1}
	c := New(Options{Budget: budget}, limits)
	expect(t, c, alice, 0, None)
	c.AdmitUser("alice")
	now := time.Duration(0)
	for name, f := range map[string]func(){
		"admitted":     func() { ticket, _ := c.Admit(alice, now); c.Release(ticket, now) },
		"new":          func() { ticket, _ := c.Admit(bob, now); c.Release(ticket, now) },
		"user refused": func() { c.AdmitUser("alice") },
		"user new":     func() { ticket, _ := c.AdmitUser("bob"); c.ReleaseUser(ticket) },
	} {
		if n := testing.AllocsPerRun(100, func() { now += time.Millisecond; f() }); n != 0 {
			t.Errorf("%s: %v allocations; want 0", name, n)
		}
	}
	expect(t, c, alice, now, None)
	if n := testing.AllocsPerRun(100, func() { c.Admit(alice, now) }); n != 0 {
		t.Errorf("refused: %v allocations; want 0", n)
	}
}

func BenchmarkAdmit(b *testing.B) {
	for _, addresses := range []int{1, 100_000} {
		b.Run(fmt.Sprintf("addresses=%d", addresses), func(b *testing.B) {
			c := New(Options{}, Limits{Connections: 1e6, Rate: Rate{1e8, 1e8}, AddressConnections: 1e6, AddressRate: Rate{1e8, 1e8}})
			start := time.Now()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					a := netip.AddrFrom4([4]byte{10, byte(i % addresses >> 16), byte(i % addresses >> 8), byte(i % addresses)})
					ticket, v := c.Admit(a, time.Since(start))
					if !v.Admitted() {
						b.Fatal(v)
					}
					c.Release(ticket, time.Since(start))
				}
			})
		})
	}
}
