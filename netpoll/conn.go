package netpoll

import (
	"fmt"

	"github.com/seed4ac54ce5/edge/internal/sys"
)

// ConnID names one use of one slot of one loop. It may be kept anywhere and for any time: once its
// conn has closed it names nothing, and [Loop.Conn] returns nil for it.
//
//	bits 63..56  loop
//	bits 55..32  generation of the slot, from 1; 0 is never a conn's
//	bits 31..0   slot
type ConnID uint64

const (
	genBits = 24
	genMask = 1<<genBits - 1
)

// makeID puts an identity together.
func makeID(loop uint8, gen, slot uint32) ConnID {
	return ConnID(uint64(loop)<<56 | uint64(gen&genMask)<<32 | uint64(slot))
}

// Loop returns the number of the loop that owns the conn.
func (id ConnID) Loop() int { return int(id >> 56) }

// Slot returns the conn's slot on its loop: slots are dense and used again, so they index tables.
func (id ConnID) Slot() uint32 { return uint32(id) }

func (id ConnID) gen() uint32 { return uint32(id>>32) & genMask }

// String returns loop.slot.generation.
func (id ConnID) String() string {
	return fmt.Sprintf("%d.%d.%d", id.Loop(), id.Slot(), id.gen())
}

// Conn is a socket in its slot, or a slot without one: see [Loop.OpenDetached]. It belongs to its loop's goroutine, and
// holds no pointer.
type Conn struct {
	fd       int32  // or noSocket or freeSlot
	genFlags uint32 // generation in the high 24 bits, flags in the low 8
	slot     uint32
	in       uint32 // input buffer, 0 for none
	out      uint32 // out queue, 0 for none
	next     uint32 // timer list: slot + 1, 0 at the end
	prev     uint32 // timer list: slot + 1, or headMark and bucket
	deadline uint32 // in ticks of the loop's wheel
}

// What stands for a descriptor where there is none. A slot that was never used has no meaning before slots.take.
const (
	freeSlot = -1
	noSocket = -2
)

// The flags of a conn.
const (
	flagDialing = 1 << iota // connect is under way
	flagPaused              // not read, by Pause
	flagWriting             // EPOLLOUT is armed
	flagLinger              // Shutdown was called: input is thrown away until the peer closes
	flagAgain               // on the loop's list of conns to be delivered to again
	flagClosing             // Close was called: gone at the end of the turn
	flagSlow                // its out queue has overflowed: the handler hears at the end of the turn
	flagTimer               // linked in the wheel
)

// Slot returns the index of c's slot, for tables beside the conns.
func (c *Conn) Slot() uint32 { return c.slot }

// Closing reports whether c takes no more data: it has been closed, shut down or found too slow.
func (c *Conn) Closing() bool { return c.has(flagClosing | flagLinger | flagSlow) }

func (c *Conn) has(flag uint32) bool { return c.genFlags&flag != 0 }
func (c *Conn) set(flag uint32)      { c.genFlags |= flag }
func (c *Conn) clear(flag uint32)    { c.genFlags &^= flag }
func (c *Conn) gen() uint32          { return c.genFlags >> 8 }

// slots is the slab of conns of one loop and the list of free ones.
type slots struct {
	slab sys.Slab[Conn]
	used uint32 // slots ever used: those from here on are untouched
	free uint32 // first free slot + 1, linked by next
	open int
}

// take returns a slot for fd, which may be noSocket, in a new generation.
func (s *slots) take(fd int) (*Conn, error) {
	c, err := s.unused()
	if err != nil {
		return nil, err
	}
	*c = Conn{fd: int32(fd), genFlags: (c.gen() + 1) << 8, slot: c.slot}
	s.open++
	return c, nil
}

// unused returns a slot that nobody names.
func (s *slots) unused() (*Conn, error) {
	if s.free != 0 {
		c := s.slab.At(s.free - 1)
		s.free = c.next
		return c, nil
	}
	if int(s.used) == s.slab.Len() {
		if err := s.slab.Grow(); err != nil {
			return nil, err
		}
	}
	c := s.slab.At(s.used)
	c.slot = s.used
	s.used++
	return c, nil
}

// give makes c's slot free. Identities of this use name nothing from here on, for ever: a slot that has been
// through all its generations is not used again.
func (s *slots) give(c *Conn) {
	c.fd = freeSlot
	s.open--
	if c.gen() < genMask {
		c.next = s.free
		s.free = c.slot + 1
	}
}

// get returns the conn that id names, or nil if it has closed since.
func (s *slots) get(id ConnID) *Conn {
	if id.Slot() >= s.used {
		return nil
	}
	c := s.slab.At(id.Slot())
	if c.gen() != id.gen() || c.fd == freeSlot {
		return nil
	}
	return c
}

// all calls f for each open conn.
func (s *slots) all(f func(c *Conn)) {
	for i := range s.used {
		if c := s.slab.At(i); c.fd != freeSlot {
			f(c)
		}
	}
}

// Reason says why a conn closed.
type Reason uint8

// The reasons for which a conn closes.
const (
	ClosedByPeer  Reason = iota // end of file, a half-close included
	ClosedReset                 // reset, broken pipe, time-out of unacknowledged data, any other socket error
	ClosedLocally               // the handler closed it
	ClosedSlow                  // its out queue passed the limit in bytes
	ClosedStalled               // its socket took nothing for the limit in time
	ClosedDial                  // it could not be connected
	ClosedLoop                  // its loop has ended
	ClosedMoved                 // its socket is another conn's now
	Reasons                     // how many there are
)

// String returns the reason as a metric label.
func (r Reason) String() string {
	return [...]string{"peer", "reset", "local", "slow", "stalled", "dial", "shutdown", "moved", "unknown"}[min(r, Reasons)]
}
