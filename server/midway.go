package server

import (
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/internal/slab"
)

// midway is where those conns of a loop stand that stand within a frame, between the frames of a message, or in the body of a
// request. The others, nearly all at any time, have no record.
type midway struct {
	records slab.Slab[place, *place]
}

// place is a stream that is not idle, or before the conn is a WebSocket a body that is not whole.
type place struct {
	stream frame.Stream
	body   body
	next   uint32
}

// Link returns the field that the free list runs through.
func (p *place) Link() *uint32 { return &p.next }

// load returns the stream of record i; the idle one for 0.
func (m *midway) load(i uint32) (s frame.Stream) {
	if i != 0 {
		s = m.records.At(i).stream
	}
	return s
}

// store remembers s in record *i, which comes and goes as s is idle or not.
func (m *midway) store(i *uint32, s frame.Stream) {
	if s.Idle() {
		m.drop(i)
		return
	}
	if *i == 0 {
		*i = m.records.Alloc()
	}
	m.records.At(*i).stream = s
}

// body returns that of record *i, a new record if there is none.
func (m *midway) body(i *uint32) *body {
	if *i == 0 {
		*i = m.records.Alloc()
		m.records.At(*i).body = body{}
	}
	return &m.records.At(*i).body
}

// drop frees record *i, if there is one.
func (m *midway) drop(i *uint32) {
	if *i != 0 {
		m.records.Free(*i)
		*i = 0
	}
}
