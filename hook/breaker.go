package hook

import (
	"sync"
	"time"
)

// breaker keeps calls away from a backend that is down. It is closed while things go well, opens after some failures in
// a row, and after a pause lets one attempt through: its success closes the breaker, its failure opens it again.
type breaker struct {
	threshold int // failures in a row; below 0 it never opens. Set before use.

	mu       sync.Mutex // guards all below
	failures int        // in a row, while closed
	until    time.Time  // while open: when a probe may go; zero while closed
	probing  bool
	turn     uint64 // grows with each change: an attempt that began before one says nothing about what is after it
}

// health is what an attempt shows of a backend.
type health uint8

const (
	unknown health = iota // the attempt was given up
	alive
	dead
)

// enter reports whether an attempt may begin; leave must then be told its turn.
func (b *breaker) enter(now time.Time) (turn uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.until.IsZero():
		return b.turn, true
	case b.probing || now.Before(b.until):
		return 0, false
	}
	b.probing = true
	b.turn++
	return b.turn, true
}

// leave takes note of how an attempt ended. Should the breaker open, it does so until then.
func (b *breaker) leave(turn uint64, h health, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if turn != b.turn {
		return
	}
	switch h {
	case alive:
		b.close()
	case dead:
		b.failures++
		if b.probing || b.failures == b.threshold {
			b.open(until)
		}
	case unknown:
		b.probing = false // another may probe
	}
}

func (b *breaker) close() {
	b.failures = 0
	if !b.until.IsZero() {
		b.until, b.probing = time.Time{}, false
		b.turn++
	}
}

func (b *breaker) open(until time.Time) {
	b.until, b.probing, b.failures = until, false, 0
	b.turn++
}
