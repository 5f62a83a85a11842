package testutil

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Kernel stands for one that does TLS records below sockets. It puts one end of a pair of Unix sockets in the place of a TCP
// socket, under the same descriptor and in the same epoll set, and joins the other end and the TCP socket with the records that it
// makes and opens. So whoever uses the descriptor does so with the real system calls. The descriptors must be of the process's
// table.
type Kernel struct {
	// Fail makes Start fail before anything has changed, Half when it is half done. Set before Start.
	Fail, Half syscall.Errno

	mu      sync.Mutex
	sockets map[int]*below
	ended   sync.WaitGroup
}

// below is what stands below one descriptor.
type below struct {
	mu     sync.Mutex // of what goes out
	tx, rx *Records
	tcp    *net.TCPConn
	unix   *net.UnixConn
	left   int // bytes of the frame in hand that have not been received
}

// What a kernel finds goes up in frames: a type, a length in two bytes, and what a record has carried. These two types are failures.
const (
	frameHeader = 3
	frameBad    = 0 // EBADMSG
	frameStale  = 1 // EKEYEXPIRED
)

// Start does the records of a connected TCP socket from the next byte on.
func (k *Kernel) Start(fd int, tx, rx RecordKeys) (begun bool, errno syscall.Errno) {
	if k.Fail != 0 {
		return false, k.Fail
	}
	if k.Half != 0 {
		return true, k.Half
	}
	b := new(below)
	var err error
	if b.tx, err = NewRecords(tx); err == nil {
		b.rx, err = NewRecords(rx)
	}
	if err != nil {
		return false, unix.EINVAL
	}
	if err := b.slipUnder(fd); err != nil {
		panic(err) // of the test's own
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sockets == nil {
		k.sockets = make(map[int]*below)
	}
	k.sockets[fd] = b
	k.ended.Add(1)
	go func() { defer k.ended.Done(); b.run() }()
	return true, 0
}

// Wait returns when all sockets that Start was called for have closed.
func (k *Kernel) Wait() { k.ended.Wait() }

// slipUnder puts a Unix socket in the place of fd.
func (b *below) slipUnder(fd int) error {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := inEpoll(fd, func() error { return unix.Dup3(pair[0], fd, unix.O_CLOEXEC) }); err != nil {
		return err
	}
	_ = unix.Close(pair[0])
	low, err := asConn(own)
	if err != nil {
		return err
	}
	high, err := asConn(pair[1])
	if err != nil {
		return err
	}
	b.tcp, b.unix = low.(*net.TCPConn), high.(*net.UnixConn)
	return nil
}

// asConn takes over a descriptor.
func asConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer func() { _ = f.Close() }()
	return net.FileConn(f)
}

// inEpoll takes fd out of the epoll set that it is in while change puts another file there.
func inEpoll(fd int, change func() error) error {
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return err
	}
	for _, link := range links {
		if name, _ := os.Readlink(link); name != "anon_inode:[eventpoll]" {
			continue
		}
		var set int
		if _, err := fmt.Sscan(filepath.Base(link), &set); err != nil {
			return err
		}
		if ev, ok := watched(set, fd); ok && unix.EpollCtl(set, unix.EPOLL_CTL_DEL, fd, nil) == nil {
			return errors.Join(change(), unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &ev))
		}
	}
	return fmt.Errorf("descriptor %d is in no epoll set", fd)
}

// watched returns what an epoll set has of fd.
func watched(set, fd int) (ev unix.EpollEvent, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", set))
	if err != nil {
		return ev, false
	}
	for line := range strings.Lines(string(text)) {
		var of int
		var data uint64
		if n, _ := fmt.Sscanf(line, "tfd: %d events: %x data: %x", &of, &ev.Events, &data); n == 3 && of == fd {
			ev.Fd, ev.Pad = int32(uint32(data)), int32(data>>32)
			return ev, true
		}
	}
	return ev, false
}

// run joins both sides until both have ended.
func (b *below) run() {
	var up sync.WaitGroup
	up.Go(b.carryUp)
	b.carryDown()
	up.Wait()
	_ = b.tcp.Close()
	_ = b.unix.Close()
}

// carryDown seals what is sent.
func (b *below) carryDown() {
	raw, err := b.unix.SyscallConn()
	if err != nil {
		panic(err)
	}
	_ = raw.Read(func(fd uintptr) (done bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.drain(int(fd))
	})
	_ = b.tcp.CloseWrite()
}

// drain seals all that there is, and reports whether it has ended.
func (b *below) drain(fd int) (ended bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EAGAIN {
			return false
		}
		if n <= 0 {
			return true
		}
		if _, err := b.tcp.Write(b.tx.Seal(nil, RecordData, buf[:n])); err != nil {
			return true
		}
	}
}

// carryUp opens what comes.
func (b *below) carryUp() {
	defer func() { _ = b.unix.CloseWrite() }()
	var held []byte
	buf := make([]byte, 32<<10)
	for {
		n, err := b.tcp.Read(buf)
		held = append(held, buf[:n]...)
		for record := NextRecord(held); record != nil; record = NextRecord(held) {
			held = held[len(record):]
			if !b.deliver(record) {
				_, _ = io.Copy(io.Discard, b.tcp)
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// deliver sends up what a record has carried, and reports whether there may be more.
func (b *below) deliver(record []byte) bool {
	kind, data, err := b.rx.Open(record)
	if err != nil {
		_, _ = b.unix.Write([]byte{frameBad, 0, 0})
		return false
	}
	frame := append([]byte{kind, byte(len(data) >> 8), byte(len(data))}, data...)
	if kind == RecordHandshake {
		frame = append(frame, frameStale, 0, 0)
	}
	_, err = b.unix.Write(frame)
	return err == nil && kind != RecordHandshake
}

func (k *Kernel) below(fd int) *below {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sockets[fd]
}

// Recv receives what one record has carried, and its type; 0 bytes of type 0 are the end.
func (k *Kernel) Recv(fd int, p []byte) (n int, kind byte, errno syscall.Errno) {
	b := k.below(fd)
	kind = RecordData
	if b.left == 0 {
		if kind, b.left, errno = nextFrame(fd); errno != 0 || b.left == 0 {
			return 0, kind, errno
		}
	}
	n, err := unix.Read(fd, p[:min(len(p), b.left)])
	if err != nil {
		return 0, 0, err.(syscall.Errno)
	}
	b.left -= n
	return n, kind, 0
}

// nextFrame takes the header of a frame, once all of the frame is there.
func nextFrame(fd int) (kind byte, size int, errno syscall.Errno) {
	buf := make([]byte, frameHeader+maxPlaintext)
	n, _, err := unix.Recvfrom(fd, buf, unix.MSG_PEEK)
	if err != nil {
		return 0, 0, err.(syscall.Errno)
	}
	if n == 0 {
		return 0, 0, 0
	}
	if n < frameHeader {
		return 0, 0, unix.EAGAIN
	}
	if size = int(binary.BigEndian.Uint16(buf[1:])); n < frameHeader+size {
		return 0, 0, unix.EAGAIN
	}
	kind = buf[0]
	switch _, err := unix.Read(fd, buf[:frameHeader]); {
	case err != nil:
		return 0, 0, err.(syscall.Errno)
	case kind == frameBad:
		return 0, 0, unix.EBADMSG
	case kind == frameStale:
		return 0, 0, unix.EKEYEXPIRED
	}
	return kind, size, 0
}

// Send sends one record of a type other than data, behind what has been sent before.
func (k *Kernel) Send(fd int, kind byte, p []byte) syscall.Errno {
	b := k.below(fd)
	b.mu.Lock() // for long only if the peer does not read
	defer b.mu.Unlock()
	raw, err := b.unix.SyscallConn()
	if err != nil {
		return unix.EBADF
	}
	_ = raw.Control(func(fd uintptr) { b.drain(int(fd)) })
	if _, err := b.tcp.Write(b.tx.Seal(nil, kind, p)); err != nil {
		return unix.EPIPE
	}
	return 0
}
