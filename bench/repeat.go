package bench

import "bytes"

// repeat is a run of whole frames that brought a member the next publications of its room, and nothing else, and was
// checked byte by byte. Other members are due the same bytes: theirs need only be compared, which costs a tenth. So the
// load leaves the machine to the server, and still vouches for every byte.
type repeat struct {
	wire  []byte
	room  uint32
	first uint32  // sequence of the first publication
	dues  []int64 // when each was due to be sent, on the run's clock
}

// repeats are the last runs of a driver, by room modulo their number, and the one that is being checked.
type repeats struct {
	known [64]repeat

	dues  []int64 // of the frames at hand
	mixed bool    // they hold something else, or not what was to come next
}

// repeated takes frames off the front of b that are, to a byte, those that have brought another member of p's room what
// p is to receive next. It returns their size, 0 if b does not begin with such.
func (d *driver) repeated(p *peer, b []byte) int {
	if p.stage != ready || !p.stream.Idle() {
		return 0
	}
	room := d.run.roomOf(p.number)
	r := &d.repeats.known[room%uint32(len(d.repeats.known))]
	if r.room != room || r.first != p.track.last+1 || len(r.dues) == 0 || d.run.isPublisher(p.number) || !bytes.HasPrefix(b, r.wire) {
		return 0
	}
	d.result.ledger.noteRun(&p.track, uint32(len(r.dues)))
	d.counters.delivered.add(uint64(len(r.dues)))
	for _, due := range r.dues {
		record(d.result.latency, d.now-due)
	}
	return len(r.wire)
}

// remember keeps wire, the frames that have just been checked, for those who are due the same.
func (d *driver) remember(p *peer, wire []byte) {
	if d.repeats.mixed || len(d.repeats.dues) == 0 {
		return
	}
	room := d.run.roomOf(p.number)
	r := &d.repeats.known[room%uint32(len(d.repeats.known))]
	r.wire = append(r.wire[:0], wire...)
	r.dues = append(r.dues[:0], d.repeats.dues...)
	r.room, r.first = room, p.track.last+1-uint32(len(r.dues))
}
