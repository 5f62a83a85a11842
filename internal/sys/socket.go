package sys

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Recv is recv(2) into b, raw: 0 bytes and no error mean that the peer has finished sending. On a
// socket it saves the file layer's share of read(2), some 5 % of the call.
func Recv(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM,
		uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0, 0, 0)
	return count(n, errno)
}

// Send is send(2) of b, raw. A closed peer is EPIPE, never a signal.
func Send(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO,
		uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return count(n, errno)
}

// SendMore is Send of what more follows at once: the kernel keeps back what does not fill a segment until then. With
// [ShutdownWrite] for what follows, the last bytes and the end of the stream are one segment.
func SendMore(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO,
		uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL|unix.MSG_MORE, 0, 0)
	return count(n, errno)
}

// MaxSegments is how many segments one [SendSegments] takes.
const MaxSegments = 64

// SendSegments sends the segments as one write, raw (sendmsg(2)). What is beyond [MaxSegments] is
// left for the next call, and so are empty segments' owners: the count is of bytes.
func SendSegments(fd int, segments [][]byte) (int, syscall.Errno) {
	var iov [MaxSegments]syscall.Iovec
	n := 0
	for _, s := range segments[:min(len(segments), MaxSegments)] {
		if len(s) == 0 {
			continue
		}
		iov[n].Base = unsafe.SliceData(s)
		iov[n].SetLen(len(s))
		n++
	}
	msg := syscall.Msghdr{Iov: &iov[0], Iovlen: uint64(n)}
	sent, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG,
		uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL)
	return count(sent, errno)
}

// Accept is accept4(2), raw: the new socket is non-blocking and closed on exec. The peer's address
// is not asked for.
func Accept(fd int) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4,
		uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return count(n, errno)
}

// Close is close(2), raw. It cannot block on a socket without SO_LINGER, and whatever it would answer, the
// descriptor is gone.
func Close(fd int) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0)
}

// ShutdownWrite sends the end of the stream and keeps the other direction open, raw.
func ShutdownWrite(fd int) syscall.Errno {
	_, _, errno := syscall.RawSyscall(syscall.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errno
}

// HungUp asks, raw (ppoll(2)), whether the peer of a socket has ended its stream or reset it. What came before that may be unread.
func HungUp(fd int) bool {
	const gone = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
	var now unix.Timespec
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return p.Revents&gone != 0
}

// OpenNull opens /dev/null, raw, so that the descriptor is of the calling thread's table.
func OpenNull() (int, syscall.Errno) {
	path := [...]byte{'/', 'd', 'e', 'v', '/', 'n', 'u', 'l', 'l', 0}
	at := unix.AT_FDCWD
	n, _, errno := syscall.RawSyscall6(syscall.SYS_OPENAT,
		uintptr(at), uintptr(unsafe.Pointer(&path)), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	return count(n, errno)
}

// Wake adds one to the eventfd, raw.
func Wake(fd int) {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], 1)
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b)), 8)
}

// ClearWake takes the eventfd back to zero, raw.
func ClearWake(fd int) {
	var b [8]byte
	_, _, _ = syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b)), 8)
}
