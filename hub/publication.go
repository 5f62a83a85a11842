package hub

import (
	"sync"
	"sync/atomic"
)

// maxPooled is the capacity, in bytes, beyond which a buffer is not kept for reuse.
const maxPooled = 64 << 10

// Publication is one message to a room. The publisher makes it with [NewPublication], sets Data and Info, and hands
// it to [Hub.Publish]; from then on it is immutable and shared by reference among the loops that deliver it. It goes
// back to the pool when the last of them is done, unless a conn has kept its bytes.
type Publication struct {
	// Set by the publisher before Publish, by append to what is there.
	Data []byte // the payload, as received
	Info []byte // what the server says about the publisher; opaque here, often empty

	// Set by Publish.
	Room     []byte
	Position Position

	// Any goroutine.
	refs atomic.Int32 // the publisher's until Publish returns, and one for each loop it was posted to
	kept atomic.Bool  // some out queue refers to a wire form: leave it to the garbage collector

	mu    sync.Mutex // guards wires: loops that need the same form at once make it once
	wires []wire     // forms made so far; behind len, buffers of an earlier life
}

// wire is a publication encoded in one form.
type wire struct {
	form  Form
	bytes []byte
}

var publications = sync.Pool{New: func() any { return new(Publication) }}

// NewPublication returns an empty publication with one reference, which belongs to the caller.
func NewPublication() *Publication {
	p := publications.Get().(*Publication)
	if !p.refs.CompareAndSwap(0, 1) {
		panic("hub: pooled publication is in use")
	}
	return p
}

// Wire returns p in the given form. The first call for a form has encode append it to dst, and all calls return the
// same bytes, which must not be changed. Any goroutine that holds a reference may call it.
func (p *Publication) Wire(form Form, encode func(dst []byte, p *Publication) []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.wires {
		if p.wires[i].form == form {
			return p.wires[i].bytes
		}
	}
	w := p.addWire(form)
	w.bytes = encode(w.bytes, p)
	return w.bytes
}

// addWire extends wires by one whose buffer is empty, reusing what an earlier life left.
func (p *Publication) addWire(form Form) *wire {
	n := len(p.wires)
	if n < cap(p.wires) {
		p.wires = p.wires[:n+1]
	} else {
		p.wires = append(p.wires, wire{})
	}
	w := &p.wires[n]
	w.form, w.bytes = form, w.bytes[:0]
	return w
}

// Release gives up one reference. Publish does so for the publisher: it calls Release only for a publication that it
// does not publish after all.
func (p *Publication) Release() {
	switch n := p.refs.Add(-1); {
	case n < 0:
		panic("hub: publication released too often")
	case n == 0 && !p.kept.Load():
		p.reset()
		publications.Put(p)
	}
}

// seal makes p immutable on its way to room.
func (p *Publication) seal(room []byte) {
	if p.refs.Load() != 1 || p.Position != (Position{}) {
		panic("hub: publication published twice, or not made by NewPublication")
	}
	p.Room = append(p.Room[:0], room...)
}

func (p *Publication) retain() { p.refs.Add(1) }

// size estimates the length of one wire form, in bytes.
func (p *Publication) size() int {
	const envelope = 64
	return len(p.Data) + len(p.Info) + len(p.Room) + envelope
}

// reset empties p for its next life and keeps the buffers that are not too large.
func (p *Publication) reset() {
	p.Data, p.Info, p.Room = recycle(p.Data), recycle(p.Info), recycle(p.Room)
	p.Position = Position{}
	for i := range p.wires {
		p.wires[i].bytes = recycle(p.wires[i].bytes)
	}
	p.wires = p.wires[:0]
}

// recycle returns b emptied for reuse, or nil if b is too large to keep.
func recycle(b []byte) []byte {
	if cap(b) > maxPooled {
		return nil
	}
	return b[:0]
}
