package hub

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// named returns what Rooms says.
func named(h *Hub) map[string]int { return maps.Collect(h.Rooms()) }

// Rooms names those with members on any loop, however many there are, and none that only remembers.
func TestRoomsAgainstAMap(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	h := New()
	h.SetOptions(0, Options{HistorySize: 1, HistoryTTL: time.Hour})
	loops := []*loop{newLoop(h), newLoop(h)}
	want := make(map[string]int)
	publish(h, "remembers", "x")
	subs := make([]Subs, 40)
	const rooms = 300 // some shards have none
	for range 5 {
		for i := range subs {
			l := loops[i%2]
			for range 100 {
				room := fmt.Sprint(random.IntN(rooms))
				if l.Subscribed(&subs[i], []byte(room)) {
					l.Unsubscribe(&subs[i], []byte(room))
					want[room]--
				} else {
					l.subscribe(t, uint32(i), &subs[i], room)
					want[room]++
				}
			}
		}
		maps.DeleteFunc(want, func(_ string, members int) bool { return members == 0 })
		if got := named(h); !maps.Equal(got, want) {
			t.Fatalf("seed %d: Rooms named %d rooms; want %d, with as many members", seed, len(got), len(want))
		}
	}
}

// One shard with many more rooms than a slice has names them all, also after most have gone.
func TestRoomsInSlices(t *testing.T) {
	h := New()
	l := newLoop(h)
	var s Subs
	want := make(map[string]int)
	for n := 0; len(want) < 3*roomSlice; n++ {
		if room := fmt.Sprint(n); h.shard(h.hash([]byte(room))) == &h.shards[7] {
			l.subscribe(t, 1, &s, room)
			want[room] = 1
		}
	}
	for range 2 {
		if got := named(h); !maps.Equal(got, want) {
			t.Errorf("Rooms named %d rooms; want %d", len(got), len(want))
		}
		for room := range want {
			if len(want) > 3 {
				l.Unsubscribe(&s, []byte(room))
				delete(want, room)
			}
		}
		l.settle()
	}
}

// Rooms that stay are named while others come and go.
func TestRoomsWhileTheyChange(t *testing.T) {
	h := New()
	l := newLoop(h)
	var stays, moves Subs
	for n := range 100 {
		l.subscribe(t, 1, &stays, fmt.Sprint("stays", n))
	}
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		defer close(stop)
		for range 200 {
			got := named(h)
			maps.DeleteFunc(got, func(name string, _ int) bool { return name[0] == 'm' })
			if len(got) != 100 {
				t.Errorf("Rooms named %d of the rooms that stay; want 100", len(got))
			}
		}
	})
	for n := 0; ; n++ {
		select {
		case <-stop:
			looking.Wait()
			return
		default:
		}
		room := fmt.Sprint("moves", n%50)
		if !l.Unsubscribe(&moves, []byte(room)) {
			l.subscribe(t, 2, &moves, room)
		}
		l.settle()
	}
}

func BenchmarkRooms(b *testing.B) {
	h := New()
	l := newLoop(h)
	var s Subs
	const rooms = 100_000
	for n := range rooms {
		if _, err := l.Subscribe(NewMember(1, 0), &s, 0, fmt.Append(nil, "personal:#user-", n), nil); err != nil {
			b.Fatal(err)
		}
		l.settle()
	}
	b.ReportAllocs()
	for b.Loop() {
		for range h.Rooms() {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rooms, "ns/room")
}
