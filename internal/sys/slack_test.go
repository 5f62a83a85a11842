package sys

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slackOf returns a thread's timer slack in nanoseconds.
func slackOf(t *testing.T, thread string) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/" + thread + "/timerslack_ns")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Who may not change a thread's slack may not read it either.
func TestRelaxMonitor(t *testing.T) {
	tasks, err := os.Open("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	defer tasks.Close()
	names, err := tasks.Readdirnames(2)
	if err != nil {
		t.Fatal(err)
	}
	err = RelaxMonitor()
	if errors.Is(err, os.ErrPermission) {
		if _, err := os.ReadFile("/proc/" + names[1] + "/timerslack_ns"); !errors.Is(err, os.ErrPermission) {
			t.Errorf("the slack cannot be changed, though it can be read: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := slackOf(t, names[1]); got != monitorSlack.Nanoseconds() {
		t.Errorf("the monitor's slack is %d ns, want %d", got, monitorSlack.Nanoseconds())
	}
	if got := slackOf(t, strconv.Itoa(os.Getpid())); got == monitorSlack.Nanoseconds() {
		t.Errorf("the first thread's slack has changed too")
	}
}

// A thread that the monitor has started has the monitor's slack until it says otherwise. One that is to be more exact than the
// kernel's default, as its operator has it, stays so.
func TestKeepTime(t *testing.T) {
	for inherited, want := range map[time.Duration]time.Duration{monitorSlack: loopSlack, loopSlack: loopSlack, time.Microsecond: time.Microsecond} {
		done := make(chan error)
		var slack int
		OnOwnThread(func() {
			if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(inherited.Nanoseconds()), 0, 0, 0); err != nil {
				done <- err
				return
			}
			err := KeepTime()
			if err == nil {
				slack, err = unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
			}
			done <- err
		})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if time.Duration(slack) != want {
			t.Errorf("of %v inherited the thread has %d ns of slack; want %v", inherited, slack, want)
		}
	}
}
