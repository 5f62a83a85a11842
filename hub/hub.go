package hub

import (
	"hash/maphash"
	"math/bits"
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
	// Deliver writes wire to m's conn and reports whether the conn kept a reference to it; otherwise wire is
	// good only until Deliver returns. It may subscribe, unsubscribe, close and publish as it likes, for m or any
	// other conn of the loop, but must not call Handle or Fanout.
	Deliver(m Member, wire []byte) (kept bool)
}

// Position is a place in a room's order. Offset counts the publications since the room came to be, Epoch is
// random and tells one life of the room from the next. A room that nobody is in has no Position: it is zero.
type Position struct {
	Offset uint64
	Epoch  uint64
}

// Hub is the rooms of a node.
type Hub struct {
	// Set before serving.
	seed   maphash.Seed
	locals []*Local

	// Any goroutine (each under its lock).
	shards [1 << shardBits]shard
}

// New returns a hub without rooms and loops.
func New() *Hub {
	h := &Hub{seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].init()
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

// Publish gives pub the next offset in the room and posts it to each loop that has members there: the cost grows
// with loops, not with members. It copies room into pub and takes over the caller's reference, so the caller must
// not touch pub afterwards. Any goroutine may call it. In a room without members nothing happens and the Position
// is zero.
func (h *Hub) Publish(room []byte, pub *Publication) Position {
	pub.seal(room)
	var asleep loopSet
	hash := h.hash(room)
	pos := h.shard(hash).publish(hash, pub, h.locals, &asleep)
	asleep.wake(h.locals)
	pub.Release()
	return pos
}

// Count returns the number of rooms and of subscriptions. Any goroutine may call it; it takes each shard's lock in turn.
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
