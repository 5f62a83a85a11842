package bench

import (
	"time"

	"github.com/seed4ac54ce5/edge/netpoll"
)

// connectStall is how long a run waits for its connections while none succeeds or fails.
const connectStall = connectTimeout + 5*time.Second

// What the phases of a run count.
var (
	countSettled   = func(p progress) uint64 { return p.settled() }
	countAnswered  = func(p progress) uint64 { return p.answered }
	countDelivered = func(p progress) uint64 { return p.delivered }
	countCycled    = func(p progress) uint64 { return p.cycled }
	countReturned  = func(p progress) uint64 { return p.returned }
)

// play leads the drivers through the scenario.
func (r *run) play() {
	r.readMemory("before")
	switch r.options.Scenario {
	case Churn:
		r.churn()
		return
	case Soak:
		r.playSoak()
		return
	}
	r.connect()
	if r.ctx.Err() != nil {
		return // some come to stand only now: what is published to them would not come to all who are ready at the end
	}
	switch r.options.Scenario {
	case Echo:
		r.echo()
	case Fanout:
		r.fanout()
	case Idle:
		r.idle()
	case Storm:
		r.storm()
	case Slow:
		r.slow()
	case Mixed:
		r.playMix()
	}
}

// connect dials all connections and returns when each is ready or has failed.
func (r *run) connect() {
	r.phase("connecting", uint64(r.total()), countSettled)
	before := r.sample()
	dials := pace{start: r.clock(), rate: uint64(r.options.Ramp)}
	if dials.rate > 0 {
		defer r.startMetronome(dials.start, max(dials.interval(), beat), r.reactor.Loops()).stop()
	}
	r.tell(func(d *driver) { d.dials, d.stages.dialing = dials, true })
	r.await(r.ctx.Done(), connectStall, func(p progress) bool { return p.settled() == uint64(r.total()) })
	r.ask(func(d *driver) { d.stages.dialing = false })
	r.report.Connecting = loadOf("connection", before, r.sample(), func(p progress) uint64 { return p.ready })
	r.readMemory("connected")
}

// echo lets all connections send for the time given.
func (r *run) echo() {
	p := pace{start: r.soon(), rate: uint64(r.options.Rate)}
	if p.rate > 0 {
		defer r.startMetronome(p.start, p.interval(), r.reactor.Loops()).stop()
	}
	r.tell(func(d *driver) {
		d.play.(*echoPlay).pace = p
		d.stages.sending = true
	})
	r.measure("echo", countAnswered)
	r.drain(progress.complete)
}

// fanout lets the publishers publish at their rate for the time given.
func (r *run) fanout() {
	if r.options.PublishVia == ViaAPI {
		r.fanoutByAPI()
		return
	}
	r.takeCensus(everybody)
	p := pace{start: r.soon(), rate: uint64(r.options.Rate)}
	metronome := r.startMetronome(p.start, p.interval(), r.publisherLoops())
	r.tell(func(d *driver) {
		d.play.(*roomsPlay).pace = p
		d.stages.sending = true
	})
	r.measure("delivery", countDelivered)
	metronome.stop()
	r.drain(progress.complete)
}

// churn lets connections come and go for the time given.
func (r *run) churn() {
	start := r.clock()
	metronome := r.startMetronome(start, beat, r.reactor.Loops())
	r.tell(func(d *driver) {
		d.dials = pace{start: start, rate: uint64(r.options.Ramp)}
		d.stages.dialing = true
	})
	r.measure("cycle", countCycled)
	metronome.stop()
	r.ask(func(d *driver) { d.stages.dialing = false })
	r.drain(func(p progress) bool { return p.cycled+p.failed+p.lost >= p.dialed })
	if r.ctx.Err() == nil {
		r.ask((*driver).countUnfinished)
	}
}

// idle holds the connections, and on request has each of them reached.
func (r *run) idle() {
	if r.options.PublishOnce || r.options.Message > 0 {
		r.takeCensus(everybody)
	}
	if r.options.Hold > 0 {
		r.hold("holding", r.options.Hold)
	}
	if r.options.PublishOnce {
		r.phase("publishing once", r.reachable(), countDelivered)
		before := r.sample()
		r.publishOnce(r.options.Payload)
		r.report.Publishing = loadOf("delivery", before, r.sample(), countDelivered)
	}
	if r.options.Message > 0 {
		r.messages()
		r.hold("resting", r.options.Rest)
	}
}

// hold does nothing for d and measures what the server does meanwhile.
func (r *run) hold(name string, d time.Duration) {
	r.phase(name, 0, countSettled)
	before := r.sample()
	r.wait(d)
	r.report.Holding = holdingOf(before, r.sample())
	r.readMemory("after " + name)
}

// messages has every connection send one message and then receive one.
func (r *run) messages() {
	members := r.reachable()
	if r.options.alone() { // one message is both
		r.phase("sending and receiving messages", members, countDelivered)
		r.publishOnce(r.options.Message)
		return
	}
	r.phase("sending messages", members, countAnswered)
	before := r.progress().answered
	r.ask(func(d *driver) { d.play.(*roomsPlay).beginMessages() })
	r.await(r.ctx.Done(), r.options.Drain, func(p progress) bool { return p.unasked == 0 && p.heard() })
	if r.leads() && r.ctx.Err() == nil {
		if answered := r.progress().answered - before; answered < members {
			r.report.Errors["message without an answer"] += members - answered
		}
	}
	r.phase("receiving messages", members, countDelivered)
	r.publishOnce(r.options.Message)
}

// publishOnce publishes to each room and waits until every member has it, and the publishers their answers.
func (r *run) publishOnce(size int) {
	now := r.clock()
	r.ask(func(d *driver) { d.play.(*roomsPlay).publishOnce(now, size) })
	r.drain(progress.complete)
	r.ask(func(d *driver) { d.stages.draining = false })
}

// measure lets the load run warm, and then measures it.
func (r *run) measure(unit string, count func(progress) uint64) {
	r.warm(count)
	r.measureWarm(unit, count)
}

// warm lets the load run warm.
func (r *run) warm(count func(progress) uint64) {
	r.phase("warming up", 0, count)
	r.wait(r.options.Warmup)
}

// measureWarm measures a load that is warm.
func (r *run) measureWarm(unit string, count func(progress) uint64) {
	before := r.beginMeasuring(count)
	r.wait(r.options.Duration)
	r.report.Measured = loadOf(unit, before, r.sample(), count)
	r.phase("draining", 0, count)
}

// beginMeasuring forgets how long things took in the warm-up, and returns where everything stands.
func (r *run) beginMeasuring(count func(progress) uint64) sample {
	r.phase("measuring", 0, count)
	r.watch.restart()
	r.ask(func(d *driver) { d.result.late.Reset() })
	return r.sample()
}

// drain sends nothing more and waits for what is under way, also in an interrupted run.
func (r *run) drain(done func(progress) bool) {
	r.ask(func(d *driver) { d.stages.sending, d.stages.draining = false, true })
	r.reckon()
	r.await(nil, r.options.Drain, done)
}

// takeCensus counts the members of each room, those that what is published there has to come to, and tells every driver.
func (r *run) takeCensus(counts func(number uint32) bool) {
	census := make([]uint32, r.options.Rooms)
	r.ask(func(d *driver) {
		for i := range d.peers {
			if p := &d.peers[i]; p.stage == ready && !r.isPublisher(p.number) && counts(p.number) {
				census[r.roomOf(p.number)]++
			}
		}
	})
	census = r.sumUp(censusStep, census)
	r.ask(func(d *driver) { d.census = census })
}

// everybody counts.
func everybody(uint32) bool { return true }

// reachable returns how many deliveries one publication to each room makes.
func (r *run) reachable() (n uint64) {
	r.ask(func(d *driver) {
		if n == 0 {
			for _, members := range d.census {
				n += uint64(members)
			}
		}
	})
	return n
}

// publisherLoops returns the loops that have a publisher.
func (r *run) publisherLoops() (loops []*netpoll.Loop) {
	has := make([]bool, r.loops)
	publishers := r.options.Publishers
	if r.options.alone() {
		publishers = r.options.Rooms
	}
	for p := range min(publishers, r.loops*int(r.share.workers), r.options.Rooms) {
		if loop := r.publisherLoop(uint32(p)); loop >= 0 {
			has[loop] = true
		}
	}
	for i, l := range r.reactor.Loops() {
		if has[i] {
			loops = append(loops, l)
		}
	}
	return loops
}

// finish gathers what the drivers know and ends the run.
func (r *run) finish() {
	r.phase("closing", 0, countSettled)
	r.watch.stop()
	r.report.Timeline = r.watch.result()
	r.shareAccounts()
	connect, latency, late := newHistogram(), r.watch.total, newLateness()
	r.ask(func(d *driver) {
		d.stages.over = true
		d.settle()
		r.report.add(&d.result)
		connect.Merge(d.result.connect)
		latency.Merge(d.result.latency)
		late.Merge(d.result.late)
	})
	r.gatherSlow()
	r.probe.stop()
	all := []samples{{connect}, {latency}, {late}, {r.late}}
	r.collect(all)
	total := r.progress()
	r.report.Ready, r.report.Failed, r.report.Lost = total.ready, total.failed, total.lost
	r.report.ConnectLatency, r.report.Latency = latencyOf(connect), latencyOf(latency)
	r.report.Distribution = distributionOf(latency)
	r.report.LoadSide.SendsLate, r.report.LoadSide.WakeupsLate = latencyOf(late), latencyOf(r.late)
	r.report.Probe = r.probe.result()
	r.report.Interrupted = r.interrupted()
	if !r.report.Interrupted && r.options.Scenario == Storm {
		r.report.Lost += total.left - total.returned - total.stranded
	}
	r.report.Seconds = time.Since(r.begin).Seconds()
	r.report.conclude()
	r.handIn(all)
}

// settler is a play that enters by itself what was due.
type settler interface{ settle() }

// settle enters what was due to the connections that d has, and to those that it has lost.
func (d *driver) settle() {
	if own, ok := d.play.(settler); ok {
		own.settle()
		return
	}
	ledger := &d.result.ledger
	rooms, inRooms := d.play.(*roomsPlay)
	for i := range d.peers {
		p := &d.peers[i]
		switch {
		case p.stage != ready:
		case !inRooms:
			ledger.settle(p.sent)
		case !d.run.isPublisher(p.number):
			ledger.settle(d.run.published[d.run.roomOf(p.number)])
		}
	}
	if inRooms {
		for _, room := range rooms.lost {
			ledger.settle(d.run.published[room])
		}
	}
}
