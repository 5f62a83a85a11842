package socketio

import (
	"hash/maphash"
	"sync"

	"github.com/seed4ac54ce5/edge/server"
)

// states is what is known of those sockets of which more is known than the node knows: a socket that only listens has no
// state, and costs nothing here.
type states struct {
	seed   maphash.Seed
	shards [64]stateShard
}

type stateShard struct {
	mu sync.Mutex
	m  map[server.Socket]*state
}

// state is guarded by its shard's mu.
type state struct {
	handshake *Handshake // until the functions of OnConnect have been told, or for ever
	data      map[string]any
	acks      map[uint64]*waiting
	trail     *trail // with recovery
	gone      bool   // no acknowledgement can come any more
}

// fail ends the waiting of all who wait for acknowledgements of a socket that has gone.
func (st *state) fail() {
	for _, w := range st.acks {
		w.finish(nil, ErrDisconnected)
	}
	st.acks = nil
}

func (all *states) init() { all.seed = maphash.MakeSeed() }

func (all *states) shard(s server.Socket) *stateShard {
	return &all.shards[maphash.Comparable(all.seed, s)%uint64(len(all.shards))]
}

// visit calls f with the state of s, if it has one.
func (all *states) visit(s server.Socket, f func(*state)) {
	shard := all.shard(s)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if st := shard.m[s]; st != nil {
		f(st)
		shard.tidy(s, st)
	}
}

// change calls f with the state of s, which gets one if it has none: then made is true.
func (all *states) change(s server.Socket, f func(*state)) (made bool) {
	shard := all.shard(s)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	st := shard.m[s]
	if made = st == nil; made {
		st = new(state)
		if shard.m == nil {
			shard.m = make(map[server.Socket]*state)
		}
		shard.m[s] = st
	}
	f(st)
	shard.tidy(s, st)
	return made
}

// take removes the state of s and returns it, or nil.
func (all *states) take(s server.Socket) *state {
	shard := all.shard(s)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	st := shard.m[s]
	shard.drop(s)
	return st
}

// tidy drops a state in which nothing is left.
func (sh *stateShard) tidy(s server.Socket, st *state) {
	if st.handshake == nil && len(st.data) == 0 && len(st.acks) == 0 && st.trail == nil {
		sh.drop(s)
	}
}

// drop removes a state. A map gives no memory back, so the last one takes it along.
func (sh *stateShard) drop(s server.Socket) {
	delete(sh.m, s)
	if len(sh.m) == 0 {
		sh.m = nil
	}
}
