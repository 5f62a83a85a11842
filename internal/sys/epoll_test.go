package sys

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEpollDataRoundTrip(t *testing.T) {
	for _, data := range []uint64{0, 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 63, 1<<64 - 1, 0x0123456789abcdef} {
		ev := NewEpollEvent(unix.EPOLLIN, data)
		if got := EpollData(&ev); got != data || ev.Events != unix.EPOLLIN {
			t.Errorf("EpollData = %#x with events %#x; want %#x, %#x", got, ev.Events, data, unix.EPOLLIN)
		}
	}
}

// The kernel hands back all 64 bits, and a wait sees what a poll does.
func TestEpoll(t *testing.T) {
	const data = 0xfedcba9876543210
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(epfd)
	bell := eventfd(t)
	ev := NewEpollEvent(unix.EPOLLIN, data)
	if errno := EpollCtl(epfd, unix.EPOLL_CTL_ADD, bell, &ev); errno != 0 {
		t.Fatal(errno)
	}
	if errno := EpollCtl(epfd, unix.EPOLL_CTL_ADD, bell, &ev); errno != unix.EEXIST {
		t.Errorf("EpollCtl, a second time: %v; want %v", errno, unix.EEXIST)
	}
	var events [4]EpollEvent
	if n, errno := EpollPoll(epfd, events[:]); n != 0 || errno != 0 {
		t.Errorf("EpollPoll = %d, %v with nothing to report", n, errno)
	}
	if n, errno := EpollWaitBlock(epfd, events[:], 1); n != 0 || errno != 0 {
		t.Errorf("EpollWaitBlock = %d, %v with nothing to report", n, errno)
	}
	Wake(bell)
	for name, wait := range map[string]func() (int, error){
		"EpollPoll":      func() (int, error) { n, errno := EpollPoll(epfd, events[:]); return n, asError(errno) },
		"EpollWaitBlock": func() (int, error) { n, errno := EpollWaitBlock(epfd, events[:], -1); return n, asError(errno) },
	} {
		if n, err := wait(); n != 1 || err != nil || EpollData(&events[0]) != data || events[0].Events != unix.EPOLLIN {
			t.Errorf("%s = %d, %v, event %#x of %#x; want one of %#x", name, n, err, events[0].Events, EpollData(&events[0]), uint64(data))
		}
	}
	ClearWake(bell)
	if n, errno := EpollPoll(epfd, events[:]); n != 0 || errno != 0 {
		t.Errorf("EpollPoll = %d, %v after ClearWake", n, errno)
	}
	if n, errno := EpollPoll(-1, events[:]); n != 0 || errno != unix.EBADF {
		t.Errorf("EpollPoll(-1) = %d, %v; want 0, %v", n, errno, unix.EBADF)
	}
}

// asError is nil for 0, which as an error value would not be.
func asError(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// eventfd returns an eventfd that closes with the test.
func eventfd(t *testing.T) int {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fd) })
	return fd
}
