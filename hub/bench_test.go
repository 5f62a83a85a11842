package hub

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkPublish(b *testing.B) {
	for _, loops := range []int{0, 1, 8} {
		for name, o := range map[string]Options{"off": {}, "on": {HistorySize: 100, HistoryTTL: time.Hour}} {
			b.Run(fmt.Sprintf("loops=%d/history=%s", loops, name), func(b *testing.B) {
				benchmarkPublish(b, loops, o)
			})
		}
	}
}

func benchmarkPublish(b *testing.B, loops int, o Options) {
	h := New()
	h.SetOptions(0, o)
	var members []*loop
	for range loops {
		l := quietLoop(h)
		crowd(b, l, 1000/loops, "room")
		members = append(members, l)
	}
	room, data := []byte("room"), make([]byte, 64)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		p := NewPublication()
		p.Data = append(p.Data, data...)
		mustPublish(b, h, 0, room, p)
		if n%64 == 63 {
			b.StopTimer()
			for _, l := range members {
				l.run()
			}
			b.StartTimer()
		}
	}
}

// BenchmarkFanout measures one pass over a roster with a sink that writes nothing, for each delivery.
func BenchmarkFanout(b *testing.B) {
	remembers := Options{HistorySize: 100, HistoryTTL: time.Hour}
	for _, row := range []struct {
		members, pubs int
		options       Options
	}{
		{1, 1, Options{}}, {10, 1, Options{}}, {1000, 1, Options{}}, {1000, 10, Options{}}, {100_000, 1, Options{}},
		{1, 1, remembers}, {10, 1, remembers}, {1000, 1, remembers}, {1000, 10, remembers}, {100_000, 1, remembers},
	} {
		b.Run(fmt.Sprintf("members=%d/publications=%d/history=%d", row.members, row.pubs, row.options.HistorySize), func(b *testing.B) {
			h := New()
			h.SetOptions(0, row.options)
			l := quietLoop(h)
			crowd(b, l, row.members, "room")
			room, data := []byte("room"), make([]byte, 64)
			b.ReportAllocs()
			for b.Loop() {
				for range row.pubs {
					p := NewPublication()
					p.Data = append(p.Data, data...)
					mustPublish(b, h, 0, room, p)
				}
				l.run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(l.Stats.Writes), "ns/write")
		})
	}
}

func BenchmarkSubscribeAndLeave(b *testing.B) {
	for _, row := range []struct{ room, others int }{{0, 0}, {0, 1}, {1000, 0}, {1000, 1}} {
		b.Run(fmt.Sprintf("members=%d/otherRooms=%d", row.room, row.others), func(b *testing.B) {
			h := New()
			l := quietLoop(h)
			crowd(b, l, row.room, "room")
			var s Subs
			for i := range row.others {
				l.subscribe(b, 5000, &s, fmt.Sprint("other", i))
			}
			room := []byte("room")
			b.ReportAllocs()
			for b.Loop() {
				l.subscribe(b, 5000, &s, "room")
				l.run()
				l.Unsubscribe(&s, room)
				l.run()
			}
		})
	}
}
