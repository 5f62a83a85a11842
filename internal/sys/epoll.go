package sys

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EpollEvent is the kernel's struct epoll_event: what happened, and the 64 bits that the
// descriptor was registered with, as two halves.
type EpollEvent = unix.EpollEvent

// NewEpollEvent returns an event for events that hands data back.
func NewEpollEvent(events uint32, data uint64) EpollEvent {
	return EpollEvent{Events: events, Fd: int32(uint32(data)), Pad: int32(uint32(data >> 32))}
}

// EpollData returns the 64 bits that ev's descriptor was registered with.
func EpollData(ev *EpollEvent) uint64 {
	return uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
}

// EpollCtl is epoll_ctl(2), raw: op is one of EPOLL_CTL_ADD, EPOLL_CTL_MOD and EPOLL_CTL_DEL.
func EpollCtl(epfd, op, fd int, ev *EpollEvent) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL,
		uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	return errno
}

// EpollPoll is epoll_wait(2) that does not wait, raw. events must not be empty.
func EpollPoll(epfd int, events []EpollEvent) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT,
		uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	return count(n, errno)
}

// EpollWaitBlock is epoll_wait(2) for at most ms milliseconds, for ever if ms is negative. It tells
// the scheduler, so that the garbage collector and other goroutines go on meanwhile.
func EpollWaitBlock(epfd int, events []EpollEvent, ms int) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall6(syscall.SYS_EPOLL_PWAIT,
		uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(ms), 0, 0)
	return count(n, errno)
}

// SleepBlock puts the thread to sleep for d, by way of the scheduler like [EpollWaitBlock].
func SleepBlock(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_, _, _ = syscall.Syscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0) // woken early is fine
}

// count turns a result register into a count: the kernel says -1 where errno is set.
func count(n uintptr, errno syscall.Errno) (int, syscall.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
