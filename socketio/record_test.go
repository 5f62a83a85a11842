package socketio

import (
	"errors"
	"fmt"
	"testing"
)

// openOn opens an application on a disk, where clients say who they are.
func openOn(t *testing.T, disk *fakeDisk, asked *int) *fakeNode {
	return newFakeOn(t, disk, Options{Recovery: &Recovery{}}, func(io *IO) {
		io.Use(func(h *Handshake) error {
			*asked++
			h.User = fmt.Sprint("user", *asked)
			return nil
		})
		io.OnConnect(func(s *Socket) { must(t, s.Volatile().Emit("hello", s.Recovered(), s.Rooms(), s.Get("k"))) })
		io.On("join", func(s *Socket, e *Event) error { return errors.Join(s.Join("room"), s.Set("k", "v")) })
	})
}

func TestClientsRecoverOverARestart(t *testing.T) {
	disk, asked := &fakeDisk{logs: make(map[string][][]byte)}, 0
	first := openOn(t, disk, &asked)
	busy, quiet, gone := first.connect("/", ""), first.connect("/", ""), first.connect("/", "")
	busy.emit(`["join"]`, -1)
	must(t, first.io.To("room").Emit("1", []byte("x")))
	must(t, first.io.Volatile().Emit("2"))
	busy.expect(`["hello",false,["` + busy.id + `"],null] volatile; ["1",{"_placeholder":true,"num":0}] x; ["2"] volatile`)
	gone.leave("transport close")
	gone = gone.again()
	gone.leave("client namespace disconnect")
	busy.leave("transport close")
	must(t, first.io.To("room").Emit("3", []byte("y")))
	must(t, first.io.To(quiet.id).Emit("4"))
	quiet.heard()
	quiet.offset = "" // that was on its way
	quiet.leave("server shutting down")

	second := openOn(t, disk, &asked)
	for _, c := range []*fakeSocket{busy, quiet, gone} {
		c.node = second
	}
	must(t, second.io.To("room").Emit("5"))
	asked = 0
	back := busy.again()
	back.expect(`["3",{"_placeholder":true,"num":0}] y; ["5"]; ["hello",true,["` + busy.id + `","room"],"v"] volatile`)
	if asked != 1 {
		t.Errorf("functions of Use were asked %d times about a client that the node does not know; want once", asked)
	}
	quiet.again().expect(`["4"]; ["hello",true,["` + quiet.id + `"],null] volatile`)
	if again := gone.again(); again.pid == gone.pid {
		t.Error("a client comes back that has said goodbye")
	}
	back.leave("server shutting down")

	third := openOn(t, disk, &asked)
	busy.node, busy.offset = third, back.offset
	busy.again().expect(`["hello",true,["` + busy.id + `","room"],"v"] volatile`)
	if n := len(third.io.sessions.gone); n != 2 { // of clients that were there when the second node went silently
		t.Errorf("%d sessions of before may still return; want 2", n)
	}
}

// The process is killed: nobody is told of the end.
func TestClientsRecoverOverACrash(t *testing.T) {
	disk, asked := &fakeDisk{logs: make(map[string][][]byte)}, 0
	first := openOn(t, disk, &asked)
	c, gone := first.connect("/", ""), first.connect("/", "")
	c.emit(`["join"]`, -1)
	must(t, first.io.To("room").Emit("1"))
	offset := c.offset
	must(t, first.io.To("room").Emit("2"))
	c.offset = offset
	gone.leave("client namespace disconnect")

	second := openOn(t, disk, &asked)
	c.node, gone.node = second, second
	c.again().expect(`["2"]; ["hello",true,["` + c.id + `","room"],"v"] volatile`)
	if again := gone.again(); again.pid == gone.pid {
		t.Error("a client comes back that has said goodbye")
	}
}

// What could not be kept is known to be missing.
func TestJournalsOnAFullDisk(t *testing.T) {
	disk, asked := &fakeDisk{logs: make(map[string][][]byte)}, 0
	first := openOn(t, disk, &asked)
	before, after := first.connect("/", ""), first.connect("/", "")
	must(t, first.io.Emit("1"))
	offset := before.offset
	disk.full = errors.New("full")
	must(t, first.io.Emit("2"))
	disk.full = nil
	must(t, first.io.Emit("3"))
	before.offset = offset
	before.leave("transport close")
	after.leave("transport close")

	second := openOn(t, disk, &asked)
	before.node, after.node = second, second
	if c := before.again(); c.pid == before.pid {
		t.Error("a client comes back that has missed what was not kept")
	}
	if c := after.again(); c.pid != after.pid {
		t.Error("a client does not come back that has missed nothing")
	}
}
