package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// gobwasServer is in the style that is known for a million connections: one goroutine accepts and upgrades, one
// epoll set says who has sent something, and one goroutine reads and writes, with buffers that all share.
type gobwasServer struct {
	listener net.Listener
	epoll    int

	mu    sync.RWMutex // guards conns
	conns map[int]*gobwasConn

	// Of the goroutine that reads and writes.
	rooms   *hall[*gobwasConn]
	in      *bufio.Reader
	out     bytes.Buffer // frames that answer one read
	payload []byte
	answers []byte
}

type gobwasConn struct {
	net.Conn
	fd   int
	echo bool
	at   place[*gobwasConn]
}

func serveGobwas(l net.Listener) error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll_create1: %w", err)
	}
	s := &gobwasServer{
		listener: l,
		epoll:    epoll,
		conns:    make(map[int]*gobwasConn),
		rooms:    newHall(deliverGobwas),
		in:       bufio.NewReaderSize(nil, 16<<10),
	}
	go s.accept()
	return s.run()
}

// accept upgrades until the listener fails.
func (s *gobwasServer) accept() {
	for {
		c, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue // the next may do better
		}
		if s.upgrade(c) != nil {
			_ = c.Close()
		}
	}
}

// upgrade needs no request beyond the handshake: the library reads it without an allocation for each field.
func (s *gobwasServer) upgrade(c net.Conn) error {
	p := &gobwasConn{Conn: c}
	upgrader := ws.Upgrader{OnRequest: func(uri []byte) error { p.echo = isEcho(string(uri)); return nil }}
	if _, err := upgrader.Upgrade(c); err != nil {
		return err
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) { p.fd = int(fd) }); err != nil {
		return err
	}
	s.mu.Lock()
	s.conns[p.fd] = p
	s.mu.Unlock()
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, p.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(p.fd)})
}

// run serves for ever.
func (s *gobwasServer) run() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(s.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, ev := range events[:max(n, 0)] {
			s.mu.RLock()
			c := s.conns[int(ev.Fd)]
			s.mu.RUnlock()
			if s.readable(c) != nil {
				s.close(c)
			}
		}
	}
}

func (s *gobwasServer) close(c *gobwasConn) {
	c.at.room.remove(c)
	s.mu.Lock()
	delete(s.conns, c.fd)
	s.mu.Unlock()
	_ = c.Close() // takes it out of the epoll set too
}

// readable reads c once, and to the end of the frame with which that ends, and answers all with one write.
func (s *gobwasServer) readable(c *gobwasConn) error {
	s.in.Reset(c)
	s.out.Reset()
	err := s.frame(c)
	for err == nil && s.in.Buffered() > 0 {
		err = s.frame(c)
	}
	if s.out.Len() > 0 {
		if _, err := c.Write(s.out.Bytes()); err != nil {
			return err
		}
	}
	return err
}

// frame answers the next one. It returns io.EOF after one that closes.
func (s *gobwasServer) frame(c *gobwasConn) error {
	h, err := ws.ReadHeader(s.in)
	if err != nil {
		return err
	}
	if int64(cap(s.payload)) < h.Length {
		s.payload = make([]byte, h.Length)
	}
	payload := s.payload[:h.Length]
	if _, err := io.ReadFull(s.in, payload); err != nil {
		return err
	}
	ws.Cipher(payload, h.Mask, 0)
	switch {
	case h.OpCode == ws.OpClose:
		return errors.Join(s.append(ws.OpClose, payload), io.EOF)
	case h.OpCode == ws.OpPing:
		return s.append(ws.OpPong, payload)
	case h.OpCode == ws.OpPong:
		return nil
	case c.echo:
		return s.append(h.OpCode, payload)
	}
	if s.answers = s.rooms.obey(c, &c.at, payload, s.answers[:0]); len(s.answers) > 0 {
		return s.append(ws.OpText, s.answers)
	}
	return nil
}

// append adds a frame to what is to be written.
func (s *gobwasServer) append(op ws.OpCode, payload []byte) error {
	return ws.WriteFrame(&s.out, ws.NewFrame(op, true, payload))
}

// deliverGobwas makes the frame once for all.
func deliverGobwas(members map[*gobwasConn]struct{}, push []byte) {
	compiled := ws.MustCompileFrame(ws.NewTextFrame(push))
	for c := range members {
		_, _ = c.Write(compiled) // a broken socket is the next read's business
	}
}
