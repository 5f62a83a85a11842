package sys

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// How late the kernel may wake a thread, so that it wakes several at once (PR_SET_TIMERSLACK(2const)).
const (
	loopSlack    = 50 * time.Microsecond // the kernel's default
	monitorSlack = time.Millisecond
)

var errNoMonitor = errors.New("sys: threads: there is one only")

// RelaxMonitor lets the Go runtime's monitor thread wake less often. It looks every 20 microseconds, as long as it finds threads that
// stay in a system call for 10 ms, which loops that wait for events do: with 53 of them that took an eighth of the process's CPU time. What
// it looks for is a matter of milliseconds, so one more does not hurt. Threads that the monitor starts have its slack too and may take that much
// longer to find work, so it is for processes with many more loops than CPUs. It needs CAP_SYS_NICE: without, the error wraps
// [os.ErrPermission] and all stays as it was.
//
// The monitor is the first thread that the runtime starts, and the kernel lists threads in the order of their creation.
func RelaxMonitor() error {
	tasks, err := os.Open("/proc/self/task")
	if err != nil {
		return fmt.Errorf("sys: threads: %w", err)
	}
	names, err := tasks.Readdirnames(2)
	_ = tasks.Close() // which was read only
	if err != nil {
		return fmt.Errorf("sys: threads: %w", err)
	}
	if len(names) < 2 {
		return errNoMonitor
	}
	if err := os.WriteFile("/proc/"+names[1]+"/timerslack_ns", fmt.Append(nil, monitorSlack.Nanoseconds()), 0); err != nil {
		return fmt.Errorf("sys: timer slack: %w", err)
	}
	return nil
}

// KeepTime has the calling thread's timers run out in time, if it has inherited more slack than the kernel's default. Sandboxes may
// know nothing of slack: gVisor has EINVAL.
func KeepTime() error {
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err == nil && int64(slack) <= loopSlack.Nanoseconds() {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(loopSlack.Nanoseconds()), 0, 0, 0); err != nil {
		return fmt.Errorf("sys: timer slack: %w", err)
	}
	return nil
}
