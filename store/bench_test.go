package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/hub"
)

// BenchmarkStore has as many publishers as its name says, each with a room of its own, a history of 100 publications of
// 128 bytes, and one record under way: how many records a second are done, and how long one takes.
func BenchmarkStore(b *testing.B) {
	for _, p := range []Policy{Always, Interval} {
		for _, publishers := range []int{1, 16, 256, 4096} {
			b.Run(fmt.Sprintf("%v/%d", p, publishers), func(b *testing.B) { benchmarkStore(b, p, publishers) })
		}
	}
}

func benchmarkStore(b *testing.B, p Policy, publishers int) {
	c, _ := newConfig(b, p)
	c.Log = silent
	s := mustOpen(b, c)
	took := make([][]time.Duration, publishers)
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range publishers {
		all.Go(func() { took[i] = publish(b, s, fmt.Sprintf("room-%d", i), (b.N+i)/publishers) })
	}
	all.Wait()
	b.StopTimer()
	sorted := slices.Sorted(slices.Values(slices.Concat(took...)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(sorted[len(sorted)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(sorted[len(sorted)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(s.Stats().Records)/float64(s.Stats().Commits), "records/commit")
	b.ReportMetric(float64(s.Stats().FileBytes)/(1<<20), "file-MiB")
	mustClose(b, s)
}

// publish puts n records, one after the other, and returns how long each took.
func publish(b *testing.B, s *Store, room string, n int) []time.Duration {
	const kept = 100
	took := make([]time.Duration, 0, n)
	done := make(chan error, 1)
	for i := range uint64(n) {
		r := &hub.Record{Room: []byte(room), Epoch: 1, Offset: i + 1, From: i + 2 - min(i+1, kept), Entry: make([]byte, 128)}
		r.Done = func(err error) { done <- err }
		start := time.Now()
		if !s.Put(r) {
			b.Errorf("Put(%s %d) = false", room, i)
			return took
		}
		if err := <-done; err != nil {
			b.Errorf("Done(%v)", err)
		}
		took = append(took, time.Since(start))
	}
	return took
}

// BenchmarkPut is the part of it that a publisher pays for under its shard's lock.
func BenchmarkPut(b *testing.B) {
	q := newQueue(defaultQueueBytes, defaultQueueRecords)
	s := &Store{queue: q}
	r := publication("room", 1, 1, 1)
	spare := make([]*hub.Record, 0, 4096)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%4096 == 0 {
			taken := q.take(spare[:0])
			q.release(taken)
			spare = taken
		}
		s.Put(r)
	}
}
