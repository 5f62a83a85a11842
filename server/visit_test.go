package server

import (
	"maps"
	"testing"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// A walk sees each session once, however few go into a slice, and none that has gone.
func TestVisitInSlices(t *testing.T) {
	n := openSettledTown(t)
	n.citizen("carol").close() // her session may still be there, or end meanwhile
	for _, slice := range []int{1, 2, visitSlice} {
		users := make([]map[string]int, len(n.loops))
		err := n.visitAll(t.Context(), slice, func(l *loop, _ *netpoll.Conn, ss *session) {
			i := l.net.Number()
			if users[i] == nil {
				users[i] = make(map[string]int)
			}
			users[i][string(l.users.appendUser(nil, ss.who))]++
		})
		if err != nil {
			t.Fatal(err)
		}
		sum := make(map[string]int)
		for _, some := range users {
			for user, sessions := range some {
				sum[user] += sessions
			}
		}
		delete(sum, "carol")
		if want := map[string]int{"alice": 2, "bob": 1, "": 2}; !maps.Equal(sum, want) {
			t.Errorf("in slices of %d: %v; want %v", slice, sum, want)
		}
	}
}
