package bench

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// recruit returns when all workers have joined and know what they are to do.
func (c *coordinator) recruit() (err error) {
	if c.listener, err = net.Listen("tcp", c.run.options.Listen); err != nil {
		return fmt.Errorf("%w: --listen %s: %w", ErrUsage, c.run.options.Listen, err)
	}
	c.serving.Go(c.accept)
	c.run.say("waiting for %d workers at %s\n", c.run.options.Workers, c.listener.Addr())
	for !c.begin() {
		select {
		case <-c.run.changed:
			c.tell()
		case <-c.signal.Done():
			return fmt.Errorf("%w: interrupted before all %d workers had joined", errCrew, c.run.options.Workers)
		}
	}
	c.run.say("all %d workers have joined\n", c.run.options.Workers)
	return nil
}

// accept greets all who come, also those who are too many.
func (c *coordinator) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // dismiss has closed it
		}
		c.mu.Lock()
		if c.over || len(c.pending) == maxWorkers {
			hangUp(conn)
		} else {
			c.pending[conn] = true
			c.serving.Go(func() { c.serve(conn) })
		}
		c.mu.Unlock()
	}
}

// serve sees who is at the other end of conn, and listens to it if it is a worker of this run.
func (c *coordinator) serve(conn net.Conn) {
	defer hangUp(conn)
	m, err := c.greet(conn)
	c.mu.Lock()
	delete(c.pending, conn)
	if err == nil {
		err = c.enlist(m)
	}
	c.mu.Unlock()
	if err != nil {
		c.note(fmt.Sprintf("%s is not let in: %v\n", conn.RemoteAddr(), err))
		_ = newLink(conn).send(welcome{Refused: err.Error()}) // who is gone needs no answer
		return
	}
	c.run.notify()
	c.listen(m)
}

// greet has conn show that it is a worker which understands us and has the key.
func (c *coordinator) greet(conn net.Conn) (*mate, error) {
	m := &mate{link: newLink(conn)}
	if err := conn.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, err
	}
	ours := greeting{linkVersion, newNonce()}
	if err := m.link.send(ours); err != nil {
		return nil, err
	}
	var h hello
	if err := m.link.receiveHello(&h); err != nil {
		return nil, fmt.Errorf("what it says is no worker's hello: %w", err)
	}
	if h.Version != linkVersion {
		return nil, fmt.Errorf("the coordinator speaks version %d of the protocol and the worker version %d: run the same edge everywhere", linkVersion, h.Version)
	}
	key := c.run.options.JoinKey
	if !hmac.Equal(h.Proof, proof(key, "worker", ours.Nonce, h.Nonce)) {
		return nil, errors.New("the keys differ: write the same --join-key everywhere")
	}
	m.proof = proof(key, "coordinator", ours.Nonce, h.Nonce)
	m.name = plain(h.Name) + " at " + conn.RemoteAddr().String()
	return m, conn.SetDeadline(time.Time{})
}

// plain returns what a peer calls itself such that it can be printed.
func plain(name string) string {
	return strings.Trim(strconv.QuoteToASCII(name[:min(len(name), 64)]), `"`)
}

// enlist makes m one of the workers, if there is room. c.mu is held.
func (c *coordinator) enlist(m *mate) error {
	if c.joined || c.over || len(c.mates) == c.run.options.Workers {
		return fmt.Errorf("the run has its %d workers: write more as --workers of the coordinator", c.run.options.Workers)
	}
	c.mates = append(c.mates, m)
	c.notes = append(c.notes, fmt.Sprintf("%s has joined\n", m.name))
	return nil
}

// begin starts the run's clock and tells all workers what to do, once all are there.
func (c *coordinator) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mates) < c.run.options.Workers {
		return false
	}
	c.joined = true
	c.run.begin = time.Now()
	options := c.run.options.forWorkers()
	base := c.run.timeBase()
	for i, m := range c.mates {
		m.link.hurry(c.run.options.patience)
		err := m.link.send(welcome{
			Proof: m.proof, Worker: uint32(i), Options: options, Secret: c.run.options.TokenSecret != "", Base: base,
		})
		if err != nil {
			c.lose(m, err)
		}
	}
	return true
}
