package hub

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestLimitDropsTheOldestRoomFirst(t *testing.T) {
	h := New()
	c := fakeTime(h)
	h.SetOptions(0, Options{HistorySize: 10, HistoryTTL: time.Hour})
	size := newPast(publication("x"), &PublishOptions{}).size()
	h.Limit(4 * size)
	for _, room := range []string{"a", "b", "c", "a", "d"} { // the fifth is one too many: b has been quiet for longest
		c.advance(time.Second)
		publish(h, room, "x")
	}
	for room, want := range map[string]int{"a": 2, "b": 0, "c": 1, "d": 1} {
		pos, past, err := h.History(0, []byte(room), HistoryRequest{Limit: -1})
		if err != nil || len(past) != want || pos.Offset == 0 {
			t.Errorf("%s: %d publications at %v, %v; want %d", room, len(past), pos, err, want)
		}
	}
	if bytes, publications, evicted := h.MemoryStats(); bytes != 4*size || publications != 4 || evicted != 1 {
		t.Errorf("MemoryStats = %d, %d, %d; want %d, 4, 1", bytes, publications, evicted, 4*size)
	}
	h.Limit(0)
	publish(h, "e", "x")
	if _, publications, _ := h.MemoryStats(); publications != 5 {
		t.Errorf("%d publications without a limit; want 5", publications)
	}
}

func TestLastRoomLosesOnlyWhatItMust(t *testing.T) {
	h := New()
	h.SetOptions(0, Options{HistorySize: 100, HistoryTTL: time.Hour})
	size := newPast(publication("x"), &PublishOptions{}).size()
	h.Limit(3*size + size/2)
	for range 10 {
		publish(h, "r", "x")
	}
	_, past, _ := h.History(0, []byte("r"), HistoryRequest{Limit: -1})
	if len(past) != 3 || past[0].Offset() != 8 {
		t.Errorf("remembered %v; want the last three", offsets(past))
	}
	publish(h, "r", string(make([]byte, 10*size)))
	if bytes, publications, evicted := h.MemoryStats(); bytes != 0 || publications != 0 || evicted != 0 {
		t.Errorf("MemoryStats = %d, %d, %d after one above the limit; want nothing", bytes, publications, evicted)
	}
	if pos, _ := h.Position([]byte("r")); pos.Offset != 11 {
		t.Errorf("position = %v; want offset 11", pos)
	}
}

// TestLimitHoldsForAllAtOnce has publishers and removals at once: afterwards all is counted and within the limit.
func TestLimitHoldsForAllAtOnce(t *testing.T) {
	const limit = 20_000
	h := New()
	h.SetOptions(0, Options{HistorySize: 20, HistoryTTL: time.Hour})
	h.Limit(limit)
	var publishing sync.WaitGroup
	for i := range uint64(8) {
		publishing.Go(func() {
			rng := rand.New(rand.NewPCG(i, 5))
			for range 1000 {
				room := fmt.Sprint(rng.IntN(500))
				publish(h, room, room)
				if rng.IntN(50) == 0 {
					h.RemoveHistory([]byte(room))
					h.Tick(time.Now())
				}
			}
		})
	}
	publishing.Wait()
	var bytes, publications, histories int64
	for i := range h.shards {
		s := &h.shards[i]
		for _, x := range s.eldest.items {
			bytes += x.m.past.bytes
			publications += int64(x.m.past.n)
			histories++
		}
	}
	b, p, evicted := h.MemoryStats()
	if b != bytes || p != publications || histories != h.usage.histories.Load() || b > limit || evicted == 0 {
		t.Errorf("MemoryStats = %d, %d, %d with %d histories; there are %d bytes in %d publications of %d",
			b, p, evicted, h.usage.histories.Load(), bytes, publications, histories)
	}
}
