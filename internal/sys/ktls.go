package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// KernelTLS asks whether this kernel can do TLS records, and returns 0 if so: a TCP socket without a peer is refused with
// ENOTCONN by the upper layer protocol "tls" if there is one, and with ENOENT if there is none. With CAP_NET_ADMIN the kernel
// loads the module.
func KernelTLS() syscall.Errno {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err.(syscall.Errno)
	}
	defer Close(fd)
	err = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_ULP, "tls")
	if err == nil || err == unix.ENOTCONN {
		return 0
	}
	return err.(syscall.Errno)
}
