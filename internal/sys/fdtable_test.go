package sys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// onOwn runs f on a thread of its own and returns what it does.
func onOwn(f func() error) error {
	done := make(chan error)
	OnOwnThread(func() { done <- f() })
	return <-done
}

func TestPrivateTableWorks(t *testing.T) {
	if err := TestPrivateTable(); err != nil {
		t.Errorf("TestPrivateTable = %v; want that private tables work", err)
	}
}

// A private table begins with what it keeps and nothing else; what happens in it stays in it.
func TestUnshareTable(t *testing.T) {
	kept, dropped := eventfd(t), eventfd(t)
	poller, err := runtimePoller()
	if err != nil {
		t.Fatal(err)
	}
	err = onOwn(func() error {
		if err := UnshareTable([]int{kept}); err != nil {
			return err
		}
		want := slices.Sorted(slices.Values(append([]int{0, 1, 2, kept}, poller...)))
		if got := openBelow(4096); !slices.Equal(got, want) {
			return fmt.Errorf("descriptors %v in a new table; want %v", got, want)
		}
		Wake(kept)
		return unix.Close(kept)
	})
	if err != nil {
		t.Error(err)
	}
	var b [8]byte
	if _, err := unix.Read(kept, b[:]); err != nil {
		t.Errorf("the kept eventfd, closed in the private table, does not work here: %v", err)
	}
	if _, err := unix.FcntlInt(uintptr(dropped), unix.F_GETFD, 0); err != nil {
		t.Errorf("a descriptor that the private table dropped is gone here too: %v", err)
	}
}

// openBelow lists the open descriptors of the calling thread's table without opening one.
func openBelow(n int) (fds []int) {
	for fd := range n {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			fds = append(fds, fd)
		}
	}
	return fds
}

// A socket in a private table closes with its thread: the peer reads the end.
func TestThreadsEndClosesItsTable(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fds[0])
	if err := onOwn(func() error { return UnshareTable([]int{fds[1]}) }); err != nil {
		t.Fatal(err)
	}
	Close(fds[1]) // the process's own; the thread's goes with it
	var b [1]byte
	if n, err := unix.Read(fds[0], b[:]); n != 0 || err != nil {
		t.Errorf("read = %d, %v; want the end of the stream", n, err)
	}
}

func TestOnOwnThreadIsNeverTheFirst(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), mainThreadEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// Two at a time never share a thread.
func TestOnOwnThreadsAreDistinct(t *testing.T) {
	const n = 20
	tids, release := make(chan int, n), make(chan struct{})
	for range n {
		OnOwnThread(func() { tids <- unix.Gettid(); <-release })
	}
	seen := make(map[int]bool)
	for range n {
		seen[<-tids] = true
	}
	close(release)
	if len(seen) != n {
		t.Errorf("%d functions ran on %d threads", n, len(seen))
	}
}

func TestDescriptorLimit(t *testing.T) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		t.Fatal(err)
	}
	if got, err := DescriptorLimit(); err != nil || uint64(got) != min(r.Cur, 1<<30) {
		t.Errorf("DescriptorLimit() = %d, %v; want %d", got, err, r.Cur)
	}
}

func TestCloseAllButTakesTheSameTwice(t *testing.T) {
	err := onOwn(func() error {
		if err := unix.Unshare(unix.CLONE_FILES); err != nil {
			return err
		}
		poller, err := runtimePoller()
		if err != nil {
			return err
		}
		keep := append([]int{0, 1, 2, 2, 0}, poller...) // twice is no harm
		if err := closeAllBut(keep); err != nil {
			return err
		}
		if got := len(openBelow(4096)); got != 3+len(poller) {
			return errors.New("closeAllBut left " + fmt.Sprint(got))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
