package server

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/panjf2000/ants/v2"
)

// openWork returns a pool that the test closes when it ends, after it has let everybody go.
func openWork(t *testing.T) *work {
	w, err := newWork(poolSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(patience); err != nil && !errors.Is(err, ants.ErrPoolClosed) {
			t.Error(err)
		}
	})
	return w
}

// occupy has every worker wait for a value of its own, and returns when all do.
func occupy(w *work) (release chan struct{}) {
	release = make(chan struct{})
	var busy sync.WaitGroup
	busy.Add(w.size)
	for range w.size {
		w.submit(func() {
			busy.Done()
			<-release
		})
	}
	busy.Wait()
	return release
}

// The pool runs so many jobs at a time, keeps so many more, refuses the rest, and takes some again when it can.
func TestWorkIsBounded(t *testing.T) {
	w := openWork(t)
	var done atomic.Int32
	for round := range 3 {
		release := occupy(w)
		for i := range poolQueue {
			if !w.submit(func() { done.Add(1) }) {
				t.Fatalf("round %d: job %d behind the running ones was refused", round, i)
			}
		}
		if w.submit(func() { t.Error("a job that was refused ran") }) {
			t.Errorf("round %d: the pool took more than it has room for", round)
		}
		if got := w.waiting(); got != poolQueue {
			t.Errorf("round %d: %d jobs wait; want %d", round, got, poolQueue)
		}
		if got := int(done.Load()); got != round*poolQueue {
			t.Errorf("round %d: %d jobs ran; want those of the rounds before", round, got)
		}
		close(release)
		if !w.wait(patience) || w.waiting() != 0 || int(done.Load()) != (round+1)*poolQueue {
			t.Errorf("round %d: %d jobs ran, %d wait", round, done.Load(), w.waiting())
		}
	}
}

// What something new begins with leaves half of the queue to what has begun, and is refused while others have waited for long.
func TestWorkKeepsRoomForWhatHasBegun(t *testing.T) {
	w := openWork(t)
	release := occupy(w)
	nothing := func() {}
	for i := range poolQueue / 2 {
		if !w.submitFresh(nothing, time.Hour) {
			t.Fatalf("fresh job %d was refused", i)
		}
		if w.submitFresh(nothing, -1) {
			t.Fatalf("fresh job %d was taken though the one before it has waited for too long", i)
		}
	}
	for i := range poolQueue / 2 {
		if w.submitFresh(nothing, time.Hour) {
			t.Fatalf("a fresh job was taken with %d that wait", w.waiting())
		}
		if !w.submit(nothing) {
			t.Fatalf("job %d of what has begun was refused", i)
		}
	}
	close(release)
	if !w.wait(patience) {
		t.Fatal("the jobs do not end")
	}
	if !w.submitFresh(nothing, -1) || !w.wait(patience) {
		t.Error("a fresh job was refused though nobody waits")
	}
}

// Jobs start in the order in which they came, also around the end of the queue.
func TestWorkKeepsItsOrder(t *testing.T) {
	w := openWork(t)
	release := occupy(w)
	next := 0 // of the one worker that is free
	for range 5 {
		ran := make(chan struct{})
		first := next
		for i := first; i < first+poolQueue*2/3; i++ {
			w.submit(func() {
				if i != next {
					t.Errorf("job %d started; want job %d", i, next)
				}
				next++
			})
		}
		w.submit(func() {
			close(ran)
			<-release // this worker is the next one that is let go
		})
		release <- struct{}{}
		<-ran
		if next != first+poolQueue*2/3 {
			t.Errorf("%d jobs ran; want %d", next-first, poolQueue*2/3)
		}
	}
	close(release)
}

func TestWorkWaits(t *testing.T) {
	w := openWork(t)
	if !w.wait(0) {
		t.Error("a pool without a job is not idle")
	}
	release, ran := make(chan struct{}), false
	w.submit(func() { <-release; ran = true })
	if w.wait(time.Millisecond) {
		t.Error("a pool with a job is idle")
	}
	close(release)
	if !w.wait(patience) || !ran {
		t.Error("the pool did not become idle after its job")
	}
}

// A pool that is closed finishes what it has, as long as one has patience, and takes nothing more.
func TestWorkCloses(t *testing.T) {
	w := openWork(t)
	release := occupy(w)
	var done atomic.Int32
	for range 10 {
		w.submit(func() { done.Add(1) })
	}
	if err := w.close(time.Millisecond); !errors.Is(err, ants.ErrTimeout) {
		t.Errorf("closing a pool whose jobs do not end: %v; want ErrTimeout", err)
	}
	close(release)
	if !w.wait(patience) || done.Load() != 10 {
		t.Errorf("%d jobs of a closed pool ran; want 10", done.Load())
	}
	if w.submit(func() { t.Error("a closed pool ran a job") }) {
		t.Error("a closed pool took a job")
	}
}
