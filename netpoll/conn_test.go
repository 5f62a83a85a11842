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

// Identities of a slot's former uses name nothing, over all generations.
func TestSlotGenerations(t *testing.T) {
	var s slots
	defer s.slab.Free()
	var former []ConnID
	for use := range 5 {
		c := take(t, &s)
		if c.Slot() != 0 || c.gen() == 0 {
			t.Fatalf("use %d: slot %d, generation %d; want slot 0 again, generation from 1", use, c.Slot(), c.gen())
		}
		id := makeID(0, c.gen(), c.Slot())
		for _, old := range former {
			if s.get(old) != nil {
				t.Errorf("%v still names a conn in generation %d", old, c.gen())
			}
		}
		if s.get(id) != c {
			t.Errorf("get(%v) = %p; want %p", id, s.get(id), c)
		}
		former = append(former, id)
		if use == 2 {
			c.genFlags |= genMask << 8 // the last generation: 1 is next
			former = append(former, makeID(0, genMask, 0))
		}
		s.give(c)
		if s.get(id) != nil {
			t.Errorf("%v names a conn after its slot was given back", id)
		}
		if use == 2 {
			former = former[len(former)-1:]
		}
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
	want := []string{"peer", "reset", "local", "slow", "stalled", "dial", "shutdown", "unknown"}
	for r := range Reasons + 1 {
		if got := r.String(); got != want[r] {
			t.Errorf("Reason(%d) = %s; want %s", r, got, want[r])
		}
	}
}
