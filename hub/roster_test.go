package hub

import (
	"math/rand/v2"
	"testing"
)

// checkSeats fails if a roster's seats and the subscription records do not name each other.
func checkSeats(t testing.TB, l *Local, r *roster) {
	t.Helper()
	seats := l.seats(r)
	if len(seats) != int(r.n) {
		t.Fatalf("roster of %d has %d seats", r.n, len(seats))
	}
	for pos, s := range seats {
		if rec := l.subs.At(s.sub); rec.pos != uint32(pos) || rec.member != s.member {
			t.Fatalf("seat %d is held by %+v; its record says %+v", pos, s, *rec)
		}
	}
}

func TestRosterGrowsAndShrinks(t *testing.T) {
	h := New()
	l := newLoop(h)
	const members = 1000
	subs := make([]Subs, members)
	l.subscribe(t, 0, &subs[0], "r")
	l.settle()
	r := l.rosters.At(l.subs.At(subs[0].head).roster)
	for i := 1; i < members; i++ {
		l.subscribe(t, uint32(i), &subs[i], "r")
		l.settle()
		checkSeats(t, l.Local, r)
		if slack := cap(l.seats(r)); slack > i+1+i/2+8 {
			t.Fatalf("%d members in an array of %d", i+1, slack)
		}
	}
	for n, i := range rand.New(rand.NewPCG(1, 1)).Perm(members) {
		l.LeaveAll(&subs[i])
		checkSeats(t, l.Local, r)
		left := members - n - 1
		if slack := cap(l.seats(r)); slack > 2*left+keptSeats+2 {
			t.Fatalf("%d members in an array of %d", left, slack)
		}
	}
	l.settle()
	checkEmpty(t, h, l)
}

func TestRosterOfOneHasNoTable(t *testing.T) {
	h := New()
	l := newLoop(h)
	var a, b Subs
	l.subscribe(t, 1, &a, "r")
	l.settle()
	r := l.rosters.At(l.subs.At(a.head).roster)
	for range 3 {
		if r.table != 0 {
			t.Fatal("one member has a table")
		}
		l.subscribe(t, 2, &b, "r")
		l.settle()
		if r.table == 0 {
			t.Fatal("two members have no table")
		}
		l.LeaveAll(&b)
	}
}

// TestLeavingKeepsTheZones has every pair of a member that is being served and one that leaves then.
func TestLeavingKeepsTheZones(t *testing.T) {
	const members = 7
	for at := range uint32(members) {
		for leaver := range uint32(members) {
			h := New()
			l := newLoop(h)
			subs := make([]Subs, members)
			for i := range subs {
				l.subscribe(t, uint32(i), &subs[i], "r")
			}
			l.then = func(m Member, _ []byte) bool {
				if m.Slot() == at {
					l.LeaveAll(&subs[leaver])
				}
				return false
			}
			publish(h, "r", "x")
			l.settle()
			for i := range uint32(members) {
				want := "x;"
				if i == leaver && leaver > at {
					want = ""
				}
				if l.got[i] != want {
					t.Errorf("%d left while %d was served: %d received %q; want %q", leaver, at, i, l.got[i], want)
				}
			}
		}
	}
}
