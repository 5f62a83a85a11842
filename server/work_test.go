package server

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/panjf2000/ants/v2"
	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// openWork returns a pool that the test closes when it ends, after it has let everybody go.
func openWork(t *testing.T) *work {
	w, err := newWork(poolSize, poolQueue)
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

// What has begun goes before what begins, however long that has waited; neither takes the other's room.
func TestWorkEndsWhatHasBegunFirst(t *testing.T) {
	w := openWork(t)
	release := occupy(w)
	ran := make(chan string, 3*poolQueue)
	for i := range poolQueue {
		if !w.submitFresh(func() { ran <- "fresh" }, nil, time.Hour) {
			t.Fatalf("fresh job %d was refused", i)
		}
	}
	if w.submitFresh(func() {}, nil, time.Hour) {
		t.Error("the pool took more fresh jobs than it has room for")
	}
	for i := range poolQueue - 1 {
		if !w.submit(func() { ran <- "begun" }) {
			t.Fatalf("job %d of what has begun was refused", i)
		}
	}
	last := make(chan struct{})
	w.submit(func() {
		close(last)
		<-release
	})
	release <- struct{}{} // one worker is free, and does all that there is in order
	<-last
	if len(ran) != poolQueue-1 {
		t.Errorf("%d jobs ran before the last of what has begun; want %d", len(ran), poolQueue-1)
	}
	for range len(ran) {
		if got := <-ran; got != "begun" {
			t.Fatalf("a %s job ran before what has begun", got)
		}
	}
	close(release)
	if !w.wait(patience) || len(ran) != poolQueue {
		t.Errorf("%d fresh jobs ran; want %d", len(ran), poolQueue)
	}
}

// A fresh job that has waited for too long is given up, and no further ones are taken behind it.
func TestWorkGivesUpWhatComesTooLate(t *testing.T) {
	w := openWork(t)
	release := occupy(w)
	var ran, late atomic.Int32
	job, give := func() { ran.Add(1) }, func() { late.Add(1) }
	if !w.submitFresh(job, give, -1) {
		t.Fatal("the first job was refused though nobody waits")
	}
	for range 3 {
		if w.submitFresh(job, give, time.Hour) {
			t.Error("a job was taken though the one before it has waited for too long")
		}
	}
	if !w.submit(job) {
		t.Error("a job of what has begun was refused")
	}
	close(release)
	if !w.wait(patience) || ran.Load() != 1 || late.Load() != 1 {
		t.Errorf("%d jobs ran and %d were too late; want one each", ran.Load(), late.Load())
	}
	if !w.submitFresh(job, give, time.Hour) || !w.wait(patience) || ran.Load() != 2 {
		t.Error("a fresh job was refused, or did not run, though nobody waits")
	}
}

// Where nobody is to be told, a fresh job runs however late it is, and the worker goes on.
func TestWorkThatIsNeverTooLate(t *testing.T) {
	w := openWork(t)
	release := occupy(w)
	var ran atomic.Int32
	if !w.submitFresh(func() { ran.Add(1) }, nil, -1) {
		t.Fatal("the job was refused though nobody waits")
	}
	close(release)
	testutil.Eventually(t, patience, func() bool { return w.waiting() == 0 }, "the job is taken")
	if !w.wait(patience) || ran.Load() != 1 {
		t.Errorf("%d jobs ran, or a worker is lost", ran.Load())
	}
}

// Handshakes have room for all that may be under way, each of which waits for one step at most.
func TestHandshakesHaveRoom(t *testing.T) {
	w, err := newWork(1, shakeQueue)
	if err != nil {
		t.Fatal(err)
	}
	release := occupy(w)
	var ran atomic.Int32
	for i := range 4 * tlsrecord.DefaultMaxHandshakes {
		if !w.submitFresh(func() { ran.Add(1) }, nil, time.Hour) {
			t.Fatalf("handshake %d may not begin", i)
		}
		if !w.submit(func() { ran.Add(1) }) {
			t.Fatalf("handshake %d may not go on", i)
		}
	}
	close(release)
	if !w.wait(patience) || ran.Load() != 8*tlsrecord.DefaultMaxHandshakes {
		t.Errorf("%d steps ran", ran.Load())
	}
	if n := len(w.queue.ring) + len(w.fresh.ring); n != 0 {
		t.Errorf("room for %d steps is kept", n)
	}
	if err := w.close(patience); err != nil {
		t.Error(err)
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
