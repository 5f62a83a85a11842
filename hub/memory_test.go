package hub

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// nowhere is a sink that does nothing with what it is given.
type nowhere struct{}

func (nowhere) Join(dst []byte, pubs []*Publication, form Form) []byte {
	return joinPlain(dst, pubs, form)
}

func (nowhere) Deliver(Member, []byte, []*Publication) bool { return false }

func (nowhere) Gap(Member, []byte) {}

// quietLoop returns a loop that delivers nowhere.
func quietLoop(h *Hub) *loop {
	l := new(loop)
	l.Local = h.AddLoop(&l.box, nowhere{})
	return l
}

// run is handle for all events, keeping the mailbox's memory.
func (l *loop) run() {
	for _, ev := range l.box.events {
		l.Handle(ev)
	}
	l.box.events = l.box.events[:0]
	for l.Fanout(time.Second) {
	}
}

func TestPublishAndFanoutDoNotAllocate(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector makes sync.Pool drop what it is given")
	}
	h := New()
	l, other := quietLoop(h), quietLoop(h)
	crowd(t, l, 1000, "large")
	crowd(t, other, 1, "large")
	crowd(t, l, 3, "small")
	large, small, data := []byte("large"), []byte("small"), make([]byte, 64)
	turn := func() {
		for range 3 {
			p := NewPublication()
			p.Data = append(p.Data, data...)
			mustPublish(t, h, 0, large, p)
		}
		p := NewPublication()
		p.Data = append(p.Data, data...)
		mustPublish(t, h, 0, small, p)
		l.run()
		other.run()
	}
	if n := testing.AllocsPerRun(1000, turn); n != 0 {
		t.Errorf("publishing to and serving two rooms allocates %v times; want 0", n)
	}
}

// TestWhatRemembersAllocatesWhatItKeeps publishes in a room whose history is full: a Past and its entry, nothing else.
func TestWhatRemembersAllocatesWhatItKeeps(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector makes sync.Pool drop what it is given")
	}
	h := New()
	h.SetOptions(0, Options{HistorySize: 8, HistoryTTL: time.Hour})
	l := quietLoop(h)
	crowd(t, l, 10, "r")
	room, data := []byte("r"), make([]byte, 64)
	turn := func() {
		p := NewPublication()
		p.Data = append(p.Data, data...)
		mustPublish(t, h, 0, room, p)
		l.run()
	}
	for range 16 {
		turn()
	}
	if n := testing.AllocsPerRun(1000, turn); n != 2 {
		t.Errorf("publishing to a room that remembers allocates %v times; want 2", n)
	}
}

func TestJoinAndLeaveDoNotAllocate(t *testing.T) {
	h := New()
	l := quietLoop(h)
	crowd(t, l, 100, "shared")
	shared, own := []byte("shared"), []byte("own")
	var s Subs
	turn := func() {
		for _, room := range [][]byte{shared, own} {
			if _, err := l.Subscribe(NewMember(200, 0), &s, 0, room, nil); err != nil {
				t.Fatal(err)
			}
		}
		l.run()
		l.LeaveAll(&s)
		l.run()
	}
	if n := testing.AllocsPerRun(1000, turn); n != 0 {
		t.Errorf("joining and leaving two rooms allocates %v times; want 0", n)
	}
}

// growth returns the bytes that are live after f but were not before: in the heap, and in the records beside it.
func growth(records func() int, f func()) int {
	var before, after runtime.MemStats
	first := records()
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int(after.HeapAlloc) - int(before.HeapAlloc) + records() - first
}

// records returns the bytes of all records of a hub that has this one loop, but for those in the heap.
func (l *Local) records() int {
	n := l.subs.Bytes() + l.rosters.Bytes()
	for i := range l.hub.shards {
		s := &l.hub.shards[i]
		n += s.rooms.Bytes() + s.branches.Bytes() + s.names.Bytes() + s.presences.records()
	}
	return n
}

// records is Local.records for the presences of a shard.
func (p *presences) records() int { return p.all.Bytes() + p.persons.Bytes() + p.texts.Bytes() }

func TestBytesOfAMembership(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector adds to what is measured")
	}
	const members = 100_000
	for _, row := range []struct {
		rooms, limit int
		name         string
	}{
		{1, 30, "news"},
		{1000, 34, "room:%d"},
		{members, 132, "user:%d"},
		{members, 148, "personal:%023d"},
	} {
		h := New()
		l := quietLoop(h)
		names := make([]string, row.rooms)
		for i := range names {
			names[i] = fmt.Sprintf(row.name, i)
		}
		subs := make([]Subs, members)
		got := growth(l.records, func() {
			for i := range subs {
				l.subscribe(t, uint32(i), &subs[i], names[i%len(names)])
				if i%1000 == 999 {
					l.run()
				}
			}
			l.box.events = nil
		})
		t.Logf("%d members in %d rooms %q: %.1f bytes each", members, row.rooms, row.name, float64(got)/members)
		if got > row.limit*members && !testutil.Race {
			t.Errorf("%d members in %d rooms: %d bytes each; want at most %d", members, row.rooms, got/members, row.limit)
		}
		runtime.KeepAlive(h)
		runtime.KeepAlive(subs)
	}
}

// TestBytesOfAQuietHistory measures what a room takes that keeps one publication of 100 bytes for nobody.
func TestBytesOfAQuietHistory(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector adds to what is measured")
	}
	const rooms, limit = 50_000, 500
	h := New()
	h.SetOptions(0, Options{HistorySize: 100, HistoryTTL: time.Hour})
	names := make([][]byte, rooms)
	for i := range names {
		names[i] = fmt.Appendf(nil, "user:%d", i)
	}
	data := string(make([]byte, 100))
	got := growth(quietLoop(h).records, func() {
		for _, name := range names {
			mustPublish(t, h, 0, name, publication(data))
		}
	})
	counted, _, _ := h.MemoryStats()
	t.Logf("%.1f bytes each, %.1f of them counted as history", float64(got)/rooms, float64(counted)/rooms)
	if got > limit*rooms {
		t.Errorf("%d bytes each; want at most %d", got/rooms, limit)
	}
	runtime.KeepAlive(h)
	runtime.KeepAlive(names)
}
