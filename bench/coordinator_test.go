package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// given is a crew that has come to a step.
type given []*message

func (g given) meet(_ string, _ *message, lead func([]*message) *message) *message { return lead(g) }

// stranger speaks the protocol by hand.
type stranger struct {
	t *testing.T
	*link
}

func meetStranger(t *testing.T, address string) *stranger {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &stranger{t, newLink(c)}
}

// say sends v and returns the coordinator's next word as a welcome.
func (s *stranger) say(v any) (w welcome) {
	s.t.Helper()
	if err := s.send(v); err != nil {
		s.t.Fatal(err)
	}
	if err := s.receive(&w); err != nil {
		s.t.Fatal(err)
	}
	return w
}

// join does as a worker does, up to the welcome.
func (s *stranger) join() welcome {
	s.t.Helper()
	return s.say(s.hello(linkVersion, ""))
}

// hello reads the greeting and returns an answer.
func (s *stranger) hello(version int, key string) hello {
	s.t.Helper()
	var g greeting
	if err := s.receiveHello(&g); err != nil || g.Version != linkVersion {
		s.t.Fatalf("the greeting is %+v, %v", g, err)
	}
	h := hello{greeting: greeting{version, []byte("once")}, Name: "a\nb"}
	h.Proof = proof(key, "worker", g.Nonce, h.Nonce)
	return h
}

func TestWhoIsNotLetIn(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	l := startLead(t, ctx, Options{Scenario: Idle, Targets: []string{testutil.Nobody}, Connections: 4, Workers: 2, JoinKey: "right"})
	s := meetStranger(t, l.address)
	if w := s.say(s.hello(linkVersion+1, "right")); !strings.Contains(w.Refused, "version 4 of the protocol and the worker version 5") {
		t.Errorf("another version is told %q", w.Refused)
	}
	s = meetStranger(t, l.address)
	if w := s.say(s.hello(linkVersion, "wrong")); !strings.Contains(w.Refused, "--join-key") {
		t.Errorf("another key is told %q", w.Refused)
	}
	s = meetStranger(t, l.address)
	s.hello(linkVersion, "right")
	if w := s.say("good day"); !strings.Contains(w.Refused, "no worker's hello") {
		t.Errorf("who says something else is told %q", w.Refused)
	}
	if _, err := Join(t.Context(), Joining{Coordinator: l.address, Key: "wrong"}); !errors.Is(err, errCrew) || !strings.Contains(err.Error(), "--join-key") {
		t.Errorf("Join with another key = %v", err)
	}
	interrupt()
	<-l.done
}

// shortRun is a run of one worker that nobody answers.
func shortRun() Options {
	return Options{Scenario: Idle, Targets: []string{testutil.Nobody}, Connections: 4, Workers: 1, Drain: time.Second}
}

func TestMoreWorkersThanWanted(t *testing.T) {
	l := startLead(t, t.Context(), shortRun())
	s := meetStranger(t, l.address)
	s.join()
	_, err := Join(t.Context(), Joining{Coordinator: l.address})
	if !errors.Is(err, errCrew) || !strings.Contains(err.Error(), "--workers") {
		t.Errorf("the second of one worker: Join = %v", err)
	}
	s.conn.Close()
	if <-l.done; l.report != nil || !errors.Is(l.err, errCrew) {
		t.Errorf("the only worker leaves before the start: Run = %v, %v", l.report, l.err)
	}
}

// A worker that leaves while others are waited for makes room for another.
func TestWorkerLeavesBeforeAllAreThere(t *testing.T) {
	o := shortRun()
	o.Workers = 2
	l := startLead(t, t.Context(), o)
	s := meetStranger(t, l.address)
	if err := s.send(s.hello(linkVersion, "")); err != nil {
		t.Fatal(err)
	}
	s.conn.Close()
	testutil.Eventually(t, 2*time.Minute, func() bool { return l.said.Count("has left again") == 1 }, "the coordinator sees that a worker has left")
	var joined sync.WaitGroup
	for range 2 {
		joined.Go(func() {
			if _, err := Join(t.Context(), Joining{Coordinator: l.address}); err != nil {
				t.Errorf("Join = %v", err)
			}
		})
	}
	joined.Wait()
	if r := l.end(t); len(r.Workers) != 2 || r.Failed != 4 {
		t.Errorf("%d failed, workers %+v; want 4 of two", r.Failed, r.Workers)
	}
}

// What becomes of workers that do not do as others do.
func TestWorkersThatAreLost(t *testing.T) {
	for why, then := range map[string]func(s *stranger){
		`out of step: it is at "phase wrong"`: func(s *stranger) { s.send(message{Step: "phase wrong"}) },
		"counts 2 rooms; want 1":              func(s *stranger) { s.send(message{Step: "phase connecting", Rooms: []uint32{1, 2}}) },
		"unknown field":                       func(s *stranger) { s.send(map[string]int{"mischief": 1}) },
		"bench: 1 counters":                   func(s *stranger) { s.send(map[string][]int{"progress": {1}}) },
		`had enough\n`:                        func(s *stranger) { s.send(message{Bye: "had enough\n"}) },
		"has died or is cut off":              func(s *stranger) { s.conn.Close() },
	} {
		t.Run(why, func(t *testing.T) {
			l := startLead(t, t.Context(), shortRun())
			s := meetStranger(t, l.address)
			if w := s.join(); w.Options == nil || w.Options.Connections != 4 {
				t.Fatalf("welcome %+v", w)
			}
			if err := s.send(message{Step: "start"}); err != nil {
				t.Fatal(err)
			}
			var m message
			if err := s.receive(&m); err != nil || m.Step != "start" {
				t.Fatalf("after the start: %+v, %v", m, err)
			}
			then(s)
			r := l.end(t)
			if len(r.Workers) != 1 || r.Failed != 4 || r.Ready != 0 || r.Err() == nil {
				t.Fatalf("%d failed, workers %+v, %v", r.Failed, r.Workers, r.Err())
			}
			w := r.Workers[0]
			if !strings.Contains(w.Gone, why) || !strings.HasPrefix(w.Name, `a\nb at 127.0.0.1:`) || r.Failures["worker 1 is gone"] != 4 {
				t.Errorf("worker %+v, failures %v", w, r.Failures)
			}
		})
	}
}

// impatient returns a coordinator that waits for 10 ms, and its only worker, who says nothing.
func impatient(t *testing.T) (*coordinator, *mate) {
	us, them := net.Pipe()
	t.Cleanup(func() { them.Close() })
	go io.Copy(io.Discard, them)
	m := &mate{link: newLink(us), name: "worker"}
	return &coordinator{
		run: &run{changed: make(chan struct{}, 1), options: Options{patience: 10 * time.Millisecond}}, interrupt: func() {},
		joined: true, mates: []*mate{m},
	}, m
}

// A worker that is alive and does not come to a step holds up the others for a time only.
func TestWorkerThatIsLate(t *testing.T) {
	c, m := impatient(t)
	if given := c.gather("step"); len(given) != 1 || given[0] != nil || m.gone == nil || m.gone.Error() != `does not come to "step"` {
		t.Errorf("gather = %v, worker gone: %v", given, m.gone)
	}
}

// So does one of which nothing is heard at all.
func TestWorkerThatIsSilent(t *testing.T) {
	c, m := impatient(t)
	m.link.hurry(c.run.options.patience)
	c.listen(m)
	if m.gone == nil || m.gone.Error() != "says nothing for 10ms" {
		t.Errorf("worker gone: %v", m.gone)
	}
}

func TestStrandedConnections(t *testing.T) {
	for _, row := range []struct {
		scenario      Scenario
		before, after progress
	}{
		{Echo, progress{}, progress{failed: 5}},
		{Echo, progress{dialed: 4, ready: 2, failed: 1}, progress{dialed: 4, ready: 2, failed: 3, lost: 2}},
		{Echo, progress{dialed: 5, ready: 5, lost: 1, sent: 9, answered: 7}, progress{dialed: 5, ready: 5, lost: 5, sent: 9, answered: 7, unheard: 2}},
		{Fanout, progress{dialed: 5, ready: 5, delivered: 7, due: 10}, progress{dialed: 5, ready: 5, lost: 5, delivered: 7, due: 10, excused: 3}},
		{Churn, progress{dialed: 50, ready: 48, cycled: 44, lost: 1, failed: 1}, progress{dialed: 50, ready: 48, cycled: 44, lost: 4, failed: 2}},
		{Mixed, progress{dialed: 9, ready: 9, cycled: 2, left: 3}, progress{dialed: 9, ready: 9, cycled: 2, left: 3, lost: 4}},
		{Slow, progress{dialed: 5, ready: 5, left: 2}, progress{dialed: 5, ready: 5, left: 2, lost: 3}},
		{ // five have dropped in a first storm, and came back at the second try; of four in the second two did
			Storm, progress{dialed: 17, ready: 5, left: 9, returned: 7, unasked: 1},
			progress{dialed: 17, ready: 5, left: 9, returned: 7, lost: 5, stranded: 2},
		},
	} {
		c := &coordinator{run: &run{share: share{2, 2}, options: Options{Scenario: row.scenario, Connections: 10}}}
		got := row.before
		c.strand(0, &got)
		if got != row.after {
			t.Errorf("%s: strand(%+v) = %+v; want %+v", row.scenario, row.before, got, row.after)
		}
	}
}

// What was due to the connections of a worker that is lost.
func TestDueToTheLost(t *testing.T) {
	for _, row := range []struct {
		scenario Scenario
		said     progress
		want     Ledger
	}{
		{Echo, progress{sent: 7, answered: 6}, Ledger{Expected: 7, Received: 6}},
		{Fanout, progress{delivered: 20}, Ledger{Expected: 23, Received: 20}},
		{Storm, progress{delivered: 15, excused: 4}, Ledger{Expected: 19, Received: 15}},
		{Mixed, progress{sent: 7, delivered: 20}, Ledger{Expected: 20, Received: 20}},
		{Mixed, progress{delivered: 20, due: 21}, Ledger{Expected: 21, Received: 20}},
	} {
		r := &run{options: Options{Scenario: row.scenario, Rooms: 2}, published: []uint32{10, 1}}
		m := &mate{progress: row.said, census: []uint32{2, 3}}
		if got := (&coordinator{run: r}).dueTo(m); got != row.want {
			t.Errorf("%s: due to who said %+v: %+v; want %+v", row.scenario, row.said, got, row.want)
		}
	}
}

// All that workers give is added up, and who gives what cannot be read is lost.
func TestPartsAddUp(t *testing.T) {
	part := func(n int64) *stormRound {
		s := newStormRound()
		s.Recovered, s.LastBack, s.Refusals["no"] = uint64(n), 10*n, uint64(n)
		record(s.Away.Histogram, 1000*n)
		return &s
	}
	give := func(v any) *message {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return &message{Part: text}
	}
	r := &run{crew: given{give(part(1)), nil, give(part(3))}}
	all := part(2)
	addParts(r, "step", all)
	if all.Recovered != 6 || all.LastBack != 30 || all.Refusals["no"] != 6 || all.Away.TotalCount() != 3 || all.Away.Max() < 3000 || all.Connect.TotalCount() != 0 {
		t.Errorf("the parts add up to %+v", all)
	}
	for _, bad := range []any{"good day", map[string]string{"away": ""}, map[string]any{"away": nil}} {
		c, m := impatient(t)
		c.signal = t.Context()
		c.run.crew, c.run.ctx = c, t.Context()
		m.arrived = give(bad)
		m.arrived.Step = "storm"
		if addParts(c.run, "storm", all); m.gone == nil || !strings.Contains(m.gone.Error(), "another form") || all.Recovered != 6 {
			t.Errorf("who gives %v is gone: %v; sum %+v", bad, m.gone, all)
		}
	}
}

// When the publisher's worker is gone, what was due is what anybody has heard of.
func TestAccountsWithoutThePublisher(t *testing.T) {
	r := &run{
		options: Options{Scenario: Fanout, Connections: 4, Rooms: 2, Publishers: 2}, share: share{2, 2},
		published: make([]uint32, 2),
	}
	r.crew = &given{
		{Rooms: []uint32{7, 0}, Heard: []uint32{6, 3}}, // publishes to room 0
		nil, // published to room 1
	}
	r.shareAccounts()
	if want := []uint32{7, 3}; !reflect.DeepEqual(r.published, want) {
		t.Errorf("published %v; want %v", r.published, want)
	}
}
