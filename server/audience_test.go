package server

import (
	"testing"

	"github.com/seed4ac54ce5/edge/hub"
)

// Streams of the same rooms share what is known of these until one stands somewhere in them.
func TestAudiencesAreShared(t *testing.T) {
	var all audiences
	of := func(returned bool, rooms ...string) uint32 {
		a := audience{returned: returned}
		for _, room := range rooms {
			a.rooms = append(a.rooms, audienceRoom{name: room})
		}
		return all.take(&a)
	}
	first, second, other, back := of(false, "a", "b"), of(false, "a", "b"), of(false, "b", "a"), of(true, "a", "b")
	if all.table[first] != all.table[second] {
		t.Error("two streams of the same rooms share nothing")
	}
	if all.table[first] == all.table[other] || all.table[first] == all.table[back] || len(all.shared) != 2 {
		t.Errorf("shared: %v", all.shared)
	}
	all.own(second).rooms[1].at = hub.Position{Epoch: 7, Offset: 3}
	if at := all.table[first].rooms[1].at; at != (hub.Position{}) {
		t.Errorf("the other stream stands at %v too", at)
	}
	if mine := all.own(second); mine.rooms[1].at.Offset != 3 {
		t.Errorf("the stream has lost its position: %v", mine.rooms)
	}
	for _, i := range []*uint32{&first, &second, &other, &back} {
		all.drop(i)
	}
	if len(all.shared) != 0 || len(all.free) != 4 {
		t.Errorf("left: %v, %d free", all.shared, len(all.free))
	}
}
