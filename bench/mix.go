package bench

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The actions of connections.
const (
	doPublish = iota
	doTyping
	doPresence
	doHistory
	doRPC
	actions
)

// The events of a mix.
const (
	evEnd    uint8 = iota // a session has lasted long enough
	evGiveUp              // one that is to end has waited long enough for what is due
	evReturn              // a connection is to be dialled again
	evStall               // a slow one is to stop reading
	evRead                // and to read again
)

// mixBeat is how often the loops of a mix look at what is due.
const mixBeat = time.Millisecond

// firstMixID is the id of a driver's first command but for those with which connections join.
const firstMixID = 1000

// mixPlay has connections of different classes in rooms, which come, talk and go. A room belongs to a loop, and so do all
// its members. What happens when follows from the seed, as far as the server's answers leave it that choice.
type mixPlay struct {
	keepsNone // but who is closed for not reading

	d       *driver
	mix     *Mix
	rooms   []mixRoom
	weights []float64 // of rooms, summed up
	members []mixMember
	classes []*mixClass
	sources []mixSource
	events  eventQueue
	pending map[uint32]mixPending
	patient []mixDeadline // for answers that a server may not give, the earliest first
	count   MixCounts

	start    int64      // when the load began, 0 before
	settling bool       // nothing more begins
	rng      *rand.Rand // of faults

	boostUntil int64 // until then everything happens burstFactor times as often
}

type mixRoom struct {
	roomBook
	name   []byte
	quoted []byte   // as JSON
	asked  []uint32 // ids of the publications under way, where they are what answers them
}

// mixMember is one connection through all its lives.
type mixMember struct {
	rooms      []membership
	life       uint32 // how many it has begun
	class      uint8
	slow       bool
	stalled    bool   // it is not read just now
	excused    bool   // a fault has kept it from reading: the server may close it
	leaving    bool   // it waits for what is due, and then closes
	unanswered uint32 // commands under way
}

// mixClass is what one loop's connections of a class have done.
type mixClass struct {
	*Class
	row     ClassRow
	numbers []uint32 // its connections
	sizes   []float64
	latency *hdrhistogram.Histogram // of deliveries to its readers that are not slow
	calls   *hdrhistogram.Histogram // from due to the reply
}

// mixSource makes the times of one action of one class: as independent users do, at exponentially distributed intervals.
type mixSource struct {
	class  int
	action int
	rate   float64 // a second, at an activity of 1
	next   int64
	idle   bool // next is only when to look for activity again
	rng    *rand.Rand
}

// mixPending is a command under way.
type mixPending struct {
	number uint32 // connection
	room   uint32 // of a publication
	action int
	due    int64
}

// mixEvent is something that is to happen to a connection in one of its lives.
type mixEvent struct {
	at     int64
	number uint32
	life   uint32
	what   uint8
}

// eventQueue is a heap of events, the earliest first.
type eventQueue []mixEvent

func (q eventQueue) Len() int           { return len(q) }
func (q eventQueue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q eventQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(e any)        { *q = append(*q, e.(mixEvent)) }
func (q *eventQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	*q = (*q)[:last]
	return e
}

// newMixPlay makes the part of the mix that d plays.
func newMixPlay(d *driver) *mixPlay {
	r := d.run
	m := &mixPlay{
		d: d, mix: r.options.Mix, pending: make(map[uint32]mixPending),
		members: make([]mixMember, d.share), rng: r.random(uint64(d.number(0)), 0),
	}
	for i := range m.countRooms() {
		m.rooms = append(m.rooms, newMixRoom(r.roomName(m.d.number(uint32(i)))))
		m.weights = append(m.weights, math.Pow(float64(i+1), -m.mix.Popularity))
	}
	addUp(m.weights)
	for i := range m.mix.Classes {
		m.classes = append(m.classes, newMixClass(&m.mix.Classes[i]))
	}
	m.assign()
	for i := range m.classes {
		m.addSources(i)
	}
	return m
}

// countRooms returns how many rooms m has of its own, of which no other loop of any process has a member.
func (m *mixPlay) countRooms() int {
	r := m.d.run
	if r.options.alone() {
		return int(m.d.share)
	}
	rooms := int(r.share.of(uint32(m.mix.Rooms)))
	return max((rooms+r.loops-1)/r.loops, 1)
}

func newMixRoom(name []byte) mixRoom {
	quoted, err := json.Marshal(string(name))
	if err != nil {
		panic(err) // a string has a form
	}
	return mixRoom{name: name, quoted: quoted}
}

func newMixClass(c *Class) *mixClass {
	k := &mixClass{Class: c, row: ClassRow{Name: c.Name}, latency: newHistogram(), calls: newHistogram()}
	for _, s := range c.Payload {
		k.sizes = append(k.sizes, s.Share)
	}
	addUp(k.sizes)
	return k
}

// random returns a source of numbers for one purpose: the same for the same seed.
func (r *run) random(a, b uint64) *rand.Rand {
	return rand.New(rand.NewPCG(r.options.Seed^a*0x9e3779b97f4a7c15, b))
}

// addUp makes of weights their running sums.
func addUp(w []float64) {
	for i := 1; i < len(w); i++ {
		w[i] += w[i-1]
	}
}

// draw returns an index, each as probable as its weight.
func draw(sums []float64, rng *rand.Rand) int {
	x := rng.Float64() * sums[len(sums)-1]
	i, found := slices.BinarySearch(sums, x)
	if found {
		i++ // one without weight is never drawn
	}
	return min(i, len(sums)-1)
}

// member returns what is known of a connection of this loop.
func (m *mixPlay) member(number uint32) *mixMember { return &m.members[m.d.index(number)] }

// assign gives each connection its class: always the one that is furthest behind its share.
func (m *mixPlay) assign() {
	var total float64
	for _, c := range m.mix.Classes {
		total += c.Share
	}
	behind := make([]float64, len(m.classes))
	for i := range m.members {
		best := 0
		for k, c := range m.classes {
			if behind[k] += c.Share / total; behind[k] > behind[best] {
				best = k
			}
		}
		behind[best]--
		c := m.classes[best]
		number := m.d.number(uint32(i))
		m.members[i].class = uint8(best)
		m.members[i].slow = m.d.run.random(uint64(number), 1).Float64() < c.Slow
		c.numbers = append(c.numbers, number)
		c.row.Connections++
	}
}

func (m *mixPlay) addSources(class int) {
	c := m.classes[class]
	for action, rate := range [actions]float64{c.Publish, c.Typing, c.Presence, c.History, c.RPC} {
		if rate > 0 && len(c.numbers) > 0 {
			m.sources = append(m.sources, mixSource{
				class: class, action: action, rate: rate * float64(len(c.numbers)),
				rng: m.d.run.random(uint64(m.d.number(0))<<32|uint64(class), uint64(2+action)),
			})
		}
	}
}

// begin starts the load at a time.
func (m *mixPlay) begin(start int64) {
	m.start = start
	for i := range m.sources {
		s := &m.sources[i]
		s.next = start
		m.advance(s)
	}
	for i := range m.members {
		number := m.d.number(uint32(i))
		if _, p := m.d.of(number); p != nil {
			m.plan(number)
		}
	}
}

// advance sets s to its next time.
func (m *mixPlay) advance(s *mixSource) {
	rate := s.rate * m.activity(s.next)
	if s.next < m.boostUntil {
		rate *= burstFactor
	}
	if s.idle = rate <= 0; s.idle {
		s.next += int64(time.Second)
		return
	}
	s.next += int64(min(s.rng.ExpFloat64()/rate, 3600) * 1e9)
}

// activity returns how much is going on at a time.
func (m *mixPlay) activity(at int64) float64 {
	day := m.d.run.options.Day
	if day == 0 {
		return 1
	}
	return m.mix.activity(float64(at-m.start) / float64(day))
}
