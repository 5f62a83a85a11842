package netpoll

import (
	"testing"
)

func TestConnID(t *testing.T) {
	for _, row := range []struct {
		loop      uint8
		gen, slot uint32
		want      string
	}{
		{0, 1, 0, "0.0.1"},
		{255, genMask, 1<<32 - 1, "255.4294967295.16777215"},
		{7, genMask + 5, 9, "7.9.4"}, // a generation has 24 bits
	} {
		id := makeID(row.loop, row.gen, row.slot)
		if id.Loop() != int(row.loop) || id.Slot() != row.slot || id.gen() != row.gen&genMask || id.String() != row.want {
			t.Errorf("makeID(%d, %d, %d) = %v; want %s", row.loop, row.gen, row.slot, id, row.want)
		}
	}
}

// Identities of a slot's former uses name nothing, for ever: after its last generation a slot is left.
func TestSlotGenerations(t *testing.T) {
	var s slots
	defer s.slab.Free()
	var former []ConnID
	for use := range 6 {
		c := take(t, &s)
		if want := uint32(use / 3); c.Slot() != want || c.gen() == 0 {
			t.Fatalf("use %d: slot %d, generation %d; want slot %d, generation from 1", use, c.Slot(), c.gen(), want)
		}
		if use == 2 {
			c.genFlags |= genMask << 8 // the last one
		}
		id := makeID(0, c.gen(), c.Slot())
		for _, old := range former {
			if s.get(old) != nil {
				t.Errorf("%v still names a conn in use %d", old, use)
			}
		}
		if s.get(id) != c {
			t.Errorf("get(%v) = %p; want %p", id, s.get(id), c)
		}
		former = append(former, id)
		s.give(c)
		if s.get(id) != nil {
			t.Errorf("%v names a conn after its slot was given back", id)
		}
	}
	if s.open != 0 {
		t.Errorf("%d slots open at the end; want 0", s.open)
	}
}

// Slots are dense and used again, and records never move.
func TestSlotsGrow(t *testing.T) {
	const n = 10_000
	var s slots
	defer s.slab.Free()
	conns := make([]*Conn, n)
	for i := range conns {
		conns[i] = take(t, &s)
	}
	for i, c := range conns {
		if c.Slot() != uint32(i) || s.slab.At(uint32(i)) != c || s.get(makeID(0, c.gen(), c.slot)) != c {
			t.Fatalf("slot %d is %d at %p; want it at %p", i, c.Slot(), s.slab.At(uint32(i)), c)
		}
	}
	for _, c := range conns[:n/2] {
		s.give(c)
	}
	seen := 0
	s.all(func(*Conn) { seen++ })
	if seen != n/2 || s.open != n/2 {
		t.Errorf("all calls for %d conns, open = %d; want %d", seen, s.open, n/2)
	}
	for range n / 2 {
		take(t, &s)
	}
	if s.used != n {
		t.Errorf("%d slots were used for %d conns", s.used, n)
	}
	if s.get(makeID(0, 1, n)) != nil || s.get(makeID(0, 1, 1<<31)) != nil {
		t.Error("an identity beyond all slots names a conn")
	}
}

func take(t *testing.T, s *slots) *Conn {
	t.Helper()
	c, err := s.take(0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReasonIsALabel(t *testing.T) {
	want := []string{"peer", "reset", "local", "slow", "stalled", "dial", "shutdown", "moved", "unknown"}
	for r := range Reasons + 1 {
		if got := r.String(); got != want[r] {
			t.Errorf("Reason(%d) = %s; want %s", r, got, want[r])
		}
	}
}
