package bench

import (
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// crew is the other processes of a run that several share. All of them play the same scenario, the coordinator
// without connections of its own, and come together at its steps: what one of them does next never
// depends on what only that one knows.
type crew interface {
	// meet returns when all processes have come to a step. The coordinator then calls lead with what its
	// workers give, nil for one that is lost, and everyone gets what lead returns. A process that has
	// lost its coordinator gets an empty message at once.
	meet(step string, give *message, lead func(given []*message) *message) *message
}

// message is what a coordinator and a worker say to each other in the course of a run.
type message struct {
	Step        string        `json:"step,omitempty"`        // the worker has come to it; the coordinator: go on
	Interrupted bool          `json:"interrupted,omitempty"` // the run is to end early
	At          int64         `json:"at,omitempty"`          // on the run's clock
	Rooms       []uint32      `json:"rooms,omitempty"`       // a number for each room
	Heard       []uint32      `json:"heard,omitempty"`       // the highest number that has come to a member of each
	Progress    *progress     `json:"progress,omitempty"`
	CPU         time.Duration `json:"cpu_ns,omitempty"` // that the worker has used
	Clock       *question     `json:"clock,omitempty"`
	Findings    *findings     `json:"findings,omitempty"`
	Bye         string        `json:"bye,omitempty"` // why the sender leaves
}

// findings is what a worker has to tell at the end.
type findings struct {
	Report     Report   `json:"report"`         // of its connections alone
	Samples    [][]byte `json:"samples"`        // histograms, as hdrhistogram encodes them
	ClockError int64    `json:"clock_error_ns"` // how far its clock may have been from the coordinator's
}

// The steps at which something is given.
const (
	censusStep   = "census"
	accountsStep = "accounts"
	findingsStep = "findings"
)

// together has lead called once all processes of the run have come to this step, by one of them, and returns
// when it is done. What a scenario waits for, and for how long, is decided there.
func (r *run) together(step string, lead func()) {
	if r.crew == nil {
		lead()
		return
	}
	r.crew.meet(step, new(message), func([]*message) *message {
		lead()
		return new(message)
	})
}

// muster returns when all processes of the run are ready to begin, or why they will not.
func (r *run) muster() (err error) {
	r.together("start", func() {
		if c, ok := r.crew.(*coordinator); ok {
			err = c.firstLost()
		}
	})
	if w, ok := r.crew.(*worker); ok {
		err = w.lost()
	}
	return err
}

// progress returns how far all connections of the run have come; in a worker, its own.
func (r *run) progress() progress {
	if c, ok := r.crew.(*coordinator); ok {
		return c.progress()
	}
	return sum(r.drivers)
}

// interrupted reports whether the run has ended early because somebody wanted it to.
func (r *run) interrupted() bool {
	if c, ok := r.crew.(*coordinator); ok && c.signal.Err() == nil {
		return false // it has run out of workers
	}
	return r.ctx.Err() != nil
}

// ownElsewhere returns the CPU time that the workers of this process have used.
func (r *run) ownElsewhere() time.Duration {
	if c, ok := r.crew.(*coordinator); ok {
		return c.cpu()
	}
	return 0
}

// How long before a load begins everyone hears when that will be.
const (
	aheadAlone  = 10 * time.Millisecond
	aheadShared = 250 * time.Millisecond
)

// soon returns when a load is to begin, the same in all processes.
func (r *run) soon() int64 {
	if r.crew == nil {
		return r.clock() + int64(aheadAlone)
	}
	return r.crew.meet("beginning", new(message), func([]*message) *message {
		return &message{At: r.clock() + int64(aheadShared)}
	}).At
}

// sumUp returns the sums, room by room, of what each process has.
func (r *run) sumUp(step string, rooms []uint32) []uint32 {
	if r.crew == nil {
		return rooms
	}
	got := r.crew.meet(step, &message{Rooms: rooms}, func(given []*message) *message {
		return &message{Rooms: r.sums(given)}
	})
	if got.Rooms == nil {
		return rooms
	}
	return got.Rooms
}

func (r *run) sums(given []*message) []uint32 {
	total := make([]uint32, r.options.Rooms)
	for _, m := range given {
		if m != nil {
			for room, n := range m.Rooms {
				total[room] += n
			}
		}
	}
	return total
}

// shareAccounts tells all processes how much has been published to each room. If the publisher's process
// is lost, that is as much as anybody has heard of.
func (r *run) shareAccounts() {
	if r.crew == nil {
		return
	}
	got := r.crew.meet(accountsStep, &message{Rooms: r.published, Heard: r.heard()}, func(given []*message) *message {
		published := r.sums(given)
		for room := range published {
			if given[r.publisherOf(uint32(room))%r.share.workers] == nil {
				published[room] = mostHeard(given, room)
			}
		}
		return &message{Rooms: published}
	})
	copy(r.published, got.Rooms)
}

func mostHeard(given []*message, room int) (most uint32) {
	for _, m := range given {
		if m != nil && room < len(m.Heard) {
			most = max(most, m.Heard[room])
		}
	}
	return most
}

// heard returns the highest number of a publication that has come to any member of each room here.
func (r *run) heard() []uint32 {
	most := make([]uint32, r.options.Rooms)
	r.ask(func(d *driver) {
		for i := range d.peers {
			if p := &d.peers[i]; r.options.inRooms() && p.stage == ready && !r.isPublisher(p.number) {
				room := r.roomOf(p.number)
				most[room] = max(most[room], p.track.last)
			}
		}
	})
	return most
}

// collect adds the workers' findings to the report and to the histograms, in their coordinator, before the report is concluded.
func (r *run) collect(samples ...*hdrhistogram.Histogram) {
	c, ok := r.crew.(*coordinator)
	if !ok {
		return
	}
	c.meet(findingsStep, nil, func(given []*message) *message {
		for i, m := range given {
			if m == nil || m.Findings == nil || len(m.Findings.Samples) != len(samples) {
				c.bury(c.mates[i])
				continue
			}
			c.merge(c.mates[i], m.Findings, samples)
		}
		r.report.ClockError = clockError(r.report.Workers)
		return new(message)
	})
}

// clockError returns by how much latencies may be wrong, in microseconds: those from one worker to another by what
// both clocks are.
func clockError(workers []WorkerReport) (us float64) {
	var errors []float64
	for i := range workers {
		errors = append(errors, workers[i].ClockError)
	}
	slices.Sort(errors)
	for _, e := range errors[max(len(errors)-2, 0):] {
		us += e
	}
	return us
}

// handIn gives a worker's report, which is concluded, and the same histograms to its coordinator.
func (r *run) handIn(samples ...*hdrhistogram.Histogram) {
	w, ok := r.crew.(*worker)
	if !ok {
		return
	}
	found := &findings{Report: *r.report, ClockError: w.clockError()}
	for _, h := range samples {
		found.Samples = append(found.Samples, encoded(h))
	}
	w.meet(findingsStep, &message{Findings: found}, nil)
}

func encoded(h *hdrhistogram.Histogram) []byte {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		panic("bench: a histogram cannot be encoded: " + err.Error()) // it is written to memory
	}
	return b
}

// say writes a line to where the run's progress goes. Nobody is told if that fails.
func (r *run) say(format string, a ...any) {
	if r.options.Progress != nil {
		_, _ = fmt.Fprintf(r.options.Progress, format, a...)
	}
}

// maxWorkers bounds the processes of a run.
const maxWorkers = 1000

// sharable is the scenarios of which a process can do a part.
var sharable = []Scenario{Idle, Echo, Fanout, Churn}

// checkShared returns the first thing that is wrong with how a run is to be shared.
func (o *Options) checkShared() error {
	switch {
	case o.Workers == 0 && o.Listen != "":
		return fmt.Errorf("%w: --listen %s: write --workers too, the number of processes to wait for", ErrUsage, o.Listen)
	case o.Workers == 0 && o.JoinKey != "":
		return fmt.Errorf("%w: --join-key: want it with --workers or --join", ErrUsage)
	case o.Workers == 0:
		return nil
	case !slices.Contains(sharable, o.Scenario):
		return fmt.Errorf("%w: --workers %d: %s cannot be shared yet: want %s", ErrUsage, o.Workers, o.Scenario, listed(sharable))
	case o.PublishVia == ViaAPI:
		return fmt.Errorf("%w: --publish-via api: want connection with --workers", ErrUsage)
	case len(o.Headers) > 0:
		return fmt.Errorf("%w: --header: leave it out with --workers: it may hold a secret, and nothing is encrypted on the way to them", ErrUsage)
	case o.Listen == "":
		return fmt.Errorf("%w: --workers %d: write --listen host:port too, where they join", ErrUsage, o.Workers)
	case o.Workers > o.Connections:
		return fmt.Errorf("%w: --workers %d: want no more than --connections %d", ErrUsage, o.Workers, o.Connections)
	case o.Rooms > maxShared:
		return fmt.Errorf("%w: --rooms %d: want up to %d with --workers", ErrUsage, o.Rooms, maxShared)
	}
	return nil
}

// listed returns names as a sentence has them.
func listed(names []Scenario) string {
	text := string(names[0])
	for i, name := range names[1:] {
		if i == len(names)-2 {
			text += " or " + string(name)
		} else {
			text += ", " + string(name)
		}
	}
	return text
}

// forWorkers returns what of o the workers are sent: not what is about this process, and no secrets.
func (o Options) forWorkers() *Options {
	o.JoinKey, o.TokenSecret = "", ""
	o.Probe, o.ServerPID = 0, 0
	o.Progress, o.Terminal = nil, false
	return &o
}
