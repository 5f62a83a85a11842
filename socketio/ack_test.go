package socketio

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestAcknowledgements(t *testing.T) {
	f := newFake(t, Options{}, nil)
	c, other := f.connect("/", ""), f.connect("/", "")
	s := &Socket{ns: f.io.Namespace, key: c.key}

	go c.answer(`[5,{"test":true}]`)
	args, err := s.Timeout(2*time.Minute).EmitWithAck(t.Context(), "ask", "q")
	if err != nil || string(args.At(1).JSON()) != `{"test":true}` {
		t.Errorf("EmitWithAck = %v, %v", args, err)
	}
	c.expect(`["ask","q"]`)

	if _, err := s.Timeout(time.Millisecond).EmitWithAck(t.Context(), "ask"); err != ErrTimeout || err.Error() != "operation has timed out" {
		t.Errorf("EmitWithAck without answer: %v; want %v", err, ErrTimeout)
	}
	c.answer(`["late"]`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.EmitWithAck(ctx, "ask"); err != context.Canceled {
		t.Errorf("EmitWithAck with a context that has ended: %v", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if _, err := s.EmitWithAck(ctx, "ask"); err != ErrTimeout {
		t.Errorf("EmitWithAck past a deadline: %v; want %v", err, ErrTimeout)
	}
	if _, err := s.EmitWithAck(t.Context(), "connect"); !errors.Is(err, ErrReserved) {
		t.Errorf("EmitWithAck of connect: %v", err)
	}

	answers := make(chan string, 3)
	note := func(args Args, err error) { answers <- fmt.Sprintf("%s %v", args.At(0).JSON(), err) }
	must(t, s.Timeout(2*time.Minute).EmitAsync("ask", note))
	f.mu.Lock()
	c.acks = c.acks[len(c.acks)-1:] // not those that nobody waits for any more
	id := c.acks[0]
	f.mu.Unlock()
	f.app().Ack(other.key, id, packetOf(`["forged"]`))
	c.answer(`["mine"]`)
	f.app().Ack(c.key, id, packetOf(`["again"]`))
	if got := <-answers; got != `"mine" <nil>` {
		t.Errorf("EmitAsync got %s", got)
	}
	must(t, s.Timeout(time.Millisecond).EmitAsync("ask", note))
	if got := <-answers; got != `null operation has timed out` {
		t.Errorf("EmitAsync without answer got %s", got)
	}
	must(t, s.Volatile().Timeout(time.Hour).EmitAsync("ask", note))
	c.leave("transport close")
	if got := <-answers; got != `null socket has been disconnected` {
		t.Errorf("EmitAsync to a client that goes got %s", got)
	}
	if n := f.io.states.len(); n != 0 {
		t.Errorf("%d states are left", n)
	}
}

// A handler may wait for its own client.
func TestHandlersAsk(t *testing.T) {
	f := newFake(t, Options{}, nil)
	f.io.On("start", func(s *Socket, e *Event) error {
		args, err := s.EmitWithAck(within(t), "name?")
		if err != nil {
			return err
		}
		return e.Ack(args.Any()...)
	})
	c := f.connect("/", "")
	go c.answer(`["ann",{"_placeholder":true,"num":0}]`, "x")
	c.emit(`["start"]`, 4)
	c.expect(`["name?"]; 4["ann",{"_placeholder":true,"num":0}]`)
}

// A handler does not wait for a client that has gone: the news of that waits for the handler.
func TestHandlersDoNotAskWhoHasGone(t *testing.T) {
	f := newFake(t, Options{}, nil)
	var c *fakeSocket
	f.io.On("start", func(s *Socket, _ *Event) error {
		must(t, s.Set("k", 1)) // something is known of the socket besides
		go func() {
			f.mu.Lock()
			for len(c.acks) == 0 {
				c.moved.Wait()
			}
			f.mu.Unlock()
			f.app().Gone(c.key)
		}()
		for range 2 {
			if _, err := s.EmitWithAck(t.Context(), "name?"); err != ErrDisconnected {
				t.Errorf("EmitWithAck: %v; want %v", err, ErrDisconnected)
			}
		}
		return nil
	})
	c = f.connect("/", "")
	c.emit(`["start"]`, -1)
	c.leave("transport close")
	if n := f.io.states.len(); n != 0 {
		t.Errorf("%d states are left", n)
	}
}

func TestBroadcastsWithAcknowledgements(t *testing.T) {
	f := newFake(t, Options{}, nil)
	a, b, c := f.connect("/", ""), f.connect("/", ""), f.connect("/", "")
	go func() {
		b.answer(`["b"]`)
		a.answer(`["a"]`)
	}()
	answers, err := f.io.Except(c.id).Timeout(2*time.Minute).EmitWithAck(t.Context(), "ask", 1)
	if err != nil || len(answers) != 2 || string(answers[0].At(0).JSON()) != `"b"` {
		t.Errorf("EmitWithAck = %v, %v", answers, err)
	}
	c.expect("")

	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	go func() {
		a.answer(`["a"]`)
		id := f.io.nextAck.Load() - 1
		f.app().Ack(a.key, id, packetOf(`["again"]`))
		f.app().Ack(c.key, id, packetOf(`["forged"]`))
		cancel()
	}()
	answers, err = f.io.To(a.id, b.id).EmitWithAck(ctx, "ask")
	if err != context.Canceled || len(answers) != 1 || string(answers[0].At(0).JSON()) != `"a"` {
		t.Errorf("EmitWithAck with one answer of two = %v, %v", answers, err)
	}
	if _, err := f.io.Timeout(time.Millisecond).EmitWithAck(t.Context(), "ask"); err != ErrTimeout {
		t.Errorf("EmitWithAck without answer: %v", err)
	}
	if _, err := f.io.To("r").EmitWithAck(t.Context(), "ask"); err != ErrNoDeadline {
		t.Errorf("EmitWithAck without a timeout: %v", err)
	}
	answers, err = f.io.To("nobody").EmitWithAck(within(t), "ask")
	if err != nil || len(answers) != 0 {
		t.Errorf("EmitWithAck to nobody = %v, %v", answers, err)
	}
	if n := len(f.io.casts.m); n != 0 {
		t.Errorf("%d broadcasts are left", n)
	}
}
