package testutil

import (
	"testing"
	"time"
)

// pause is the time between two looks at a condition.
const pause = time.Millisecond

// Eventually returns as soon as cond holds, and fails the test if that takes longer than limit;
// what completes the sentence "not within 1s: ". It is for facts that no event announces, such as
// a counter of another process; a test that can wait on a channel does that.
func Eventually(t testing.TB, limit time.Duration, cond func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(limit); !cond(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
