package sys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNoRuntimePoller means that the Go runtime's own epoll and event descriptors could not be told
// from others, so that a private table might close them.
var ErrNoRuntimePoller = errors.New("sys: the runtime's poller descriptors are not exactly one epoll and one eventfd")

// UnshareTable gives the calling thread a descriptor table of its own that holds only keep, the
// standard streams and the Go runtime's poller. The calling goroutine must be locked to its thread
// for the rest of its life; when it ends, the thread ends and its table closes.
//
// The runtime's poller has to stay because any thread that ends a garbage collection polls it and
// any that starts a timer may wake it: were the numbers free, a client's socket could get them.
func UnshareTable(keep []int) error {
	poller, err := runtimePoller()
	if err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		return fmt.Errorf("sys: unshare descriptor table: %w", err)
	}
	return closeAllBut(append(slices.Concat(poller, keep), 0, 1, 2))
}

// closeAllBut closes the descriptors of this thread's table that are not in keep.
func closeAllBut(keep []int) error {
	slices.Sort(keep)
	from := 0
	for _, fd := range keep {
		if fd > from {
			if err := unix.CloseRange(uint(from), uint(fd-1), 0); err != nil {
				return fmt.Errorf("sys: close_range: %w", err)
			}
		}
		from = max(from, fd+1)
	}
	if err := unix.CloseRange(uint(from), 1<<32-1, 0); err != nil {
		return fmt.Errorf("sys: close_range: %w", err)
	}
	return nil
}

// runtimePoller returns the two descriptors of the Go runtime's poller. They are looked for once,
// which must be before anything else of this process opens an epoll or an eventfd.
var runtimePoller = sync.OnceValues(func() ([]int, error) {
	if err := startRuntimePoller(); err != nil {
		return nil, err
	}
	epolls, err := anonymousDescriptors("eventpoll")
	if err != nil {
		return nil, err
	}
	events, err := anonymousDescriptors("eventfd")
	if err != nil {
		return nil, err
	}
	if len(epolls) != 1 || len(events) != 1 {
		return nil, ErrNoRuntimePoller
	}
	return append(epolls, events...), nil
})

// FindRuntimePoller notes the runtime's poller while it is the only one in the process. Whoever
// opens epoll sets and may want private tables later calls it first.
func FindRuntimePoller() error {
	_, err := runtimePoller()
	return err
}

// startRuntimePoller makes the runtime open its poller: it does so for the first pipe.
func startRuntimePoller() error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("sys: start the runtime's poller: %w", err)
	}
	return errors.Join(r.Close(), w.Close())
}

// anonymousDescriptors lists this process's descriptors whose anonymous inode has that name.
func anonymousDescriptors(name string) ([]int, error) {
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return nil, fmt.Errorf("sys: list descriptors: %w", err)
	}
	var fds []int
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || target != "anon_inode:["+name+"]" {
			continue // gone since, or another kind
		}
		fd, err := strconv.Atoi(filepath.Base(link))
		if err != nil {
			return nil, fmt.Errorf("sys: list descriptors: %w", err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// TestPrivateTable tries on a thread of its own what a private table promises: that descriptors
// opened there are not seen here, that a kept eventfd still reaches across, and that the thread's
// end closes its table. A nil error means that all of it held.
func TestPrivateTable() error {
	if err := FindRuntimePoller(); err != nil {
		return err
	}
	bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("sys: eventfd: %w", err)
	}
	defer Close(bell)
	result := make(chan error)
	OnOwnThread(func() { result <- tryPrivateTable(bell) })
	if err := <-result; err != nil {
		return err
	}
	var b [8]byte
	if _, err := unix.Read(bell, b[:]); err != nil {
		return fmt.Errorf("sys: a kept eventfd does not reach across tables: %w", err)
	}
	return nil
}

// tryPrivateTable runs on the thread that is to own a table.
func tryPrivateTable(bell int) error {
	limit, err := DescriptorLimit()
	if err != nil {
		return err
	}
	far := min(911, limit-1) // a number that nobody else uses yet
	if err := UnshareTable([]int{bell}); err != nil {
		return err
	}
	if err := unix.Dup3(bell, far, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("sys: dup in a private table: %w", err)
	}
	if _, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(far)); err == nil {
		return errors.New("sys: a descriptor of a private table shows in the process's table")
	}
	Wake(far)
	return nil
}

// OnOwnThread starts f on a thread that runs nothing else and ends with it. It is never the process's
// first thread, whose table the kernel shows as the process's: should the scheduler offer that one, it
// waits there until f is done.
func OnOwnThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return // locked: the thread ends here
		}
		done := make(chan struct{})
		OnOwnThread(func() {
			defer close(done)
			f()
		})
		<-done
		runtime.UnlockOSThread()
	}()
}

// DescriptorLimit returns how many descriptors one table may hold now (RLIMIT_NOFILE, soft).
func DescriptorLimit() (int, error) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, fmt.Errorf("sys: getrlimit: %w", err)
	}
	return int(min(r.Cur, 1<<30)), nil
}
