package bench

import "testing"

func TestLedgerNotes(t *testing.T) {
	far := []uint32{1}
	for n := uint32(3); n < 200; n++ {
		far = append(far, n)
	}
	for _, row := range []struct {
		name string
		came []uint32
		sent uint32
		want Ledger
	}{
		{"nothing was sent", nil, 0, Ledger{}},
		{"all in order", []uint32{1, 2, 3}, 3, Ledger{Expected: 3, Received: 3}},
		{"the first is missing", []uint32{2, 3}, 3, Ledger{Expected: 3, Received: 2, Missing: 1}},
		{"one in the middle is missing", []uint32{1, 3}, 3, Ledger{Expected: 3, Received: 2, Missing: 1}},
		{"the last are missing", []uint32{1}, 3, Ledger{Expected: 3, Received: 1, Missing: 2}},
		{"all are missing", nil, 5, Ledger{Expected: 5, Missing: 5}},
		{"the last twice", []uint32{1, 2, 2}, 2, Ledger{Expected: 2, Received: 2, Duplicated: 1}},
		{"an old one twice", []uint32{1, 2, 3, 1}, 3, Ledger{Expected: 3, Received: 3, Duplicated: 1}},
		{"the first late", []uint32{2, 1, 3}, 3, Ledger{Expected: 3, Received: 3, Reordered: 1}},
		{"two late", []uint32{1, 4, 2, 3}, 4, Ledger{Expected: 4, Received: 4, Reordered: 2}},
		{"late, and then again", []uint32{2, 1, 1}, 2, Ledger{Expected: 2, Received: 2, Reordered: 1, Duplicated: 1}},
		{"a jump beyond the window", []uint32{1, 1000}, 1000, Ledger{Expected: 1000, Received: 2, Missing: 998}},
		{"later than the window counts as twice", append(far, 2), 199, Ledger{Expected: 199, Received: 198, Missing: 1, Duplicated: 1}},
	} {
		var got Ledger
		var tr track
		for _, n := range row.came {
			got.note(&tr, n)
		}
		got.settle(row.sent)
		got.close()
		if got != row.want {
			t.Errorf("%s: ledger = %+v; want %+v", row.name, got, row.want)
		}
		clean := row.want.Received == row.want.Expected && row.want.Duplicated == 0 && row.want.Reordered == 0
		if got.Clean() != clean {
			t.Errorf("%s: Clean() = %v; want %v", row.name, got.Clean(), clean)
		}
	}
}

func TestLedgersAddUp(t *testing.T) {
	a := Ledger{1, 2, 3, 4, 5, 6, 7}
	a.add(&Ledger{10, 20, 30, 40, 50, 60, 70})
	if want := (Ledger{11, 22, 33, 44, 55, 66, 77}); a != want {
		t.Errorf("add = %+v; want %+v", a, want)
	}
}

func TestNoteAllocatesNothing(t *testing.T) {
	var l Ledger
	var tr track
	next := uint32(1)
	if n := testing.AllocsPerRun(1000, func() { l.note(&tr, next); next++ }); n != 0 {
		t.Errorf("note allocates %v times", n)
	}
}
