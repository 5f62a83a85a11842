package admission

import (
	"regexp"
	"testing"
	"time"
)

func TestReasonsAreLabels(t *testing.T) {
	label, seen := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`), make(map[string]bool)
	for r := range Reasons {
		if s := r.String(); !label.MatchString(s) || seen[s] || s == "unknown" {
			t.Errorf("Reason(%d).String() = %q; want a label of its own", r, s)
		}
		seen[r.String()] = true
	}
	if got := Reason(200).String(); got != "unknown" {
		t.Errorf("Reason(200).String() = %q; want unknown", got)
	}
}

// Those who are refused in one moment are told different times, none before there is any hope.
func TestRetryAfterIsSpread(t *testing.T) {
	for r := NodeConnections; r < Reasons; r++ {
		for wait, seconds := range map[time.Duration]int{0: 0, 1: 1, time.Second: 1, 90 * time.Second: 90, 1000 * time.Hour: 3600} {
			seen := make(map[uint16]bool)
			for range 2000 {
				v := refuse(r, wait)
				if least, most := seconds+patience[r].least, seconds+patience[r].most; v.Reason != r || int(v.RetryAfter) < least || int(v.RetryAfter) > most {
					t.Fatalf("refuse(%v, %v) = %+v; want %d to %d seconds", r, wait, v, least, most)
				}
				seen[v.RetryAfter] = true
			}
			if want := patience[r].most - patience[r].least + 1; len(seen) != want || want < 2 {
				t.Errorf("refuse(%v, %v) told %d different times; want %d", r, wait, len(seen), want)
			}
		}
	}
}
