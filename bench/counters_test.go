package bench

import "testing"

// At any moment no more members seem to be back than have dropped: a storm would seem to be over, and who is lost a number below zero.
func TestNobodyReturnsBeforeDropping(t *testing.T) {
	d := new(driver)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1_000_000 {
			d.counters.left.add(1)
			d.counters.returned.add(1)
		}
	}()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		if p := sum([]*driver{d}); p.returned > p.left {
			t.Fatalf("%d are back of %d that have dropped", p.returned, p.left)
		}
	}
	if p := sum([]*driver{d}); p.returned != 1_000_000 || p.left != 1_000_000 {
		t.Errorf("%d are back of %d; want all of 1,000,000", p.returned, p.left)
	}
}
