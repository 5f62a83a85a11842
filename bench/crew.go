package bench

import (
	"encoding/json"
	"fmt"
	"time"
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
	Step        string          `json:"step,omitempty"`        // the worker has come to it; the coordinator: go on
	Interrupted bool            `json:"interrupted,omitempty"` // the run is to end early
	Decided     int64           `json:"decided,omitempty"`     // by the coordinator
	Rooms       []uint32        `json:"rooms,omitempty"`       // a number for each room
	Heard       []uint32        `json:"heard,omitempty"`       // the highest number that has come to a member of each
	Progress    *progress       `json:"progress,omitempty"`
	CPU         time.Duration   `json:"cpu_ns,omitempty"` // that the worker has used
	Clock       *question       `json:"clock,omitempty"`
	Part        json.RawMessage `json:"part,omitempty"` // see addParts
	Findings    *findings       `json:"findings,omitempty"`
	Bye         string          `json:"bye,omitempty"` // why the sender leaves
}

// The steps at which the coordinator keeps what is given.
const (
	censusStep   = "census"
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

// leads reports whether this process decides, and waits, for all of the run: it is alone, or the coordinator.
func (r *run) leads() bool {
	_, follows := r.crew.(*worker)
	return !follows
}

// decided returns what the process that leads decides at a step.
func (r *run) decided(step string, decide func() int64) int64 {
	if r.crew == nil {
		return decide()
	}
	return r.crew.meet(step, new(message), func([]*message) *message { return &message{Decided: decide()} }).Decided
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
	ahead := aheadAlone
	if r.crew != nil {
		ahead = aheadShared
	}
	return r.decided("beginning", func() int64 { return r.clock() + int64(ahead) })
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

// shareAccounts tells all processes how much has been published to each room.
func (r *run) shareAccounts() { copy(r.published, r.accounts("accounts", r.published)) }

// accounts returns how much has been published to each room, of which this process's publishers have published so much. If
// the publisher's process is lost, that is as much as anybody has heard of.
func (r *run) accounts(step string, published []uint32) []uint32 {
	if r.crew == nil {
		return published
	}
	got := r.crew.meet(step, &message{Rooms: published, Heard: r.heard()}, func(given []*message) *message {
		published := r.sums(given)
		for room := range published {
			if given[r.publisherOf(uint32(room))%r.share.workers] == nil {
				published[room] = mostHeard(given, room)
			}
		}
		return &message{Rooms: published}
	})
	if got.Rooms == nil {
		return published
	}
	return got.Rooms
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
		if s, ok := d.play.(*stormPlay); ok {
			s.heard(most)
			return
		}
		for i := range d.peers {
			if p := &d.peers[i]; r.options.inRooms() && p.stage == ready && !r.isPublisher(p.number) {
				room := r.roomOf(p.number)
				most[room] = max(most[room], p.track.last)
			}
		}
	})
	return most
}

// reckon has the coordinator see how much is due to the members of each worker, now that nothing more is published: what is due
// to those of one that is lost keeps nobody waiting.
func (r *run) reckon() {
	published := r.accounts("due", r.published)
	c, ok := r.crew.(*coordinator)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.mates {
		m.due = m.share(published)
	}
	c.reckons = true
}

// say writes a line to where the run's progress goes. Nobody is told if that fails.
func (r *run) say(format string, a ...any) {
	if r.options.Progress != nil {
		_, _ = fmt.Fprintf(r.options.Progress, format, a...)
	}
}

// maxWorkers bounds the processes of a run.
const maxWorkers = 1000

// checkShared returns the first thing that is wrong with how a run is to be shared.
func (o *Options) checkShared() error {
	switch {
	case o.Workers == 0 && o.Listen != "":
		return fmt.Errorf("%w: --listen %s: write --workers too, the number of processes to wait for", ErrUsage, o.Listen)
	case o.Workers == 0 && o.JoinKey != "":
		return fmt.Errorf("%w: --join-key: want it with --workers or --join", ErrUsage)
	case o.Workers == 0:
		return nil
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

// forWorkers returns what of o the workers are sent: not what is about this process or for it to look at, and no secrets.
func (o Options) forWorkers() *Options {
	o.JoinKey, o.TokenSecret = "", ""
	o.Probe, o.ServerPID, o.Internal = 0, 0, ""
	o.Progress, o.Terminal = nil, false
	return &o
}
