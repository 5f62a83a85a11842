package netpoll

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"
)

// A framer reads messages behind their length in four bytes, as a handler of real frames would, and
// hands copies of them to the test. One goroutine uses it: the loop's.
type framer struct {
	messages chan []byte
	tell     bool // say how many bytes are needed
	batch    int  // take so many messages in one call and ask for the rest again; 0 for no bound
}

func newFramer() *framer { return &framer{messages: make(chan []byte, 1<<16)} }

// received is for a script.
func (f *framer) received(l *Loop, c *Conn, b []byte) (used, need int) {
	for n := 0; ; n++ {
		if f.batch > 0 && n == f.batch {
			l.Again(c)
			return used, 0
		}
		rest := b[used:]
		if len(rest) < 4 {
			return used, 0
		}
		size := 4 + int(binary.BigEndian.Uint32(rest))
		if len(rest) < size {
			if !f.tell {
				size = 0
			}
			return used, size
		}
		f.messages <- append([]byte(nil), rest[4:size]...)
		clear(rest[:size]) // it is the handler's: what the loop kept of it by mistake shows
		used += size
	}
}

// next returns the next message.
func (f *framer) next(t testing.TB) string {
	t.Helper()
	return string(await(t, f.messages, "a message"))
}

// frame returns text behind its length.
func frame(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// frames returns texts behind their lengths.
func frames(texts ...string) (all []byte) {
	for _, text := range texts {
		all = append(all, frame(text)...)
	}
	return all
}

// text returns n bytes that look the same nowhere.
func text(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

// sendCut writes b to c in random pieces of at most piece bytes, on a goroutine beside the test's: should
// c close, the test misses what is not there.
func sendCut(rng *rand.Rand, c net.Conn, b []byte, piece int) {
	for len(b) > 0 {
		n := min(1+rng.IntN(piece), len(b))
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}
