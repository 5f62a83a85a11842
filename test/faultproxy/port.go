package faultproxy

import (
	"fmt"
	"os"
	"syscall"
)

// A port of 127.0.0.1 stays ours while no listener is open on it: a socket that never listens is bound to it. With
// SO_REUSEADDR, which Go sets on listeners too, the kernel lets one listener join it.
type port struct {
	fd     int
	number int
}

// reserve takes a free port.
func reserve() (*port, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	number, err := bindAnywhere(fd)
	if err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return &port{fd, number}, nil
}

// bindAnywhere binds fd to a port of 127.0.0.1 that nobody has, and returns it.
func bindAnywhere(fd int) (int, error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	return name.(*syscall.SockaddrInet4).Port, nil
}

func (p *port) addr() string { return fmt.Sprintf("127.0.0.1:%d", p.number) }

func (p *port) release() { _ = syscall.Close(p.fd) }
