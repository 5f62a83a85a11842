package hub

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxPooled is the capacity, in bytes, beyond which a buffer is not kept for reuse.
const maxPooled = 64 << 10

// PubKind says what a publication is about. Only data is positioned and remembered.
type PubKind uint8

const (
	PubData  PubKind = iota // somebody published it
	PubJoin                 // somebody, described by Info, has come
	PubLeave                // or gone
)

// Publication is one message to a room. The publisher makes it with [NewPublication], describes it, and hands
// it to [Hub.Publish]; from then on it is immutable and shared by reference among the loops that deliver it. It goes
// back to the pool when the last of them is done, unless a conn has kept its bytes.
type Publication struct {
	// Set by the publisher before Publish, slices by append to what is there.
	Data     []byte // the payload, as received
	Info     []byte // what the server says about the publisher; opaque here, often empty
	Tags     Tags
	Key      []byte // with Sender: newer publications may take the place of older ones of the same two
	Sender   uint64
	Kind     PubKind
	Opaque   bool     // Data is not what every wire form can carry; for the publisher to know
	Except   uint64   // a client that does not get it, for the sink to know
	Before   [][]byte // rooms that have got it too, some of whose members are not to get it again, for the sink to know
	Volatile bool     // it is not for members for whom it would have to wait, for the sink to know

	// Set by Publish.
	sealed    bool
	Namespace Namespace
	Time      int64 // Unix milliseconds
	Room      []byte
	Position  Position      // zero unless Positioned
	since     time.Duration // from the hub's start to then

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

// Positioned reports whether p has a place in its room's history, and so an offset for the wire.
func (p *Publication) Positioned() bool { return p.Position.Epoch != 0 }

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

// Keep says that a wire form of p is referred to for longer than p is: it is left to the garbage collector.
func (p *Publication) Keep() { p.kept.Store(true) }

// Retain takes one more reference, which the caller gives up by Release.
func (p *Publication) Retain() { p.refs.Add(1) }

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

// seal makes p immutable, but for its Position, on its way to room in a hub that began at start.
func (p *Publication) seal(ns Namespace, room []byte, now, start time.Time) {
	if p.refs.Load() != 1 || p.sealed {
		panic("hub: publication published twice, or not made by NewPublication")
	}
	p.sealed = true
	p.Namespace, p.Time, p.since = ns, now.UnixMilli(), now.Sub(start)
	p.Room = append(p.Room[:0], room...)
}

// size estimates the length of one wire form, in bytes.
func (p *Publication) size() int {
	const envelope = 64
	return len(p.Data) + len(p.Info) + len(p.Tags) + len(p.Key) + len(p.Room) + envelope
}

// reset empties p for its next life and keeps the buffers that are not too large.
func (p *Publication) reset() {
	p.Data, p.Info, p.Room = recycle(p.Data), recycle(p.Info), recycle(p.Room)
	p.Tags, p.Key = recycle(p.Tags), recycle(p.Key)
	p.Sender, p.Kind, p.Opaque, p.sealed = 0, PubData, false, false
	p.Except, p.Before, p.Volatile = 0, nil, false
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
