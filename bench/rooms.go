package bench

import (
	"strconv"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// roomsPlay has connections in rooms, which receive what publishers send there. It is idle's and
// fan-out's.
type roomsPlay struct {
	d    *driver
	pace pace
	next uint64 // of the run's publications

	messages bool     // every connection is to send one message of its own
	lost     []uint32 // rooms of the members that are gone since the census
}

const (
	maxPublications = 64  // a turn
	maxUnanswered   = 512 // commands under way on a loop when every connection sends one
)

func (r *roomsPlay) stood(*netpoll.Conn, *peer) {}

// turn publishes what is due from this loop's publishers, or lets the next connections have their say.
func (r *roomsPlay) turn(now int64) (more bool) {
	if r.messages {
		return r.sendMessages()
	}
	for range maxPublications {
		due := r.pace.at(r.next)
		if due > now {
			return false
		}
		room := uint32(r.next % uint64(r.d.run.options.Rooms))
		r.next++
		if r.d.run.publisherLoop(room) == r.d.loop.Number() {
			record(r.d.result.late, now-due)
			r.publish(room, due, r.d.run.options.Payload)
		}
	}
	return true
}

// publishOnce sends one publication of size bytes to each room of this loop's publishers.
func (r *roomsPlay) publishOnce(due int64, size int) {
	for room := range uint32(r.d.run.options.Rooms) {
		if r.d.run.publisherLoop(room) == r.d.loop.Number() {
			r.publish(room, due, size)
		}
	}
}

// publish sends the room's next publication.
func (r *roomsPlay) publish(room uint32, due int64, size int) {
	d := r.d
	c, p := d.of(d.run.publisherOf(room))
	switch {
	case p == nil && d.run.options.alone():
		return // it is away
	case p == nil:
		d.result.errors["publication without a publisher"]++
		return
	}
	d.run.published[room]++
	data := stamp{room, d.run.published[room], due}.appendTo(nil, size)
	d.counters.due.add(uint64(d.census[room]))
	r.send(c, d.run.roomName(room), data)
}

// send publishes data from c. Whatever becomes of it is counted when the reply comes.
func (r *roomsPlay) send(c *netpoll.Conn, room, data []byte) {
	d := r.d
	d.command = max(d.command+1, personalID+1)
	if !d.run.options.alone() { // there nothing answers but the delivery
		d.counters.sent.add(1)
	}
	d.text = d.appendPublish(d.text[:0], d.command, room, data)
	d.out = d.out[:0]
	d.sendText(d.text)
	d.write(c, d.out)
}

// beginMessages has every connection publish, in its turn, to a room that nobody is in.
func (r *roomsPlay) beginMessages() {
	r.messages, r.d.stages.sending = true, true
	r.d.counters.unasked.n.Store(uint64(r.d.share))
}

// sendMessages does that with the next.
func (r *roomsPlay) sendMessages() (more bool) {
	d := r.d
	for d.counters.sent.value()-d.counters.answered.value() < maxUnanswered {
		left := d.counters.unasked.value()
		if left == 0 {
			return false
		}
		number := d.number(d.share - uint32(left))
		if c, _ := d.of(number); c != nil && !d.run.isPublisher(number) {
			r.send(c, d.run.emptyRoom(), stamp{number, 1, 0}.appendTo(nil, d.run.options.Message))
		}
		d.counters.unasked.n.Store(left - 1)
	}
	return false // the next reply makes the next turn
}

func (r *roomsPlay) message(c *netpoll.Conn, p *peer, b []byte) { r.d.hear(c, p, b) }

// ended remembers that a member who counted is gone: what it is due will be missing.
func (r *roomsPlay) ended(p *peer, stage uint8, _ netpoll.Reason) {
	if stage == ready && r.d.census != nil && !r.d.run.isPublisher(p.number) {
		r.lost = append(r.lost, r.d.run.roomOf(p.number))
	}
}

// roomName returns the name of a room of this run.
func (r *run) roomName(room uint32) []byte {
	return strconv.AppendUint(append([]byte(nil), r.options.RoomPrefix...), uint64(room), 10)
}

// personalRoom returns the name of the room that a member has for itself.
func (r *run) personalRoom(number uint32) []byte {
	return strconv.AppendUint(append([]byte(nil), r.options.RoomPrefix+"own-"...), uint64(number), 10)
}

// emptyRoom returns the name of a room that no connection joins.
func (r *run) emptyRoom() []byte {
	return append(append([]byte(nil), r.options.RoomPrefix...), "nobody"...)
}

// roomOf returns the room of a connection that is no publisher.
func (r *run) roomOf(number uint32) uint32 { return number % uint32(r.options.Rooms) }

// isPublisher reports whether connection number publishes: those beyond the members do.
func (r *run) isPublisher(number uint32) bool { return number >= uint32(r.options.Connections) }

// publisherOf returns the connection that publishes to a room: always the same one, so that order holds.
func (r *run) publisherOf(room uint32) uint32 {
	if r.options.alone() {
		return room
	}
	return uint32(r.options.Connections) + room%uint32(r.options.Publishers)
}

// publisherLoop returns the loop of that connection, -1 if it is of another process.
func (r *run) publisherLoop(room uint32) int {
	number := r.publisherOf(room)
	if !r.share.has(number) {
		return -1
	}
	return int(r.share.index(number)) % r.loops
}
