package sys

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rights is a control message with one descriptor: header, number, padding.
type rights struct {
	header unix.Cmsghdr
	fd     int32
}

// SendRights sends a descriptor and a token through a connected Unix stream socket, raw (sendmsg(2), unix(7)): whoever receives them
// gets a descriptor of the same file in a table of its own. A non-blocking socket that takes no more says EAGAIN, and ETOOMANYREFS says
// that too many descriptors of this user are under way.
func SendRights(sock, fd int, token uint64) syscall.Errno {
	about := rights{fd: int32(fd)}
	about.header = unix.Cmsghdr{Level: unix.SOL_SOCKET, Type: unix.SCM_RIGHTS}
	about.header.SetLen(unix.CmsgLen(4))
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], token)
	iov := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	msg := unix.Msghdr{Iov: &iov, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&about)), Controllen: uint64(unsafe.Sizeof(about))}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(sock), uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL)
	return errno
}

// RecvRights receives, raw (recvmsg(2)), what [SendRights] has sent on a non-blocking socket, with EAGAIN if nothing is there. The
// descriptor is closed on exec. It is -1 if the table had no room: the file has gone then. The end of the stream is EPIPE.
func RecvRights(sock int) (fd int, token uint64, errno syscall.Errno) {
	var about rights
	var b [8]byte
	iov := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	msg := unix.Msghdr{Iov: &iov, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&about)), Controllen: uint64(unsafe.Sizeof(about))}
	n, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, uintptr(sock), uintptr(unsafe.Pointer(&msg)), unix.MSG_CMSG_CLOEXEC)
	switch {
	case errno != 0:
		return -1, 0, errno
	case n == 0:
		return -1, 0, unix.EPIPE
	}
	return about.read(msg.Controllen), binary.NativeEndian.Uint64(b[:]), 0
}

// read returns the descriptor that size bytes of control messages bring, -1 if none.
func (m *rights) read(size uint64) int {
	if size < uint64(unix.CmsgLen(4)) || m.header.Level != unix.SOL_SOCKET || m.header.Type != unix.SCM_RIGHTS {
		return -1
	}
	return int(m.fd)
}
