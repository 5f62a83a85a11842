package bench

import (
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// question asks for the time on the coordinator's clock, and is answered in the same form.
type question struct {
	Asked int64 `json:"asked"` // on the worker's clock
	Is    int64 `json:"is"`
}

// offset estimates from round trips how far another clock is ahead of ours. The answer was given at some time between
// asking and hearing; taken for the middle, it is wrong by half of that at most. So the shortest counts.
type offset struct {
	ahead, err int64
	known      bool
}

// note enters a round trip.
func (o *offset) note(asked, is, heard int64) {
	if err := (heard - asked + 1) / 2; !o.known || err < o.err {
		*o = offset{ahead: is - (asked+heard)/2, err: err, known: true}
	}
}

// bound returns how far apart the clocks may be.
func (o *offset) bound() int64 {
	if o.ahead < 0 {
		return o.err - o.ahead
	}
	return o.err + o.ahead
}

// drift follows an offset, as clocks of different machines do not run equally fast.
type drift struct {
	latest  offset // of the last few round trips
	entered int
	worst   int64
}

// driftWindow is of how many round trips the shortest counts. A worker makes about ten a second.
const driftWindow = 100

func (d *drift) note(asked, is, heard int64) {
	d.latest.note(asked, is, heard)
	if d.entered++; d.entered == driftWindow {
		*d = drift{worst: d.bound()}
	}
}

// bound returns how far apart the clocks may have been at any time so far.
func (d *drift) bound() int64 { return max(d.worst, d.latest.bound()) }

// timeBase says what a run's clock is, for who is on the same machine.
type timeBase struct {
	Machine string `json:"machine"` // whose CLOCK_MONOTONIC
	Begin   int64  `json:"begin"`   // what that was when the run began
}

// timeBase returns that of r.
func (r *run) timeBase() timeBase {
	now, raw := bothClocks()
	return timeBase{Machine: machineID(), Begin: raw - int64(now.Sub(r.begin))}
}

// since returns when the run with base b began, on this machine's clock.
func (b *timeBase) since() time.Time {
	now, raw := bothClocks()
	return now.Add(-time.Duration(raw - b.Begin))
}

// bothClocks reads time.Now and CLOCK_MONOTONIC at one moment: of some pairs it returns the one that was read fastest, as
// the thread may have to wait between two readings.
func bothClocks() (now time.Time, raw int64) {
	fastest := time.Duration(math.MaxInt64)
	for range 5 {
		first := time.Now()
		second := monotonic()
		if took := time.Since(first); took < fastest {
			fastest, now, raw = took, first, second
		}
	}
	return now, raw
}

// machineID tells apart the machines, and in them the namespaces, whose CLOCK_MONOTONIC differ. It is empty if
// the kernel does not say.
func machineID() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/time")
	if err != nil {
		return ""
	}
	return string(boot) + space
}

// monotonic reads CLOCK_MONOTONIC, which is behind time.Now's monotonic reading too.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("bench: CLOCK_MONOTONIC: " + err.Error()) // every Linux has it
	}
	return t.Nano()
}
