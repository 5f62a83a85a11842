package hook

import (
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	now := time.Unix(1000, 0)
	later := now.Add(time.Second)
	b := &breaker{threshold: 3}
	attempt := func(at time.Time, h health) {
		t.Helper()
		turn, ok := b.enter(at)
		if !ok {
			t.Fatal("the breaker is open; want closed, or half open")
		}
		b.leave(turn, h, at.Add(time.Second))
	}
	refuses := func(at time.Time) {
		t.Helper()
		if _, ok := b.enter(at); ok {
			t.Fatal("the breaker lets an attempt through")
		}
	}
	attempt(now, dead)
	attempt(now, dead)
	attempt(now, alive) // not in a row
	attempt(now, dead)
	attempt(now, dead)
	attempt(now, unknown)
	attempt(now, dead)
	refuses(now)
	refuses(later.Add(-1))
	attempt(later, unknown) // a probe that was given up
	probe, ok := b.enter(later)
	if !ok {
		t.Fatal("no other probe after one that was given up")
	}
	refuses(later) // one at a time
	b.leave(probe, dead, later.Add(time.Second))
	refuses(later)
	attempt(later.Add(time.Second), alive)
	attempt(later.Add(time.Second), alive)
}

// What was under way when the breaker changed says nothing about the time since.
func TestBreakerIgnoresStragglers(t *testing.T) {
	now := time.Unix(1000, 0)
	later := now.Add(time.Second)
	b := &breaker{threshold: 1}
	first, _ := b.enter(now)
	second, _ := b.enter(now)
	third, _ := b.enter(now)
	b.leave(first, dead, later)
	b.leave(second, alive, later) // began before it opened
	if _, ok := b.enter(now); ok {
		t.Error("a success from before closes the breaker")
	}
	probe, _ := b.enter(later)
	b.leave(probe, alive, later)
	b.leave(third, dead, later.Add(time.Hour))
	if _, ok := b.enter(later); !ok {
		t.Error("a failure from before opens the breaker again")
	}
}

func TestBreakerThatNeverOpens(t *testing.T) {
	b := &breaker{threshold: -1}
	for range 100 {
		turn, ok := b.enter(time.Time{})
		if !ok {
			t.Fatal("the breaker is open")
		}
		b.leave(turn, dead, time.Time{}.Add(time.Hour))
	}
}
