package server

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/internal/poison"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// loop is the sessions of one netpoll.Loop. Only the loop's goroutine touches it.
type loop struct {
	// Set before Run.
	server  *Server
	net     *netpoll.Loop
	rosters *hub.Local
	ids     clientIDs

	engineIDs shortIDs // of sessions of Engine.IO

	// Loop goroutine only.
	limits       clientLimits
	options      frame.Options // without what a session negotiated
	sessions     netpoll.Table[session]
	peers        netpoll.Table[address] // of conns that came by way of a balancer
	secured      []*secured             // by slot, if there is TLS
	rereads      []netpoll.ConnID       // whose plaintext has not been used up
	users        users
	partials     partials
	midway       midway
	engines      engines
	pollings     pollings
	duePolls     []netpoll.ConnID // sessions that have something for the poll that is held
	sockets      sockets
	calls        map[netpoll.ConnID]*call  // what is out at the worker pool
	farewells    []func()                  // what the pool has had no room for
	unserved     map[netpoll.ConnID][]byte // commands that wait until the replies before them have left
	typists      map[netpoll.ConnID][]typing
	debts        debts
	chanInfos    map[netpoll.ConnID][]chanInfo
	behind       behind
	heldCORS     map[netpoll.ConnID][]byte           // cors of requests that are held
	lines        map[netpoll.ConnID][]netpoll.ConnID // requests with commands for a session that has to finish others first
	audiences    audiences
	stays        bool // the request in hand is to be read again, here later or on another loop
	subEnds      subEnds
	subTokens    map[netpoll.ConnID][]subToken
	capabilities map[netpoll.ConnID]*auth.Capabilities // of clients whose token grants any
	granted      map[netpoll.ConnID]uint64             // rooms of clients whose token puts them into any
	fields       fields                                // of the requests of clients that have not connected yet
	attachments  map[netpoll.ConnID]attachment         // of clients that have any
	throttles    throttles
	decoder      protocol.Decoder
	command      protocol.Command
	request      frame.Request
	http         httpRequest // the one in hand
	counts       metrics.Counts
	rejected     rejections
	worked       time.Duration // of l.net.Busy, what has been counted as turns
	random       *rand.Rand
	shedding     shedding
	ages         netpoll.Table[uint32] // moments at which sessions are to connect anew; empty where they never are
	typingDue    time.Duration         // when to look at the typists again
	pings        int                   // of the conn in hand in this call
	lastPing     []byte
	reaped       time.Duration // when the loop last looked for messages that do not become whole
	hand         *netpoll.Conn // whose bytes are being served; l.out is what they cause for it
	spent        int           // commands and control frames of the conn in hand that have been served since the last charge
	atGate       bool          // this loop waits for its turn to fan out
	inGate       bool          // this loop may fan out
	slice        time.Duration // for how long, before it looks at its sockets again
	joining      bool          // deliveries are corked, so that those of several rooms share a write
	uncorking    bool          // what was corked is being written
	timed        bool          // something waits for a time
	full         bool          // more waits for fan-out than may

	// Scratch space, good within one call.
	out      []byte // bytes for the conn in hand: what one read has caused leaves in one write
	replies  []byte // replies for it that will share a frame
	late     []*hub.Publication
	cors     []byte // header lines for a page of another site, of the answer to the request in hand
	heldOut  []byte // an answer to a request that was held
	body     []byte // of a request, out of its chunks
	packed   []byte // of an answer, compressed
	header   []byte // lines of one
	chunk    []byte // of a stream, without its size
	events   []byte // such a chunk with it
	joined   []byte // those in one frame
	packet   []byte // of Engine.IO
	payload  []byte // of a poll
	framed   []byte // a frame for a conn that is not in hand
	inflated []byte
	sealed   []byte // TLS records
	clear    []byte // plaintext of them
	idSpace  scratch
	idText   []byte
	user     []byte
	who      []byte

	recoverable int // bytes that the connect in hand may still recover

	// Any goroutine (atomic).
	remaining atomic.Int64 // conns that a drain has not seen the end of
	toShed    atomic.Int64 // sessions that are still to be told to go
	cut       atomic.Int64 // conns that a drain has closed before they had taken all that waited for them
}

// fanoutSlice is how long the loop serves rooms before it looks at its sockets again.
const fanoutSlice = time.Millisecond

func newLoop(s *Server, n *netpoll.Loop) *loop {
	l := &loop{
		partials:     partials{budget: s.inputs},
		server:       s,
		net:          n,
		ids:          s.ids,
		engineIDs:    s.engineIDs,
		users:        newUsers(),
		sockets:      newSockets(),
		calls:        make(map[netpoll.ConnID]*call),
		unserved:     make(map[netpoll.ConnID][]byte),
		typists:      make(map[netpoll.ConnID][]typing),
		chanInfos:    make(map[netpoll.ConnID][]chanInfo),
		debts:        debts{byConn: make(map[netpoll.ConnID][]*debt)},
		fields:       newFields(s.handler.Headers),
		attachments:  make(map[netpoll.ConnID]attachment),
		throttles:    make(throttles),
		subEnds:      subEnds{byConn: make(map[netpoll.ConnID]map[string]term)},
		subTokens:    make(map[netpoll.ConnID][]subToken),
		capabilities: make(map[netpoll.ConnID]*auth.Capabilities),
		granted:      make(map[netpoll.ConnID]uint64),
		behind:       newBehind(s.config.QueueLimit, s.budget),
		heldCORS:     make(map[netpoll.ConnID][]byte),
		lines:        make(map[netpoll.ConnID][]netpoll.ConnID),
		random:       rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	l.setLimits(s.config.clientLimits())
	l.rosters = s.hub.AddLoop(inbox{n}, l)
	l.rosters.InOrder = func(f hub.Form) bool { return wireOf(f).isSocket() }
	l.rosters.Meter = meter{l}
	return l
}

// Received takes what has come from a conn as far as it is complete: through a balancer's header and TLS, if there are such, to
// its session.
func (l *loop) Received(c *netpoll.Conn, b []byte) (used, need int) {
	defer l.guard(c)
	s := l.sessions.At(c.Slot())
	if s.state == stateProxy {
		used = l.readProxy(c, s, b)
		if s.state == stateProxy || s.state == stateClosing {
			return used, 0
		}
	}
	n := 0
	if t := l.securedOf(c); t != nil {
		n, need = l.receiveSecured(c, s, t, b[used:])
	} else {
		n, need = l.receive(c, s, b[used:])
	}
	return used + n, need
}

// receive takes what has come for a session as far as it is complete.
func (l *loop) receive(c *netpoll.Conn, s *session, b []byte) (used, need int) {
	l.hand = c
	defer func() { l.hand = nil }()
	switch s.state {
	case stateHead:
		used, need = l.readRequests(c, s, b)
		if s.stream() != nil {
			used = len(b) // as below
		}
	case stateHeld: // what stands behind a request waits for its answer
	default:
		if s.stream() != nil {
			used = len(b) // its client has no more to say here
		} else {
			used, need = l.readFrames(c, s, b)
		}
		l.endPings()
		l.charge(c, s, used)
	}
	l.limitInput(c, s, b[used:])
	if s.state == stateEcho || s.state == stateEngine || s.state == stateHead { // answers as large as what they answer
		l.flushOrWait(c)
	} else {
		l.flush(c)
	}
	return used, need
}

// flush writes what the call in hand has caused for c.
func (l *loop) flush(c *netpoll.Conn) {
	l.endReplies(l.sessions.At(c.Slot()))
	if len(l.out) > 0 {
		l.write(c, l.out)
		poison.Bytes(l.out)
		l.out = trim(l.out)
	}
}

// maxScratch bounds what scratch space keeps after a large message.
const maxScratch = 256 << 10

// trim empties scratch space.
func trim(b []byte) []byte {
	if cap(b) > maxScratch {
		return nil
	}
	return b[:0]
}

// Drained lets a session catch up, and goes on with one whose replies had not left: with the commands that stood behind
// them, and with reading.
func (l *loop) Drained(c *netpoll.Conn) {
	defer l.guard(c)
	l.catchUp(c)
	s := l.sessions.At(c.Slot())
	switch rest, ok := l.unserved[l.net.ID(c)]; {
	case ok && l.net.Backlog(c) == 0:
		delete(l.unserved, l.net.ID(c))
		s.clear(flagOffloaded)
		l.goOn(c, s, rest)
	default:
		l.readOn(c, s)
	}
}

// Slow ends a session whose out queue has overflowed, or has found no budget. Its client comes back and recovers.
//
// With TLS there is no goodbye: records that were dropped would be missed before it.
func (l *loop) Slow(c *netpoll.Conn) {
	s := l.sessions.At(c.Slot())
	if l.securedOf(c) != nil && s.state != stateClosing {
		l.counts.Disconnect(uint16(protocol.DisconnectSlow.Code))
		l.leave(c, s, protocol.DisconnectSlow)
		s.finish()
		l.net.Close(c, netpoll.ClosedLocally)
		return
	}
	l.disconnect(c, s, protocol.DisconnectSlow)
	l.flush(c)
}

// Expired serves the one timer of a session, which means what its state says.
func (l *loop) Expired(c *netpoll.Conn) {
	defer l.guard(c)
	s := l.sessions.At(c.Slot())
	switch s.state {
	case stateHead:
		l.endWaiting(c, s)
	case stateProxy, stateTLS:
		l.hangUp(c, s, metrics.RejectHeadTimeout)
	case stateNew:
		l.reject(c, metrics.RejectStale)
		l.disconnect(c, s, protocol.DisconnectStale)
	case stateReady:
		l.timer(c, s)
	case stateEngine:
		l.engineTimer(c, s)
	case stateProbe:
		l.probeTimer(c, s)
	case stateClosing: // it has waited for a poll
		l.net.Close(c, netpoll.ClosedLocally)
	}
	l.flush(c)
}

// Closed ends a session.
func (l *loop) Closed(c *netpoll.Conn, why netpoll.Reason) {
	s := l.sessions.At(c.Slot())
	l.leave(c, s, protocol.DisconnectConnectionClosed)
	if s.has(flagCounted) {
		l.counts.Connections[s.transport()]--
	}
	if !s.early() && s.state != stateClosing {
		l.counts.Disconnect(1006)
	}
	delete(l.heldCORS, l.net.ID(c))
	l.callNext(l.net.ID(c))
	l.depart(c, s)
	l.noteGone(c, why)
	if why == netpoll.ClosedStalled {
		l.counts.Slow[metrics.SlowClosedStall]++
	}
}

// Turn serves rooms for a slice, the drain, and what has become due.
func (l *loop) Turn() (more bool) {
	l.timeTurn()
	more = l.shed()
	l.endUnfinished()
	more = l.endSubscriptions() || more
	more = l.reread() || more
	if l.timed {
		more = l.runTimed() || more
	}
	more = l.fanOut() || more
	l.answerPolls()
	if full := l.rosters.Stats.WaitingBytes > maxWaiting; full != l.full {
		l.noteFull(full)
	}
	return more
}

// runTimed serves what is due by the clock.
func (l *loop) runTimed() (more bool) {
	l.expireTyping()
	l.releaseThrottled()
	l.collect()
	more = l.turnPages()
	l.sayFarewells()
	l.tendSockets()
	l.keepTime()
	return more
}

// keepTime makes turns come by themselves as long as something waits for a time.
func (l *loop) keepTime() {
	l.timed = len(l.typists) > 0 || len(l.throttles) > 0 || len(l.debts.queue) > 0 || len(l.debts.catching) > 0 || len(l.farewells) > 0 || l.sockets.busy()
	l.net.Tick(l.timed)
}

// maxWaiting is how many bytes of publications may wait on a loop for their fan-out. While one has more,
// the node takes no publications.
const maxWaiting = 16 << 20

func (l *loop) noteFull(full bool) {
	l.full = full
	if full {
		l.server.full.Add(1)
	} else {
		l.server.full.Add(-1)
	}
}

// The kinds of posts that a loop gets.
const (
	postHub         uint8 = iota // an event of the hub
	postCall                     // a call is back from the worker pool
	postStored                   // the store is done with a publication
	postOrder                    // somebody wants something done
	postCounts                   // somebody wants a copy of the counts
	postTLS                      // a step of a handshake is over
	postTLSLate                  // a handshake has waited for too long to begin
	postShed                     // sessions are to go
	postGate                     // it is this loop's turn to fan out
	postSocket                   // something is to be done with sockets
	postAnswered                 // the application has decided about a client at the door of a namespace
	postRelieved                 // of a session's calls of the application enough are done
	postSocketFault              // the application has failed for a socket
)

// Posted serves what others have posted.
func (l *loop) Posted(p netpoll.Post) {
	switch p.Kind {
	case postHub:
		l.rosters.Handle(eventOf(p))
	case postCall:
		l.finishCall(p.Item.(*call))
	case postStored:
		l.finishStored(p.Item.(*stored))
	case postOrder:
		o := p.Item.(order)
		o.do(l)
		o.done <- struct{}{}
	case postCounts:
		p.Item.(chan<- metrics.Loop) <- metrics.Loop{Number: l.net.Number(), Counts: l.snapshot()}
	case postSocket:
		l.follow(p.Item)
	case postAnswered:
		l.finishConnect(p.Item.(*socketAnswer))
	case postRelieved:
		l.relieve(netpoll.ConnID(p.A))
	case postSocketFault:
		l.failSocketOf(p.Item.(*socketFailure))
	case postTLS:
		l.goOnShaking(netpoll.ConnID(p.A))
	case postTLSLate:
		l.giveUpHandshake(netpoll.ConnID(p.A))
	case postShed:
		l.shedding.begin(l, p.Item.(shedOrder))
	case postGate:
		l.atGate, l.inGate = false, true
		l.slice = sliceAfter(time.Since(gateClock) - time.Duration(p.A))
	}
}

// snapshot returns a copy of the loop's counts.
func (l *loop) snapshot() metrics.Counts {
	c, n, r := l.counts, l.net.Stats(), &l.rosters.Stats
	c.WireIn, c.WireOut, c.Writes = n.BytesIn, n.BytesOut, n.Writes
	c.Rejects[metrics.RejectDescriptors] = n.Refused + n.Lost
	c.Slow[metrics.SlowClosedBytes] += n.Slow
	c.Slow[metrics.SlowClosedBudget] += n.OverBudget
	c.Publications, c.FanoutDeliveries, c.FanoutWrites = r.Publications, r.Deliveries, r.Writes
	c.MessagesOut += r.Deliveries
	c.Open, c.Queued = int64(l.net.Open()), int64(l.net.Queued()+l.net.Corked()+l.behind.bytes)
	c.Gaps = r.Gaps
	c.KernelTLS = int64(l.net.KernelTLS())
	c.Turns, c.Busy = n.Turns, l.net.Busy()
	c.Draining = int64(l.remaining.Load())
	return c
}

// guard keeps a panic in a session from taking the node down: the session ends with 1011. It is deferred.
func (l *loop) guard(c *netpoll.Conn) {
	r := recover()
	if r == nil {
		return
	}
	l.counts.Panics++
	l.server.report(fault{conn: l.net.ID(c), what: fmt.Sprint(r), stack: debug.Stack()})
	l.out, l.replies = l.out[:0], l.replies[:0]
	l.end(c, l.sessions.At(c.Slot()), uint16(internalError.Code), internalError.Reason) // no fault of the peer's
	l.flush(c)
}
