package main

import (
	"bytes"
	"sync"
)

// buffers lends memory for one message: who waits for the next holds none.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// borrow returns an empty buffer, which goes back with buffers.Put.
func borrow() *bytes.Buffer {
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	return b
}
