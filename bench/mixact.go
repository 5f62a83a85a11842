package bench

import (
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// maxMixActions bounds what a loop begins in one turn.
const maxMixActions = 128

// turn does what is due.
func (m *mixPlay) turn(now int64) (more bool) {
	m.d.now = now
	m.runEvents(now)
	m.runPatience(now)
	done := 0
	for i := range m.sources {
		s := &m.sources[i]
		for s.next <= now && !m.settling {
			if done++; done > maxMixActions {
				return true
			}
			due, idle := s.next, s.idle
			m.advance(s)
			if !idle {
				record(m.d.result.late, now-due)
				m.act(s, due)
			}
		}
	}
	return false
}

// act has one of a class's connections do what s is for.
func (m *mixPlay) act(s *mixSource, due int64) {
	c := m.classes[s.class]
	number, which, size := c.numbers[s.rng.IntN(len(c.numbers))], s.rng.Uint64(), c.Payload[draw(c.sizes, s.rng)].Bytes
	member := m.member(number)
	conn, _ := m.d.of(number)
	if conn == nil || member.leaving || s.action != doRPC && len(member.rooms) == 0 {
		c.row.Absent++
		return
	}
	var room uint32
	if len(member.rooms) > 0 {
		room = member.rooms[which%uint64(len(member.rooms))].room
	}
	if s.action == doPublish {
		m.publish(number, room, due, size)
		return
	}
	c.row.Calls++
	if m.d.run.options.alone() {
		c.row.Refused++ // there is nobody to call
		return
	}
	m.call(conn, number, s.action, room, due)
}

// publish sends a room's next publication, which is number's unless somebody's are still to be answered there: the
// books say why.
func (m *mixPlay) publish(number, room uint32, due int64, size int) {
	r := &m.rooms[room]
	if r.unanswered > 0 {
		number = r.speaker
	}
	conn, _ := m.d.of(number)
	if conn == nil { // it was given up with something unanswered: until its end nobody may go on for it
		m.classes[m.member(number).class].row.Absent++
		return
	}
	r.speaker = number
	r.number++
	r.unanswered++
	m.classes[m.member(number).class].row.Published++
	data := stamp{m.d.number(room), r.number, due}.appendTo(nil, size)
	id := m.command(number, mixPending{number, room, doPublish, due})
	if m.d.run.options.alone() {
		r.asked = append(r.asked, id)
	}
	m.d.text = m.d.appendPublish(m.d.text[:0], id, r.name, data)
	m.send(conn)
}

// command makes room for a command and returns its id.
func (m *mixPlay) command(number uint32, p mixPending) (id uint32) {
	d := m.d
	d.command = max(d.command+1, firstMixID)
	m.pending[d.command] = p
	m.member(number).unanswered++
	d.counters.sent.add(1)
	return d.command
}

// send writes the command in text to conn.
func (m *mixPlay) send(conn *netpoll.Conn) {
	d := m.d
	d.out = d.out[:0]
	d.sendText(d.text)
	d.write(conn, d.out)
	d.out = d.out[:0]
}

// historyLimit is how much of the past a client that opens a room asks for.
const historyLimit = 20

func (m *mixPlay) call(conn *netpoll.Conn, number uint32, action int, room uint32, due int64) {
	id := m.command(number, mixPending{number, room, action, due})
	name, text := []byte(nil), m.d.text[:0]
	if len(m.rooms) > 0 {
		name = m.rooms[room].name
	}
	if m.d.run.options.Protocol == SocketIO {
		m.d.text = m.appendCall(text, id, number, action, name)
		m.send(conn)
		m.patient = append(m.patient, mixDeadline{m.d.now + int64(callPatience), id})
		return
	}
	switch action {
	case doTyping:
		data := append(append([]byte(`{"typing":true,"channel":`), m.rooms[room].quoted...), '}')
		text = protocol.JSON.AppendRPC(text, id, &protocol.RPCRequest{Method: []byte("edge.typing"), Data: data})
	case doPresence:
		text = protocol.JSON.AppendPresenceStats(text, id, name)
	case doHistory:
		text = protocol.JSON.AppendHistory(text, id, &protocol.HistoryRequest{Channel: name, Limit: historyLimit, Reverse: true})
	case doRPC:
		method := m.classes[m.member(number).class].Method
		text = protocol.JSON.AppendRPC(text, id, &protocol.RPCRequest{Method: []byte(method)})
	}
	m.d.text = text
	m.send(conn)
}
