package bench

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/protocol"
)

// loss is a run of two workers, the second of which leaves when the test says so.
type loss struct {
	t     *testing.T
	lead  *lead
	leave func() // has the worker leave, once the run has begun
}

// seen reports whether the coordinator has lost the second worker, which has been told to leave.
func (l *loss) seen() bool {
	l.leave()
	return l.lead.said.Count("is lost") > 0
}

// run runs o, to the end or, if that is far, until the worker is lost.
func (l *loss) run(o Options) *Report {
	l.t.Helper()
	ctx, interrupt := context.WithCancel(l.t.Context())
	defer interrupt()
	second, leave := context.WithCancel(l.t.Context())
	defer leave()
	l.leave = leave
	o.Workers, o.Connections, o.Drain = 2, 20, patience
	l.lead = startLead(l.t, ctx, o)
	var joined sync.WaitGroup
	joined.Go(func() {
		if _, err := Join(l.t.Context(), Joining{Coordinator: l.lead.address}); err != nil {
			l.t.Errorf("Join = %v", err)
		}
	})
	testutil.Eventually(l.t, patience, func() bool { return l.lead.said.Count("has joined") == 1 }, "the first worker joins")
	if _, err := Join(second, Joining{Coordinator: l.lead.address}); !errors.Is(err, errInterrupted) {
		l.t.Errorf("Join of the worker that leaves = %v", err)
	}
	if o.Duration == time.Hour {
		testutil.Eventually(l.t, patience, l.seen, "the coordinator sees that a worker has left")
		interrupt()
	}
	joined.Wait()
	r := l.lead.end(l.t)
	if len(r.Workers) != 2 || r.Workers[0].Gone != "" || r.Workers[1].Gone != "interrupted" {
		l.t.Fatalf("workers %+v; want the second gone", r.Workers)
	}
	gone, all := r.Workers[1], uint64(10+o.Publishers/2)
	if gone.Ready != all || gone.Lost != all || r.Lost != all || r.Failed != 0 || r.Closes["worker 2 is gone"] != all || !errors.Is(r.Err(), ErrLoss) {
		l.t.Errorf("%d lost, %d failed, closes %v, workers %+v, %v; want all %d connections of the second lost", r.Lost, r.Failed, r.Closes, r.Workers, r.Err(), all)
	}
	if r.Seconds >= patience.Seconds() {
		l.t.Errorf("%v s; want nobody to wait for what was due to those who are lost", r.Seconds)
	}
	if d := r.Delivery; d.Received == 0 || d.Expected != d.Received+d.Missing || d.Duplicated+d.Reordered+d.Misrouted+d.Damaged != 0 {
		l.t.Errorf("delivery %+v; want what was received and what is missing", d)
	}
	return r
}

// A worker that is lost in a fan-out has the publisher of one room of three, and members of all.
func TestWorkerIsLostInAFanout(t *testing.T) {
	t.Parallel()
	l := &loss{t: t}
	server := startLiar(t, &liar{byRoom: true, spoil: faithful, enough: func() { l.leave() }})
	r := l.run(Options{Scenario: Fanout, Targets: []string{server}, Rooms: 3, Publishers: 2, Rate: 100, Duration: time.Hour})
	if r.Delivery.Missing == 0 {
		t.Errorf("delivery %+v; want missing what was due to those who are lost", r.Delivery)
	}
}

// Of one that is lost while all echo, what had not come back is missing.
func TestWorkerIsLostInAnEcho(t *testing.T) {
	t.Parallel()
	l := &loss{t: t}
	a := &liar{spoil: faithful, byRoom: true, enough: func() { l.leave() }}
	l.run(Options{Scenario: Echo, Protocol: Centrifuge, Targets: []string{startLiar(t, a)}, Rate: 100, Duration: time.Hour})
}

// The messages that the connections of a lost worker have sent, or were to send, have no answer: nobody waits for any.
func TestWorkerIsLostInIdle(t *testing.T) {
	t.Parallel()
	l := &loss{t: t}
	server := startLiar(t, &liar{byRoom: true, spoil: faithful, answer: func(c *protocol.Command) []byte {
		s, _, err := parseStamp(c.Publish.Data)
		if err != nil || !bytes.HasSuffix(c.Publish.Channel, []byte("nobody")) || s.source%2 == 0 {
			return nil // it is for others, or of the first worker
		}
		l.leave()
		return []byte{} // none
	}})
	r := l.run(Options{Scenario: Idle, Message: 64, Rooms: 3, Publishers: 2, Targets: []string{server}})
	if r.Errors["message without an answer"] != 10 || r.Delivery.Received != 10 || r.Delivery.Missing != 10 {
		t.Errorf("errors %v, delivery %+v; want ten messages without an answer, and ten that are missing", r.Errors, r.Delivery)
	}
}

// What is due to the members of a worker that is lost, whoever publishes it, is waited for no more, and all else is.
func TestNobodyWaitsForTheLost(t *testing.T) {
	c, stays := impatient(t)
	lost := &mate{gone: errInterrupted, census: []uint32{3, 0}, progress: progress{ready: 3, sent: 7, answered: 6, delivered: 5, due: 70}}
	c.mates = append(c.mates, lost)
	c.signal = t.Context()
	c.run.crew, c.run.ctx, c.run.share = c, t.Context(), share{2, 2}
	c.run.options.Scenario, c.run.options.Rooms, c.run.options.Publishers = Fanout, 2, 1
	stays.census = []uint32{1, 2}
	stays.progress = progress{ready: 3, sent: 12, answered: 11, delivered: 13, due: 1}
	stays.arrived = &message{Step: "due", Rooms: []uint32{10, 2}}
	c.run.reckon()
	for _, row := range []struct {
		answered, delivered uint64
		want                bool
	}{{11, 14, false}, {12, 13, false}, {12, 14, true}} {
		stays.progress.answered, stays.progress.delivered = row.answered, row.delivered
		if p := c.progress(); p.complete() != row.want {
			t.Errorf("%d of 12 answered and %d of 14 delivered to who is there, complete: %v; %+v", row.answered, row.delivered, !row.want, p)
		}
	}
}

// A worker that is lost in a storm keeps nobody waiting: as far as it has said that its members had dropped, they are not back.
func TestWorkerIsLostInAStorm(t *testing.T) {
	t.Parallel()
	l := &loss{t: t}
	a := &archive{refuse: func() string {
		if !l.seen() {
			return "Retry-After: 0\r\n"
		}
		return ""
	}}
	o := stormOptions(startArchive(t, a, 20, true))
	o.GiveUp = patience
	r := l.run(o)
	s := r.Storms[0]
	if s.Dropped < 10 || s.Dropped > 20 || s.Returned != 10 || s.Recovered != 10 || s.Away.Count != 10 {
		t.Errorf("storm %+v; want ten of up to twenty back", s)
	}
	if allBack := s.Dropped == 10; (s.UntilReturned > 0) != allBack || (s.UntilRecovered > 0) != allBack {
		t.Errorf("storm %+v; want a time if, and only if, all are back", s)
	}
	if r.Delivery.Missing == 0 {
		t.Errorf("delivery %+v; want missing what was due to those who are lost", r.Delivery)
	}
}

// Of slow readers whose worker is lost nobody knows what became of them, but that they were there.
func TestWorkerIsLostWithSlowReaders(t *testing.T) {
	t.Parallel()
	l := &loss{t: t}
	server := startLiar(t, &liar{spoil: faithful, enough: func() { l.leave() }})
	r := l.run(Options{Scenario: Slow, Targets: []string{server}, Rate: 100, Share: 0.5, Duration: time.Hour})
	if s := r.Slow; s.Readers < 9 || s.Readers > 10 || s.Closed != 0 || s.Delivery.Missing != 0 || s.Delivery.Received == 0 {
		t.Errorf("slow readers %+v; want half of all, of whom those of the first worker have what was due", s)
	}
	if r.Delivery.Missing == 0 {
		t.Errorf("delivery %+v; want missing what was due to the others whose worker is lost", r.Delivery)
	}
}

// In a mix rooms are of one worker, so that nothing is missing to those of another.
func TestWorkerIsLostInAMix(t *testing.T) {
	t.Parallel()
	l := &loss{t: t}
	server := startLiar(t, &liar{byRoom: true, spoil: faithful, enough: func() { l.leave() }})
	m := &Mix{Rooms: 4, Classes: []Class{{Name: "a", Share: 1, Rooms: Range{1, 2}, Publish: 20, Payload: []Size{{1, 64}}}}}
	r := l.run(Options{Scenario: Mixed, Mix: m, Targets: []string{server}, Duration: time.Hour})
	if c := r.Mix.Classes[0]; c.Connections != 10 || c.Lives != 10 || r.Delivery.Missing != 0 {
		t.Errorf("class %+v, delivery %+v; want what the first worker has", c, r.Delivery)
	}
}
