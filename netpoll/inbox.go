package netpoll

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed4ac54ce5/edge/internal/sys"
)

// Post is work that another goroutine hands to a loop. Kind, A and B mean what the handler says; a
// pointer in Item costs no allocation.
type Post struct {
	Item any
	A    uint64
	B    uint32
	Kind uint8 // kinds from 250 on are netpoll's
}

// Netpoll's own posts.
const (
	kindStopListening uint8 = 250 + iota
	kindStop
	kindMoved // Item is an arrival
)

// inbox is what other goroutines leave for a loop, in their order. The lock guards a hand-over and
// is held for an append or a swap.
type inbox struct {
	mu     sync.Mutex
	posts  []Post
	closed bool

	waiting atomic.Int32 // posts not yet taken
	asleep  atomic.Bool  // the loop is in epoll_wait, or about to be, and needs the bell
	ringing atomic.Int32 // goroutines that may be using the bell
	silent  atomic.Bool  // the bell is gone, or about to be
	bell    int          // eventfd; set before Run
}

// put appends p and reports whether the bell must be rung. After close it drops p.
func (b *inbox) put(p Post) (wake bool) {
	wake, _ = b.offer(p)
	return wake
}

// offer is put, and reports whether p was taken.
func (b *inbox) offer(p Post) (wake, taken bool) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false, false
	}
	b.posts = append(b.posts, p)
	b.waiting.Add(1) // under the lock, or a take in between would make the count lie to the next poster
	b.mu.Unlock()
	return b.asleep.Load() && b.asleep.CompareAndSwap(true, false), true
}

// take swaps the posts that have arrived for empty, whose memory the next ones use.
func (b *inbox) take(empty []Post) []Post {
	b.mu.Lock()
	taken := b.posts
	b.posts = empty
	b.mu.Unlock()
	b.waiting.Add(-int32(len(taken)))
	return taken
}

// close drops what comes, and returns what is there.
func (b *inbox) close() (left []Post) {
	b.mu.Lock()
	defer b.mu.Unlock()
	left, b.posts, b.closed = b.posts, nil, true
	return left
}

// ring wakes the loop: one system call. After closeBell it does nothing.
func (b *inbox) ring() {
	b.ringing.Add(1)
	if !b.silent.Load() {
		sys.Wake(b.bell)
	}
	b.ringing.Add(-1)
}

// closeBell closes the bell when nobody is ringing it: a ring that came later would write to whatever
// has its number then.
func (b *inbox) closeBell() {
	b.silent.Store(true)
	for b.ringing.Load() > 0 {
		runtime.Gosched()
	}
	sys.Close(b.bell)
}

// Post hands p to the loop and reports whether [Loop.Wake] must follow, which lets a caller that
// holds a lock make the system call after it. Any goroutine may call it. Posts of one goroutine
// arrive in their order; after the loop has ended they are dropped.
func (l *Loop) Post(p Post) (wake bool) { return l.inbox.put(p) }

// Wake rings the loop's bell, as Post asked for. Any goroutine.
func (l *Loop) Wake() { l.inbox.ring() }

// Send is Post and, where it is needed, Wake. Any goroutine.
func (l *Loop) Send(p Post) {
	if l.inbox.put(p) {
		l.inbox.ring()
	}
}

// maxSparePosts bounds the memory an inbox keeps for the next burst.
const maxSparePosts = 8192

// runPosted handles what was in the inbox when it was called.
func (l *Loop) runPosted() {
	if l.inbox.waiting.Load() == 0 {
		return
	}
	taken := l.inbox.take(l.spare)
	for i := range taken {
		l.runPost(taken[i])
	}
	clear(taken)
	l.spare = nil
	if cap(taken) <= maxSparePosts {
		l.spare = taken[:0]
	}
}

func (l *Loop) runPost(p Post) {
	switch p.Kind {
	case kindStopListening:
		l.stopListening()
	case kindStop:
		l.stopped = true
	case kindMoved:
		l.arrive(p.Item.(*arrival), false)
	default:
		l.handler.Posted(p)
	}
}
