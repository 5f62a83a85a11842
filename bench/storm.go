package bench

import (
	"bytes"
	"math/rand/v2"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// stormPlay is rooms whose members all drop at once and come back, each from the position that it has come to, while the
// publishers go on.
//
// What is due to a member: where the room lets it recover, all that was published since it first joined. Where it
// does not, what was published between two that came to it in one stay, and to the end of the run from the moment on at which
// all were back; what falls between two stays is excused.
type stormPlay struct {
	roomsPlay
	members []member          // by number divided by the loops; a publisher's is not used
	epochs  []string          // of the rooms, as subscriptions have told them
	indices map[string]uint32 // of them
	pasts   []past            // as members, in Socket.IO
	mark    []uint32          // what had been published to each room when the wait for the members was over, nil before

	dropping bool // members drop
	round    stormRound
}

// member is what stays of a connection while it is away. It holds no pointers.
type member struct {
	track   track
	left    int64  // when it was last dropped
	offset  uint64 // of the last publication that it knows
	epoch   uint32 // index of what that offset counts in
	excused uint32 // publications that were not due to it
	tries   uint8  // to come back, that have failed
	flags   uint8
}

// The flags of a member.
const (
	memberCounted  = 1 << iota // it stood when the census was taken: publications are due to it
	memberAway                 // it has dropped and is not back
	memberFresh                // it is back without what it has missed, and nothing has come since
	memberRecovers             // its room has given it a position to recover from
)

// stormRound is what one driver, or one process, has to tell of one storm.
type stormRound struct {
	Recovered   uint64            `json:"recovered"`   // members to whom nothing was missing, as the server says
	Unrecovered uint64            `json:"unrecovered"` // that had a position, and to whom something was
	Without     uint64            `json:"without"`     // in rooms that let nobody recover
	LastBack    int64             `json:"last_back"`   // on the run's clock
	LastWhole   int64             `json:"last_whole"`  // when the last one had recovered
	Away        samples           `json:"away"`        // from the drop to being back
	Connect     samples           `json:"connect"`     // from dialling to being back, of the try that succeeded
	Refusals    map[string]uint64 `json:"refusals"`    // tries that failed
}

// maxDrops is how many members are dropped in one turn.
const maxDrops = 4096

func newStormPlay(d *driver) *stormPlay {
	s := &stormPlay{roomsPlay: roomsPlay{d: d}, members: make([]member, d.share), indices: make(map[string]uint32), round: newStormRound()}
	if d.run.options.Protocol == SocketIO {
		s.pasts = make([]past, d.share)
	}
	return s
}

func newStormRound() stormRound {
	return stormRound{Away: newSamples(), Connect: newSamples(), Refusals: make(map[string]uint64)}
}

// add counts what others have to tell of the same storm.
func (s *stormRound) add(o *stormRound) {
	s.Recovered += o.Recovered
	s.Unrecovered += o.Unrecovered
	s.Without += o.Without
	s.LastBack, s.LastWhole = max(s.LastBack, o.LastBack), max(s.LastWhole, o.LastWhole)
	s.Away.add(o.Away)
	s.Connect.add(o.Connect)
	addCounts(s.Refusals, o.Refusals)
}

func (s *stormPlay) member(number uint32) *member { return &s.members[s.d.index(number)] }

// count notes who is there for publications to be due to.
func (s *stormPlay) count() {
	for i := range s.d.peers {
		if p := &s.d.peers[i]; p.stage == ready && !s.d.run.isPublisher(p.number) {
			s.member(p.number).flags |= memberCounted
		}
	}
}

// prepare has all connections see, once the storm begins, whether they drop, and returns how many would now.
func (s *stormPlay) prepare() (n uint64) {
	s.d.counters.unasked.n.Store(uint64(s.d.share))
	for i := range s.d.peers {
		if p := &s.d.peers[i]; p.stage == ready && s.drops(p.number) {
			n++
		}
	}
	return n
}

// begin has them drop.
func (s *stormPlay) begin() { s.dropping = true }

// turn drops who is to drop, and publishes what is due.
func (s *stormPlay) turn(now int64) (more bool) {
	if s.dropping {
		more = s.dropSome(now)
	}
	return s.roomsPlay.turn(now) || more
}

// dropSome drops the next members.
func (s *stormPlay) dropSome(now int64) (more bool) {
	for range maxDrops {
		left := s.d.counters.unasked.value()
		if left == 0 {
			s.dropping = false
			return false
		}
		number := s.d.number(s.d.share - uint32(left))
		if c, p := s.d.of(number); c != nil && s.drops(number) {
			s.drop(c, p, now)
		}
		s.d.counters.unasked.n.Store(left - 1)
	}
	return true
}

// drops reports whether a connection is one of those that drop: they are spread evenly over the numbers, and over the rooms.
func (s *stormPlay) drops(number uint32) bool {
	return s.d.run.shares(number) && s.member(number).flags&memberCounted != 0
}

// shares reports whether connection number belongs to the share of them that something happens to.
func (r *run) shares(number uint32) bool {
	const golden = 0x9E3779B9 // 2^32 divided by the golden ratio: its multiples spread evenly
	return !r.isPublisher(number) && uint64(number*golden) < uint64(r.options.Share*(1<<32))
}

// drop ends a connection from our side.
func (s *stormPlay) drop(c *netpoll.Conn, p *peer, now int64) {
	s.leaves(p.number, now)
	if s.d.run.options.Drop == polite {
		s.d.out = s.d.out[:0]
		s.d.leave(c, p)
		s.d.write(c, s.d.out)
		return
	}
	p.stage = gone
	s.d.loop.Reset(c)
	s.returnLater(p.number, 0)
}

// leaves notes that a member is gone.
func (s *stormPlay) leaves(number uint32, now int64) {
	m := s.member(number)
	m.left, m.tries = now, 0
	m.flags = m.flags&^memberFresh | memberAway
	s.d.counters.left.add(1)
}

// ask has a member that comes back ask for what it has missed, and any other for a position.
func (s *stormPlay) ask(number uint32, q *protocol.SubscribeRequest) {
	m := s.member(number)
	q.Recoverable, q.Positioned = true, true
	if m.flags&memberRecovers != 0 {
		q.Recover, q.Offset, q.Epoch = true, m.offset, []byte(s.epochs[m.epoch])
	}
}

func (s *stormPlay) message(c *netpoll.Conn, p *peer, b []byte) { s.d.hear(c, p, b) }

// replied reads what a member is told of the room that it has joined.
func (s *stormPlay) replied(c *netpoll.Conn, p *peer, r *protocol.Reply) {
	if p.stage == joining && r.ID == subscribeID && r.Kind == protocol.ReplyResult && s.d.run.options.Protocol == Centrifuge {
		s.subscribed(p, r, s.d.replyLine)
	}
	s.d.replied(c, p, r)
}

// published enters a publication that has come to p, if it is a member; b begins with its data. In Socket.IO those that it
// has missed come like others, before it is welcomed.
func (s *stormPlay) published(p *peer, b []byte) {
	if s.d.run.isPublisher(p.number) {
		s.d.delivery(p, b)
		return
	}
	if due, ok := s.enter(p, b); ok && p.stage == ready {
		record(s.d.result.latency, s.d.now-due)
	}
}

// enter checks a publication for p, b beginning with its data, and remembers its place in the room.
func (s *stormPlay) enter(p *peer, b []byte) (due int64, ok bool) {
	ledger := &s.d.result.ledger
	stamp, size, err := parseStamp(b)
	switch {
	case err != nil || stamp.sequence == 0:
		ledger.Damaged++
		return 0, false
	case stamp.source != s.d.run.roomOf(p.number):
		ledger.Misrouted++
		return 0, false
	}
	m := s.member(p.number)
	if s.d.run.options.Protocol == SocketIO {
		s.remember(p.number, lastString(b[size:]))
	} else if offset, ok := offsetOf(b[size:]); ok {
		m.offset = offset
	}
	if m.flags&memberFresh != 0 {
		m.flags &^= memberFresh
		s.excuse(m, stamp.source, stamp.sequence)
	}
	ledger.note(&m.track, stamp.sequence)
	return stamp.due, true
}

// offsetOf returns the offset of a publication, of whose text b has what follows its data.
func offsetOf(b []byte) (offset uint64, ok bool) {
	const name = `"offset":`
	if next := bytes.Index(b, dataStart); next >= 0 {
		b = b[:next] // of the one behind it
	}
	at := bytes.Index(b, []byte(name))
	if at < 0 {
		return 0, false
	}
	for _, c := range b[at+len(name):] {
		if c < '0' || c > '9' {
			break
		}
		offset, ok = offset*10+uint64(c-'0'), true
	}
	return offset, ok
}

// excuse takes what m has missed between two stays, before number first, out of what is due to it.
func (s *stormPlay) excuse(m *member, room, first uint32) {
	missed := first - 1
	if s.mark != nil {
		missed = min(missed, s.mark[room])
	}
	if missed <= m.track.last {
		return
	}
	n := missed - m.track.last
	m.excused += n
	m.track = track{last: missed}
	s.d.counters.excused.add(uint64(n))
}

// subscribed takes up the position that a subscription begins from, and what it brings of what p has missed.
func (s *stormPlay) subscribed(p *peer, r *protocol.Reply, line []byte) {
	m := s.member(p.number)
	asked := m.flags&memberRecovers != 0
	if r.Recoverable {
		m.flags |= memberRecovers
		m.offset, m.epoch = r.Offset, s.epochIndex(r.Epoch)
	}
	for {
		at := bytes.Index(line, dataStart)
		if at < 0 {
			break
		}
		line = line[at+len(`"data":`):]
		s.enter(p, line)
	}
	s.judge(m, asked, r.Recovered)
}

// judge counts what a member that is back has been told, and whether it had asked.
func (s *stormPlay) judge(m *member, asked, recovered bool) {
	switch {
	case m.flags&memberAway == 0:
	case recovered:
		s.round.Recovered++
		s.round.LastWhole = s.d.now
	case asked:
		s.round.Unrecovered++
	default:
		s.round.Without++
		m.flags |= memberFresh
	}
}

// epochIndex returns where in epochs one is.
func (s *stormPlay) epochIndex(epoch []byte) uint32 {
	i, ok := s.indices[string(epoch)]
	if !ok {
		i = uint32(len(s.epochs))
		s.epochs = append(s.epochs, string(epoch))
		s.indices[s.epochs[i]] = i
	}
	return i
}

// returned counts a member that is back, apart from those that stand for the first time.
func (s *stormPlay) returned(p *peer) bool {
	if s.d.run.isPublisher(p.number) {
		return false
	}
	m := s.member(p.number)
	if m.flags&memberAway == 0 {
		return false
	}
	m.flags &^= memberAway
	s.d.counters.returned.add(1)
	record(s.round.Away.Histogram, s.d.now-m.left)
	record(s.round.Connect.Histogram, s.d.now-p.began)
	s.round.LastBack = s.d.now
	return true
}

// failed counts a try to come back that has failed, apart from first connects.
func (s *stormPlay) failed(p *peer, label string) bool {
	if s.d.run.isPublisher(p.number) || s.member(p.number).flags&memberAway == 0 {
		return false
	}
	s.round.Refusals[label]++
	return true
}

// lost counts a member that the server has closed: it comes back like the others.
func (s *stormPlay) lost(p *peer, label string) bool {
	if s.d.run.isPublisher(p.number) || s.member(p.number).flags&memberCounted == 0 {
		return false
	}
	s.d.result.closes[label]++
	return true
}

// ended has a member come back.
func (s *stormPlay) ended(p *peer, stage uint8, _ netpoll.Reason) {
	seconds := s.d.wait
	s.d.wait = 0
	if s.d.run.isPublisher(p.number) || s.member(p.number).flags&memberCounted == 0 {
		return
	}
	switch m := s.member(p.number); {
	case stage == ready:
		s.leaves(p.number, s.d.run.clock())
	case stage < ready:
		m.tries = min(m.tries+1, maxStep)
	}
	s.returnLater(p.number, seconds)
}

// How clients come back. The polite wait as the JavaScript client of the protocol does: a random time up to twice as long
// after each failure, half a second more, twenty seconds at most; and from when the server has asked them to wait for
// (Retry-After, RFC 9110 section 10.2.3) on. The rude do so at once, and again as soon as they have failed.
const (
	leastWait = 500 * time.Millisecond
	mostWait  = 20 * time.Second
	rudeWait  = 50 * time.Millisecond // after a failure
	maxStep   = 31
)

// returnLater has connection number dialled again when its time has come; the server has asked it to wait for some seconds.
func (s *stormPlay) returnLater(number uint32, seconds int) {
	var wait time.Duration
	switch tries := s.member(number).tries; {
	case s.d.run.options.Return == polite:
		wait = max(time.Duration(seconds)*time.Second, leastWait) + jitter(tries)
	case tries > 0:
		wait = rudeWait
	}
	s.d.later.add(s.d.run.clock()+int64(wait), number)
}

// jitter returns how long a polite client waits after so many failures, the least time aside.
func jitter(tries uint8) time.Duration {
	most := mostWait - leastWait
	if tries < maxStep {
		most = min(most, leastWait<<tries)
	}
	return rand.N(most)
}

// heard enters in most the highest number of a publication that has come to any member of each room.
func (s *stormPlay) heard(most []uint32) {
	for i := range s.members {
		if number := s.d.number(uint32(i)); !s.d.run.isPublisher(number) {
			room := s.d.run.roomOf(number)
			most[room] = max(most[room], s.members[i].track.last)
		}
	}
}

// settle enters what was due to the members.
func (s *stormPlay) settle() {
	run := s.d.run
	for i := range s.members {
		m := &s.members[i]
		if m.flags&memberCounted == 0 {
			continue
		}
		room := run.roomOf(s.d.number(uint32(i)))
		until := run.published[room]
		switch {
		case m.flags&memberAway != 0 && run.ctx.Err() != nil:
			until = m.track.last // it was not given the time to come back
		case m.flags&memberFresh != 0:
			s.excuse(m, room, until+1)
		}
		s.d.result.ledger.settle(until - m.excused)
	}
}
