package bench

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// enter begins a life of number's, in rooms that it draws.
func (m *mixPlay) enter(number uint32) {
	member := m.member(number)
	member.life++
	member.leaving, member.stalled, member.excused = false, false, false
	m.chooseRooms(number, member)
	for i := range member.rooms {
		s := &member.rooms[i]
		s.join(&m.rooms[s.room].roomBook)
	}
}

// ask has number join its rooms, each by a command of its own, and returns how many replies there will be. In Centrifuge's protocol the
// commands follow in the text at hand.
func (m *mixPlay) ask(number uint32) (replies uint8) {
	d, member := m.d, m.member(number)
	for i := range member.rooms {
		room, id := m.rooms[member.rooms[i].room].name, uint32(connectID+1+i)
		if d.run.options.Protocol == SocketIO {
			d.sendJoin(id, room)
			continue
		}
		d.text = append(d.text, '\n')
		d.text = protocol.JSON.AppendSubscribe(d.text, id, &protocol.SubscribeRequest{Channel: room})
	}
	return uint8(len(member.rooms))
}

// chooseRooms draws the rooms of a life.
func (m *mixPlay) chooseRooms(number uint32, member *mixMember) {
	if m.d.run.options.alone() {
		member.rooms = append(member.rooms[:0], membership{room: m.d.index(number)})
		return
	}
	rng := m.d.run.random(uint64(number)<<32|uint64(member.life), 7)
	of := m.classes[member.class].Rooms
	wanted := min(of.Min+rng.IntN(of.Max-of.Min+1), len(m.rooms))
	member.rooms = member.rooms[:0]
	for tries := 0; len(member.rooms) < wanted && tries < 8*wanted; tries++ {
		room := uint32(draw(m.weights, rng))
		if !slices.ContainsFunc(member.rooms, func(s membership) bool { return s.room == room }) {
			member.rooms = append(member.rooms, membership{room: room})
		}
	}
}

// stood enters that p is in all its rooms.
func (m *mixPlay) stood(_ *netpoll.Conn, p *peer) {
	member := m.member(p.number)
	for i := range member.rooms {
		s := &member.rooms[i]
		s.stand(&m.rooms[s.room].roomBook)
	}
	m.classes[member.class].row.Lives++
	if m.start > 0 {
		m.plan(p.number)
	}
}

// plan draws what becomes of a life that has begun.
func (m *mixPlay) plan(number uint32) {
	member := m.member(number)
	c := m.classes[member.class]
	rng := m.d.run.random(uint64(number)<<32|uint64(member.life), 8)
	if c.Session > 0 {
		m.in(expDuration(c.Session, rng), number, evEnd)
	}
	if member.slow {
		m.in(expDuration(c.Stall, rng), number, evStall)
	}
}

func expDuration(mean time.Duration, rng *rand.Rand) time.Duration {
	return time.Duration(min(rng.ExpFloat64(), 100) * float64(mean))
}

// in has something happen to number in its present life.
func (m *mixPlay) in(d time.Duration, number uint32, what uint8) {
	heap.Push(&m.events, mixEvent{m.d.run.clock() + int64(d), number, m.member(number).life, what})
}

func (m *mixPlay) runEvents(now int64) {
	for len(m.events) > 0 && m.events[0].at <= now {
		e := heap.Pop(&m.events).(mixEvent)
		if m.member(e.number).life == e.life {
			m.happen(e)
		}
	}
}

func (m *mixPlay) happen(e mixEvent) {
	if e.what == evReturn {
		if !m.settling {
			m.d.again = append(m.d.again, e.number)
		}
		return
	}
	conn, p := m.d.of(e.number)
	if conn == nil {
		return
	}
	member := m.member(e.number)
	switch e.what {
	case evEnd:
		m.leave(conn, p, member)
	case evGiveUp:
		m.close(conn, p)
	case evStall:
		if !member.leaving {
			m.stall(conn, e.number, m.classes[member.class].Stall)
		}
	case evRead:
		m.read(conn, member)
		if member.slow {
			m.in(m.classes[member.class].Stall, e.number, evStall)
		}
	}
}

// stall has a connection not read for a while.
func (m *mixPlay) stall(conn *netpoll.Conn, number uint32, d time.Duration) {
	member := m.member(number)
	if !member.stalled {
		member.stalled = true
		m.d.loop.Pause(conn)
		m.in(d, number, evRead)
	}
}

// read has it read again.
func (m *mixPlay) read(conn *netpoll.Conn, member *mixMember) {
	if member.stalled {
		member.stalled = false
		m.d.loop.Resume(conn)
	}
}

// leave begins the end of a life: all that has been sent by now has to come before.
func (m *mixPlay) leave(conn *netpoll.Conn, p *peer, member *mixMember) {
	if member.leaving || m.settling {
		return
	}
	m.read(conn, member)
	member.leaving = true
	for i := range member.rooms {
		s := &member.rooms[i]
		s.until = m.rooms[s.room].number
	}
	m.in(m.d.run.options.Drain, p.number, evGiveUp)
	if m.isDone(member) {
		m.close(conn, p)
	}
}

// isDone reports whether all has come to a connection that is to leave.
func (m *mixPlay) isDone(member *mixMember) bool {
	if member.unanswered > 0 {
		return false
	}
	for i := range member.rooms {
		s := &member.rooms[i]
		if !s.reached(&m.rooms[s.room].roomBook) {
			return false
		}
	}
	return true
}

// close says goodbye, outside of Received.
func (m *mixPlay) close(conn *netpoll.Conn, p *peer) {
	if p.stage != ready {
		return
	}
	m.d.out = m.d.out[:0]
	m.d.leave(conn, p)
	m.d.write(conn, m.d.out)
	m.d.out = m.d.out[:0]
}

// comeBack is how long a connection that could not be made, or was closed, waits before the next try.
const comeBack = time.Second

// lost counts apart who was not read: to close those is the server's right.
func (m *mixPlay) lost(p *peer, label string) bool {
	member := m.member(p.number)
	if !member.slow && !member.excused {
		return false
	}
	m.d.result.closes[label]++
	m.d.counters.left.add(1)
	m.classes[member.class].row.ClosedSlow++
	return true
}

// ended enters the end of a life.
func (m *mixPlay) ended(p *peer, stage uint8, why netpoll.Reason) {
	member := m.member(p.number)
	c := m.classes[member.class]
	away := comeBack
	if stage == leaving && m.d.countLeft(why) {
		c.row.Left++
		away = c.Away
	}
	m.over(p.number, stage)
	if m.settling {
		return
	}
	if stage < ready {
		member.life++ // the try had none of its own
	}
	m.in(expDuration(away, m.d.run.random(uint64(p.number)<<32|uint64(member.life), 9)), p.number, evReturn)
}

// over settles what was due to a connection that is gone, and what it had not had an answer to.
func (m *mixPlay) over(number uint32, stage uint8) {
	member := m.member(number)
	m.abandon(number, member)
	for i := range member.rooms {
		s := &member.rooms[i]
		room := &m.rooms[s.room].roomBook
		if stage != leaving {
			s.until = 0
			m.count.Unclaimed += s.owed(room, room.answered())
		}
		m.d.result.ledger.settleMember(room, s, s.until)
	}
	member.rooms = member.rooms[:0]
	member.leaving = false
}

// abandon gives up the answers to a connection's commands.
func (m *mixPlay) abandon(number uint32, member *mixMember) {
	if member.unanswered == 0 {
		return
	}
	if m.d.run.options.alone() {
		m.rooms[m.d.index(number)].asked = nil
	}
	for id, p := range m.pending {
		if p.number != number {
			continue
		}
		delete(m.pending, id)
		m.d.counters.answered.add(1)
		if room := &m.rooms[p.room]; p.action == doPublish && room.unanswered > 0 {
			m.count.Doubtful += uint64(room.doubt())
		}
	}
	member.unanswered = 0
}

// owed returns how many deliveries are still due to those who are there.
func (m *mixPlay) owed() (n uint64) {
	for i := range m.d.peers {
		p := &m.d.peers[i]
		if p.stage != ready {
			continue
		}
		member := m.member(p.number)
		for j := range member.rooms {
			s := &member.rooms[j]
			room := &m.rooms[s.room].roomBook
			until := room.number
			if member.leaving {
				until = s.until
			}
			n += s.owed(room, until)
		}
	}
	return n
}

// settle enters what was due to those who are there at the end.
func (m *mixPlay) settle() {
	for i := range m.d.peers {
		p := &m.d.peers[i]
		if p.stage == gone || p.stage == dialing {
			continue
		}
		member := m.member(p.number)
		for j := range member.rooms {
			s := &member.rooms[j]
			room := &m.rooms[s.room].roomBook
			if p.stage == ready && !member.leaving {
				s.until = room.number
			}
			m.d.result.ledger.settleMember(room, s, s.until)
		}
		member.rooms = member.rooms[:0]
	}
}
