package bench

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/seed4ac54ce5/edge/netpoll"
	"golang.org/x/sys/unix"
)

// pace says when each of many actions is due: evenly spread, whatever became of those before.
type pace struct {
	start int64  // of action 0, in nanoseconds
	rate  uint64 // actions a second; 0 is all at once
}

// at returns when action k is due.
func (p pace) at(k uint64) int64 {
	if p.rate == 0 {
		return p.start
	}
	whole, part := k/p.rate, k%p.rate
	return p.start + int64(whole*1e9+part*1e9/p.rate)
}

// beat is the longest time between two looks at what is due.
const beat = 5 * time.Millisecond

// interval returns the time between two actions, but not less than it is worth waking up for.
func (p pace) interval() time.Duration {
	const shortest = 200 * time.Microsecond
	if p.rate == 0 {
		return shortest
	}
	return max(time.Second/time.Duration(p.rate), shortest)
}

// metronome wakes loops in time. Its goroutine has a thread to itself, as the runtime's timers may be a
// millisecond late.
type metronome struct {
	stopped atomic.Bool
	done    chan struct{}
	run     *run
	late    *hdrhistogram.Histogram // how long after its time each beat came
}

// startMetronome wakes the loops every interval from start on, a time on r's clock. Loops without connections sleep on.
func (r *run) startMetronome(start int64, interval time.Duration, loops []*netpoll.Loop) *metronome {
	m := &metronome{done: make(chan struct{}), run: r, late: newLateness()}
	go func() {
		defer close(m.done)
		if len(loops) == 0 || r.share.of(r.total()) == 0 {
			return
		}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for next := start; !m.stopped.Load(); next += int64(interval) {
			if late := r.clock() - next; late > 0 {
				next += late / int64(interval) * int64(interval) // beats that were missed are not made up for
			}
			sleep(next - r.clock())
			record(m.late, r.clock()-next)
			for _, l := range loops {
				l.Send(netpoll.Post{})
			}
		}
	}()
	return m
}

// stop ends m, and returns when its goroutine has ended. On the goroutine that called Run.
func (m *metronome) stop() {
	m.stopped.Store(true)
	<-m.done
	m.run.late.Merge(m.late)
}

// sleep blocks the thread for ns nanoseconds, to within some 60 us.
func sleep(ns int64) {
	if ns > 0 {
		left := unix.NsecToTimespec(ns)
		_ = unix.Nanosleep(&left, nil) // woken early by a signal: the loops find nothing due
	}
}
