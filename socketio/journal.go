package socketio

import (
	"bytes"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// A journal is what a namespace has sent, for clients that were cut off. Each event has an offset, which goes along as its
// last argument: the time in microseconds, or more where events are closer together or the clock was put back. So any two
// can be compared, also if one is of an event that is forgotten, or of before a restart.
//
// Its lock is held while an event is handed to the node, so that events go out in the order of their offsets, and for reading while
// a socket is being put into its rooms, so that no event falls between what it missed and what it hears.
type journal struct {
	name  string        // of the namespace
	keep  time.Duration // how long events stay
	limit int           // bytes of them
	now   func() time.Time

	recorder recorder    // keeps them on disk too; nil for not
	failed   func(error) // it could not

	mu      sync.RWMutex // guards what follows
	last    uint64       // newest offset, of any event
	cut     uint64       // offset of the newest event that went before its time, for want of space
	entries []entry      // oldest first
	bytes   int
	torn    bool // the newest event is not on disk
}

// entry is an event in a journal.
type entry struct {
	offset        uint64
	rooms, except []string
	packet        server.SocketPacket
}

// entryCost is about what an entry takes besides its texts.
const entryCost = 160

func (e *entry) cost() int {
	n := entryCost + len(e.packet.Data)
	for _, a := range e.packet.Attachments {
		n += len(a)
	}
	for _, room := range e.rooms {
		n += len(room) + 16
	}
	for _, room := range e.except {
		n += len(room) + 16
	}
	return n
}

// send gives p its offset, has it delivered, and remembers it for sockets in rooms, or all if there are none, save those in
// except. A volatile event gets an offset too, which says that the client has all that was sent before it.
func (j *journal) send(rooms, except []string, p server.SocketPacket, volatile bool, deliver func(server.SocketPacket) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := uint64(j.now().UnixMicro())
	offset := max(j.last+1, now)
	p.Data = appendOffset(p.Data, offset)
	if err := deliver(p); err != nil {
		return err
	}
	j.last = offset
	if volatile {
		return nil
	}
	e := entry{offset, rooms, except, p}
	j.add(e, now)
	if j.recorder != nil {
		j.record(&e)
	}
	return nil
}

// add remembers e, and forgets what is too old or too much.
func (j *journal) add(e entry, now uint64) {
	j.entries = append(j.entries, e)
	j.bytes += e.cost()
	old := now - uint64(j.keep.Microseconds())
	n := 0
	for ; n < len(j.entries) && (j.entries[n].offset < old || j.bytes > j.limit); n++ {
		j.bytes -= j.entries[n].cost()
		if j.entries[n].offset >= old {
			j.cut = j.entries[n].offset
		}
	}
	clear(j.entries[:n])
	j.entries = j.entries[n:] // append moves the rest to a fresh array when this one is used up
}

// position returns the offset of the newest event.
func (j *journal) position() uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.last
}

// maxMissed is how many bytes of events a client may have missed: more would not fit into what may wait for it.
const maxMissed = 512 << 10

// missed returns what was sent after offset since to a socket that is in rooms since the offsets that they have there. It is false if
// something of that is forgotten, it is too much, or since is no offset of this journal's. The caller holds the lock.
func (j *journal) missed(since uint64, rooms map[string]uint64) ([]server.SocketPacket, bool) {
	old := uint64(j.now().UnixMicro()) - uint64(j.keep.Microseconds())
	if since > j.last || since < j.cut && j.cut >= old {
		return nil, false
	}
	first := sort.Search(len(j.entries), func(i int) bool { return j.entries[i].offset > since })
	var packets []server.SocketPacket
	size := 0
	for i := range j.entries[first:] {
		e := &j.entries[first+i]
		if !e.reaches(rooms) {
			continue
		}
		if size += e.cost(); size > maxMissed {
			return nil, false
		}
		packets = append(packets, e.packet)
	}
	return packets, true
}

// reaches reports whether e is for a socket that is in rooms since the offsets that they have there.
func (e *entry) reaches(rooms map[string]uint64) bool {
	in := func(room string) bool {
		since, ok := rooms[room]
		return ok && since < e.offset
	}
	return (len(e.rooms) == 0 || slices.ContainsFunc(e.rooms, in)) && !slices.ContainsFunc(e.except, in)
}

// appendOffset returns a JSON array with offset as one more element.
func appendOffset(array []byte, offset uint64) []byte {
	array = bytes.TrimSuffix(array, []byte("]"))
	out := make([]byte, 0, len(array)+len(`,"0123456789ab"]`))
	out = append(append(out, array...), ',', '"')
	out = strconv.AppendUint(out, offset, offsetBase)
	return append(out, '"', ']')
}

const offsetBase = 36

// parseOffset reads what a client says it has seen last.
func parseOffset(text string) (offset uint64, ok bool) {
	offset, err := strconv.ParseUint(text, offsetBase, 64)
	return offset, err == nil
}
