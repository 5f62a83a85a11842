package testutil

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// fatalTB stands in for the test that Eventually fails: it keeps the message and ends the goroutine.
type fatalTB struct {
	testing.TB
	message string
}

func (f *fatalTB) Helper() {}

func (f *fatalTB) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestEventuallyReturnsOnceTheConditionHolds(t *testing.T) {
	looks := 0
	Eventually(t, time.Minute, func() bool { looks++; return looks == 3 }, "three looks")
	if looks != 3 {
		t.Errorf("Eventually looked %d times; want 3", looks)
	}
}

func TestEventuallyFailsAtItsLimit(t *testing.T) {
	f := &fatalTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Eventually(f, 2*time.Millisecond, func() bool { return false }, "never")
	}()
	<-done
	if want := "not within 2ms: never"; f.message != want {
		t.Errorf("Eventually failed with %q; want %q", f.message, want)
	}
}
