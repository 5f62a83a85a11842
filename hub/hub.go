package hub

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// shardBits is the number of a room's hash bits that choose its shard.
const shardBits = 8

// maxLoops is bounded by the 8 bits that a branch has for its loop.
const maxLoops = 256

// Inbox is the mailbox of one loop.
type Inbox interface {
	// Post appends ev. Any goroutine calls it, under a shard's lock: it must neither enter the kernel nor call
	// the hub. It reports whether the loop sleeps, so that Wake must follow.
	Post(ev Event) (wake bool)
	// Wake makes the loop look into its inbox. It is never called under a lock.
	Wake()
}

// Sink is where a loop's rosters deliver to. Only the loop goroutine calls it.
type Sink interface {
	// Join returns the bytes of the one write that carries pubs, in order, to members of the given form. Several
	// are appended to dst. Of a single one dst is nil and the bytes are the publication's own (see
	// [Publication.Wire]). No bytes means that members of this form get nothing. It must not call the hub.
	Join(dst []byte, pubs []*Publication, form Form) []byte
	// Deliver writes wire, which carries pubs, to m's conn and reports whether the conn kept a reference to it;
	// otherwise wire is good only until Deliver returns. So are pubs, save those that it retains (see
	// [Publication.Retain]). It may subscribe, unsubscribe, close and publish as it likes, for m or any other conn of
	// the loop, but must not call Handle or Fanout.
	Deliver(m Member, wire []byte, pubs []*Publication) (kept bool)
	// Gap says that m has missed publications of the room, or that the room has begun a new epoch: it must be
	// unsubscribed, to come again from a position. If it stays, it receives what came after the gap. Gap may do what
	// Deliver may.
	Gap(m Member, room []byte)
}

// Position is a place in the order of a room that has a history. Offset counts the publications that the room has
// remembered, Epoch is 48 random bits, not all 0, and tells one life of the room from the next. In a room without a
// history there are no positions: they are zero.
type Position struct {
	Offset uint64
	Epoch  uint64
}

// Hub is the rooms of a node.
type Hub struct {
	// Set before serving.
	seed   maphash.Seed
	locals []*Local
	store  Store // nil for none
	now    func() time.Time
	start  time.Time // where the Locals' clocks begin

	reload  sync.Mutex // held by the one that changes options
	options atomic.Pointer[[]Options]

	// Any goroutine (each under its lock).
	shards [1 << shardBits]shard
	usage  usage
}

// New returns a hub without rooms and loops.
func New() *Hub {
	h := &Hub{seed: maphash.MakeSeed(), now: time.Now, start: time.Now()}
	h.options.Store(&[]Options{{}})
	for i := range h.shards {
		h.shards[i].init(h)
	}
	return h
}

// AddLoop returns the rosters of a new loop, whose events go to in and whose deliveries go to sink. All loops, at
// most 256, are added before the first subscribe or publish.
func (h *Hub) AddLoop(in Inbox, sink Sink) *Local {
	if len(h.locals) == maxLoops {
		panic("hub: more than 256 loops")
	}
	l := newLocal(h, uint8(len(h.locals)), in, sink)
	h.locals = append(h.locals, l)
	return l
}

// Count returns the number of rooms with members and of subscriptions. Any goroutine may call it; it takes each shard's lock in turn.
func (h *Hub) Count() (rooms, subscriptions int) {
	for i := range h.shards {
		r, s := h.shards[i].count()
		rooms += r
		subscriptions += s
	}
	return rooms, subscriptions
}

func (h *Hub) hash(room []byte) uint64 {
	return maphash.Bytes(h.seed, room)
}

func (h *Hub) shard(hash uint64) *shard {
	return &h.shards[hash>>(64-shardBits)]
}

// loopSet is a set of loops, kept on the stack while a shard is locked.
type loopSet [maxLoops / 64]uint64

func (s *loopSet) add(loop uint8) {
	s[loop/64] |= 1 << (loop % 64)
}

func (s *loopSet) wake(locals []*Local) {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			locals[i*64+bits.TrailingZeros64(word)].in.Wake()
		}
	}
}
