package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// The stages of a peer, in the order of its life.
const (
	gone      uint8 = iota // nobody has the slot, or nothing more is expected of who has it
	dialing                // connect is under way
	securing               // the TLS handshake is, if there is one
	upgrading              // the request has been sent
	joining                // connect and subscribe have been sent
	ready
	leaving // we have sent a close frame
)

// Time limits of one connection.
const (
	connectTimeout = 30 * time.Second // from dialling to ready
	closeTimeout   = 10 * time.Second // from a close frame to the end
)

// peer is one connection of a driver, by slot. It holds no pointers.
type peer struct {
	track  track // what has come to it
	began  int64 // when it was dialled
	stream frame.Stream
	number uint32 // which connection of all
	sent   uint32 // echoes it has sent
	owed   uint8  // replies to wait for before it is ready
	stage  uint8
}

// play is what one scenario does with connections that stand. It runs on the driver's loop.
type play interface {
	stood(c *netpoll.Conn, p *peer)                 // p is ready
	message(c *netpoll.Conn, p *peer, b []byte)     // a whole message has come to p
	turn(now int64) (more bool)                     // once a turn, while there is to be load
	ended(p *peer, stage uint8, why netpoll.Reason) // p, which had come as far as stage, is gone
}

// keeper is a play that itself keeps account of some connections that come and go.
type keeper interface {
	returned(p *peer) bool             // p is ready; true if that has been accounted for
	failed(p *peer, label string) bool // p did not become ready; the same
	lost(p *peer, label string) bool   // p was ready and is closed; the same
}

// keepsNone is a keeper that leaves them all to the driver.
type keepsNone struct{}

func (keepsNone) returned(*peer) bool       { return false }
func (keepsNone) failed(*peer, string) bool { return false }
func (keepsNone) lost(*peer, string) bool   { return false }

// driver is one loop's share of the load. All of it but the counters belongs to the loop's goroutine.
type driver struct {
	loop *netpoll.Loop
	run  *run
	play play
	keep keeper // the play, if it is one
	ear  ear    // the same

	peers    []peer              // by slot
	slots    []uint32            // of the connections, by index
	share    uint32              // how many connections this loop has to make
	next     uint32              // and how many it has begun
	again    []uint32            // numbers to dial once more
	resting  bool                // not before the next beat, as the last try failed
	polls    []poll              // by slot, with polling
	waiting  map[uint32][]byte   // by slot of a session's first conn: the packets that no POST could take yet
	secureds map[uint32]*secured // by slot, nil without TLS
	later    calendar            // numbers to dial once more at their time
	pending  int                 // connections on their way to ready
	dials    pace
	stages   struct{ dialing, crowding, sending, draining, over bool } // crowding: however many are on their way

	now       int64  // on the run's clock, when the bytes at hand were read
	out       []byte // frames to the conn at hand
	sealed    []byte // records of them
	request   []byte // the HTTP request being put together
	body      []byte // of an answer in chunks
	text      []byte // the message being put together
	decoder   protocol.Decoder
	reply     protocol.Reply // the last one decoded
	replyLine []byte         // and what from
	repeats   repeats
	mask      uint32   // of the last frame
	command   uint32   // id of the last command
	wait      int      // seconds for which the last refusal asked to stay away
	census    []uint32 // members of each room over all loops, once they have been counted
	counters  counters
	result    result
}

// result is what a driver has to tell at the end.
type result struct {
	ledger   Ledger
	connect  *hdrhistogram.Histogram // from dialling to ready
	latency  *hdrhistogram.Histogram // from due to arrival; in churn from dialling to closed; since the timeline's last look
	late     *hdrhistogram.Histogram // from due to sent
	failures map[string]uint64       // why connections did not become ready
	closes   map[string]uint64       // why they were lost later
	errors   map[string]uint64       // what else was wrong
}

func newDriver(l *netpoll.Loop, r *run) *driver {
	loops, id := uint32(r.loops), uint32(l.Number())
	share := (r.share.of(r.total()) + loops - 1 - id) / loops
	d := &driver{
		loop:  l,
		run:   r,
		share: share,
		peers: make([]peer, 0, share),
		slots: make([]uint32, share),
		mask:  id*2 + 1,

		waiting: make(map[uint32][]byte),
		result: result{
			connect:  newHistogram(),
			latency:  newHistogram(),
			late:     newLateness(),
			failures: make(map[string]uint64),
			closes:   make(map[string]uint64),
			errors:   make(map[string]uint64),
		},
	}
	d.play = r.newPlay(d)
	_, d.repeats.wanted = d.play.(*roomsPlay)
	d.keep, _ = d.play.(keeper)
	d.ear, _ = d.play.(ear)
	return d
}

// do has f called on the loop, and returns when it has been.
func (d *driver) do(f func()) {
	done := make(chan struct{})
	d.loop.Send(netpoll.Post{Item: func(*driver) { f(); close(done) }})
	<-done
}

// of returns connection number if it is ready, which is of this driver.
func (d *driver) of(number uint32) (*netpoll.Conn, *peer) {
	slot := d.slots[d.index(number)]
	if int(slot) >= len(d.peers) {
		return nil, nil
	}
	p := &d.peers[slot]
	if p.stage != ready || p.number != number {
		return nil, nil
	}
	return d.loop.At(slot), p
}

// Posted does what the run has asked for. A post without an item is a beat, which wakes the loop.
func (d *driver) Posted(p netpoll.Post) {
	if f, ok := p.Item.(func(*driver)); ok {
		f(d)
	} else {
		d.resting = false
	}
}

// Turn dials what may be dialled and sends what is due.
func (d *driver) Turn() (more bool) {
	now := d.run.clock()
	if d.stages.dialing {
		more = d.dialSome(now)
	}
	if d.stages.sending {
		more = d.play.turn(now) || more
	}
	if d.stages.draining || d.stages.dialing && d.next == d.share && d.pending == 0 {
		d.run.notify()
	}
	return more
}

// Opened says what comes before the request: who a proxy brings, and the TLS handshake.
func (d *driver) Opened(c *netpoll.Conn) {
	p := &d.peers[c.Slot()]
	if p.stage == dialing {
		p.stage = securing
	}
	to, _ := d.run.routes.of(p.number)
	if d.out = d.run.routes.proxy.append(d.out[:0], to, p.number); len(d.out) > 0 {
		d.loop.Write(c, d.out)
	}
	if to.secure != nil {
		d.shake(c, to.secure)
		return
	}
	d.begin(c, p)
}

// begin makes the first request on a connection that is ready to be written to: for the upgrade, or for a session.
func (d *driver) begin(c *netpoll.Conn, p *peer) {
	if d.run.options.polls() {
		d.polled(c)
		return
	}
	p.stage = upgrading
	d.write(c, d.run.requestOf(p.number).wire)
}

// Received reads the server's answer to the upgrade and then its frames, and sends what they call for
// in one write.
func (d *driver) Received(c *netpoll.Conn, b []byte) (used, need int) {
	p := &d.peers[c.Slot()]
	if p.stage == gone && !d.isSecond(c) {
		return len(b), 0
	}
	d.now = d.run.clock()
	if s := d.secure(c); s != nil {
		return d.receivedSecured(c, s, p, b)
	}
	return d.receivedPlain(c, p, b)
}

// receivedPlain is Received without TLS.
func (d *driver) receivedPlain(c *netpoll.Conn, p *peer, b []byte) (used, need int) {
	if d.run.options.polls() {
		return d.receivedAnswer(c, b)
	}
	d.out = d.out[:0]
	if p.stage == upgrading {
		used = d.upgraded(c, p, b)
		if used == 0 {
			return 0, 0
		}
	}
	n, need := d.frames(c, p, b[used:])
	if len(d.out) > 0 {
		d.write(c, d.out)
	}
	return used + n, need
}

// frames takes the whole frames off the front of b.
func (d *driver) frames(c *netpoll.Conn, p *peer, b []byte) (used, need int) {
	used = d.repeated(p, b)
	begin := used
	d.repeats.dues, d.repeats.mixed = d.repeats.dues[:0], false
	for used < len(b) && p.stage != gone {
		f, n, more, err := p.stream.Next(b[used:], &frameOptions)
		if err != nil {
			d.drop(c, p, "server broke the protocol: "+err.Reason)
			break
		}
		if n == 0 {
			need = more
			break
		}
		used += n
		d.frame(c, p, f)
	}
	d.remember(p, b[begin:used])
	return used, need
}

// frameOptions: the flooder neither offers compression nor puts fragments together.
var frameOptions = frame.Options{MaxMessage: 64 << 20, MaxFragments: 1, Client: true}

func (d *driver) frame(c *netpoll.Conn, p *peer, f frame.Frame) {
	switch f.Opcode {
	case frame.OpClose:
		d.repeats.mixed = true
		d.closing(c, p, f.Payload)
	case frame.OpPing:
		d.repeats.mixed = true
		d.out = frame.AppendMasked(d.out, d.key(), frame.OpPong, f.Payload, false)
	case frame.OpPong:
		d.repeats.mixed = true
	default:
		d.play.message(c, p, f.Payload)
	}
}

// key returns the next frame's masking key: cheap to make and never zero.
func (d *driver) key() [4]byte {
	d.mask ^= d.mask << 13
	d.mask ^= d.mask >> 17
	d.mask ^= d.mask << 5
	return [4]byte{byte(d.mask), byte(d.mask >> 8), byte(d.mask >> 16), byte(d.mask >> 24)}
}

// stand makes p ready.
func (d *driver) stand(c *netpoll.Conn, p *peer) {
	d.loop.StopTimer(c)
	p.stage = ready
	d.pending--
	if d.keep == nil || !d.keep.returned(p) {
		d.counters.ready.add(1)
		record(d.result.connect, d.now-p.began)
	}
	d.play.stood(c, p)
}

// Drained has nothing to do: what is to be sent is never held back.
func (d *driver) Drained(*netpoll.Conn) {}
