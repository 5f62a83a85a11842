package netpoll

import "testing"

func TestTable(t *testing.T) {
	var table Table[[3]uint64]
	defer table.Free()
	last := table.Reserve(10_000)
	*last = [3]uint64{1, 2, 3}
	for slot := range uint32(10_000) {
		if got := *table.At(slot); got != [3]uint64{} {
			t.Fatalf("record %d = %v before it is used; want zero", slot, got)
		}
	}
	table.Reserve(50_000)
	if table.At(10_000) != last || table.Reserve(10_000) != last || *last != [3]uint64{1, 2, 3} {
		t.Errorf("record 10000 = %v at %p; want it unchanged at %p", *table.At(10_000), table.At(10_000), last)
	}
}
