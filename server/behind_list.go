package server

import (
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
)

const (
	waitingShare = 4         // a waiting list may hold this part of Config.QueueLimit, besides the out queue,
	maxWaitList  = 256 << 10 // and no more bytes than these, so that it is soon searched
	waitingCost  = 256       // bytes that a publication counts for besides its text; its records take about as many
	maxCatchUp   = 64 << 10  // bytes that leave a list in one write, or one publication of any size
)

// behind is the waiting lists of a loop's conns. A conn has one only while its out queue is not empty. Loop goroutine
// only.
type behind struct {
	lists  map[netpoll.ConnID]*waiting
	bytes  int // in all of them
	limit  int // bytes in one
	budget *netpoll.Budget
	seed   maphash.Seed
}

// waiting is what waits for one conn, oldest first.
type waiting struct {
	entries []held
	bytes   int
}

// held is a publication that waits.
type held struct {
	pub     *hub.Publication // one reference, once it is in a list
	subject uint64           // what it is about: of two with the same one under the same policy, the older goes; 0 is nothing
	policy  policy
}

// listLimit returns how many bytes may be in a list, besides a queue with such a limit.
func listLimit(queueLimit int) int { return min(queueLimit/waitingShare, maxWaitList) }

func newBehind(queueLimit int, budget *netpoll.Budget) behind {
	return behind{
		lists:  make(map[netpoll.ConnID]*waiting),
		limit:  listLimit(queueLimit),
		budget: budget,
		seed:   maphash.MakeSeed(),
	}
}

// waitingSize is how many bytes p counts for while it waits.
func waitingSize(p *hub.Publication) int {
	return waitingCost + len(p.Data) + len(p.Info) + len(p.Tags) + len(p.Key) + len(p.Room)
}

// of returns a conn's list, a new one if it has none.
func (b *behind) of(id netpoll.ConnID) *waiting {
	w := b.lists[id]
	if w == nil {
		w = new(waiting)
		b.lists[id] = w
	}
	return w
}

// tidy gives back a list that has become empty.
func (b *behind) tidy(id netpoll.ConnID, w *waiting) {
	if len(w.entries) == 0 {
		delete(b.lists, id)
	}
}

// held returns what p would be in a list.
func (b *behind) held(p *hub.Publication, how policy) held {
	return held{p, b.subject(p, how), how}
}

// subject hashes what p is about, with a seed that nobody else knows: two subjects have two hashes.
func (b *behind) subject(p *hub.Publication, how policy) uint64 {
	if how < keepNewest {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(b.seed)
	_, _ = h.Write(p.Room) // never fails
	if how == keepNewest || len(p.Key) > 0 {
		var sender [9]byte // the first stands between room and sender: no name contains it
		binary.BigEndian.PutUint64(sender[1:], p.Sender)
		_, _ = h.Write(sender[:])
		_, _ = h.Write(p.Key)
	}
	return h.Sum64() | 1
}

// count notes that n more bytes wait in w, or fewer.
func (b *behind) count(w *waiting, n int) {
	w.bytes += n
	b.bytes += n
	b.budget.Add(n)
}

// admits reports whether p may wait in w: in an empty list by its size alone, as an out queue takes it too.
func (b *behind) admits(w *waiting, p *hub.Publication) bool {
	size := waitingSize(p)
	return (len(w.entries) == 0 || w.bytes+size <= b.limit) && b.budget.Fits(size)
}

// add puts h at the end of w and takes a reference to its publication.
func (b *behind) add(w *waiting, h held) {
	h.pub.Retain()
	w.entries = append(w.entries, h)
	b.count(w, waitingSize(h.pub))
}

// remove drops entry i of w.
func (b *behind) remove(w *waiting, i int) {
	p := w.entries[i].pub
	b.count(w, -waitingSize(p))
	p.Release()
	w.entries = slices.Delete(w.entries, i, i+1)
}

// replace drops what h takes the place of, and reports whether there was any. h itself goes to the end of the list, as
// what lies between may be of the same room, whose order stays.
func (b *behind) replace(w *waiting, h held) bool {
	if h.subject == 0 {
		return false
	}
	i := slices.IndexFunc(w.entries, func(old held) bool { return old.subject == h.subject && old.policy == h.policy })
	if i < 0 {
		return false
	}
	b.remove(w, i)
	return true
}

// shed drops the oldest of w that may be dropped, and reports whether there was any.
func (b *behind) shed(w *waiting) bool {
	i := slices.IndexFunc(w.entries, func(h held) bool { return h.policy != keepLatest })
	if i < 0 {
		return false
	}
	b.remove(w, i)
	return true
}

// take moves the oldest of w to dst, as many as one write may carry. Their references go with them.
func (b *behind) take(w *waiting, dst []*hub.Publication) []*hub.Publication {
	n, bytes := 0, 0
	for ; n < len(w.entries); n++ {
		p := w.entries[n].pub
		size := waitingSize(p)
		if n > 0 && bytes+size > maxCatchUp {
			break
		}
		bytes += size
		dst = append(dst, p)
	}
	b.count(w, -bytes)
	w.entries = slices.Delete(w.entries, 0, n)
	return dst
}

// leave drops what waits of a room, or with nil all.
func (b *behind) leave(w *waiting, room []byte) {
	w.entries = slices.DeleteFunc(w.entries, func(h held) bool {
		if room != nil && string(h.pub.Room) != string(room) {
			return false
		}
		b.count(w, -waitingSize(h.pub))
		h.pub.Release()
		return true
	})
}
