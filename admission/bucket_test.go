package admission

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const second = int64(time.Second)
	for _, row := range []struct {
		name string
		rate Rate
		want pace
	}{
		{"none", Rate{}, pace{}},
		{"negative", Rate{-1, 5}, pace{}},
		{"not a number", Rate{math.NaN(), 5}, pace{}},
		{"infinite", Rate{math.Inf(1), 5}, pace{}},
		{"faster than the clock", Rate{1e10, 5}, pace{}},
		{"100 a second, 20 at once", Rate{100, 20}, pace{second / 100, second / 5}},
		{"burst not given", Rate{100, 0}, pace{second / 100, second / 100}},
		{"one a minute", Rate{1.0 / 60, 2}, pace{60 * second, 120 * second}},
		{"hardly ever", Rate{1e-300, 2}, pace{maxSpacing, 2 * maxSpacing}},
		{"burst past a day", Rate{1, math.MaxInt}, pace{second, maxSpan}},
	} {
		if got := row.rate.pace(); got != row.want {
			t.Errorf("%s: %+v.pace() = %+v; want %+v", row.name, row.rate, got, row.want)
		}
	}
}

func TestBucket(t *testing.T) {
	var b bucket
	p := Rate{PerSecond: 10, Burst: 3}.pace()
	for i, row := range []struct {
		at   time.Duration
		wait time.Duration
	}{
		{5 * time.Second, 0}, {5 * time.Second, 0}, {5 * time.Second, 0}, // the burst
		{5 * time.Second, 100 * time.Millisecond},
		{5040 * time.Millisecond, 60 * time.Millisecond},
		{5100 * time.Millisecond, 0}, // one has come
		{5100 * time.Millisecond, 100 * time.Millisecond},
		{5090 * time.Millisecond, 110 * time.Millisecond}, // a clock that is behind
		{time.Minute, 0}, {time.Minute, 0}, {time.Minute, 0}, // no more than the burst is saved up
		{time.Minute, 100 * time.Millisecond},
	} {
		if got := b.take(p, int64(row.at)); got != row.wait {
			t.Errorf("take number %d, at %v: wait %v; want %v", i, row.at, got, row.wait)
		}
	}
}

func TestBucketTakesBack(t *testing.T) {
	var b bucket
	p := Rate{PerSecond: 1, Burst: 2}.pace()
	for range 100 {
		if wait := b.take(p, int64(time.Hour)); wait != 0 {
			t.Fatalf("take: wait %v; want none, as all before were put back", wait)
		}
		b.untake(p)
	}
}

func TestBucketWithoutLimit(t *testing.T) {
	var b bucket
	for range 1000 {
		if wait := b.take(pace{}, 0); wait != 0 {
			t.Fatalf("take: wait %v; want none", wait)
		}
	}
	b.untake(pace{})
	if b.full.Load() != 0 {
		t.Error("a bucket without a limit has changed")
	}
}

// Who raises a rate sees it at once, though the bucket was emptied under a slow one.
func TestBucketForgetsASlowerRate(t *testing.T) {
	var b bucket
	slow, fast := Rate{PerSecond: 1.0 / 3600, Burst: 5}.pace(), Rate{PerSecond: 1000, Burst: 100}.pace()
	for range 5 {
		b.take(slow, 0)
	}
	if wait := b.take(slow, 0); wait != time.Hour {
		t.Fatalf("take: wait %v; want 1h", wait)
	}
	if wait := b.take(fast, 0); wait != 0 {
		t.Errorf("take at the faster rate: wait %v; want none", wait)
	}
	if wait := b.take(fast, 0); wait != time.Millisecond {
		t.Errorf("take of a second token: wait %v; want 1ms, not a burst", wait)
	}
}

// However many goroutines take at one moment, they get the burst between them.
func TestBucketIsShared(t *testing.T) {
	const goroutines, burst = 8, 1000
	var b bucket
	p := Rate{PerSecond: 1, Burst: burst}.pace()
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range burst {
				if b.take(p, int64(time.Second)) == 0 {
					taken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() != burst {
		t.Errorf("%d tokens were taken; want %d", taken.Load(), burst)
	}
}
