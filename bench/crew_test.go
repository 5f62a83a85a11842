package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// joinEnv has a test binary join the coordinator at its value, so that a test can kill a worker.
const joinEnv = "EDGE_BENCH_JOIN"

// lead is a coordinator under test.
type lead struct {
	address string
	said    *testutil.Book
	report  *Report
	err     error
	done    chan struct{} // closed when report and err are set
}

// startLead coordinates o in the background, and returns when workers may join.
func startLead(t *testing.T, ctx context.Context, o Options) *lead {
	t.Helper()
	l := &lead{said: new(testutil.Book), done: make(chan struct{})}
	in, out := io.Pipe()
	o.Listen, o.Progress = "127.0.0.1:0", io.MultiWriter(l.said, out)
	go func() {
		defer close(l.done)
		l.report, l.err = Run(ctx, o)
		out.Close()
	}()
	lines := bufio.NewScanner(in)
	if !lines.Scan() {
		<-l.done
		t.Fatalf("the coordinator does not wait for workers: %v", l.err)
	}
	_, l.address, _ = strings.Cut(lines.Text(), " at ")
	go io.Copy(io.Discard, in)
	return l
}

// end returns what the coordinator found out.
func (l *lead) end(t *testing.T) *Report {
	t.Helper()
	<-l.done
	if l.err != nil {
		t.Fatalf("%v; it said\n%s", l.err, l.said)
	}
	return l.report
}

// flood runs o until ctx ends: if it has workers, with them in this process.
func flood(t *testing.T, ctx context.Context, o Options) *Report {
	t.Helper()
	if o.Workers == 0 {
		r, err := Run(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	l := startLead(t, ctx, o)
	var joined sync.WaitGroup
	for range o.Workers {
		joined.Go(func() {
			if _, err := Join(t.Context(), Joining{Coordinator: l.address, Key: o.JoinKey, TokenSecret: o.TokenSecret}); err != nil {
				t.Errorf("Join = %v", err)
			}
		})
	}
	joined.Wait()
	r := l.end(t)
	var ready uint64
	for _, w := range r.Workers {
		ready += w.Ready
	}
	if len(r.Workers) != o.Workers || ready != r.Ready || r.ClockError != 0 {
		t.Errorf("workers %+v, %d ready, clocks within %v", r.Workers, r.Ready, r.ClockError)
	}
	return r
}

func TestSharedRun(t *testing.T) {
	t.Parallel()
	b := buildBaseline(t)
	for name, row := range map[string]struct {
		o    Options
		want func(r *Report) bool
	}{
		"idle": {
			Options{Scenario: Idle, Rooms: 2, Publishers: 3, PublishOnce: true, Message: 1024, Loops: 2, JoinKey: "open sesame"},
			func(r *Report) bool {
				return r.Delivery == Ledger{Expected: 100, Received: 100} && r.Ready == 53 && r.Latency.Count == 100 && r.Loops == 4
			},
		},
		"fanout": { // room 0 has its members in one worker and its publisher in the other
			Options{Scenario: Fanout, Rooms: 2, Rate: 400, Publishers: 1, Ramp: 2000},
			func(r *Report) bool {
				return r.Delivery.Received > 0 && r.Delivery.Received%25 == 0 && r.Ready == 51 && r.Measured.Count > 0 && r.Latency.Count > 0 &&
					r.ConnectLatency.Count == 51 && r.Connecting.Count == 51
			},
		},
		"echo": {
			Options{Scenario: Echo, Rate: 1000},
			func(r *Report) bool {
				return r.Delivery.Received > 0 && r.Ready == 50 && r.Measured.Count > 0 && r.Latency.Count > 0
			},
		},
		"churn": {
			Options{Scenario: Churn},
			func(r *Report) bool { return r.Measured.Count > 0 && r.Ready >= r.Measured.Count },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, pid := b.start(t, 2)
			row.o.Targets, row.o.ServerPID, row.o.Connections = []string{address}, pid, 50
			row.o.Duration, row.o.Warmup = time.Second, 20*time.Millisecond
			row.o.Workers = 2
			r := flood(t, t.Context(), row.o)
			if r.Err() != nil || !row.want(r) || r.Interrupted || r.Memory[0].Pss == 0 {
				t.Errorf("%v; report %+v", r.Err(), r)
			}
		})
	}
}

// pass is a liar that tells the truth.
func pass(_, _ int, push string) []string { return []string{push} }

func TestSharedRunIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	server := startLiar(t, &liar{spoil: pass, enough: interrupt})
	r := flood(t, ctx, Options{Scenario: Fanout, Targets: []string{server}, Connections: 4, Workers: 2, Rate: 100, Duration: time.Hour})
	if !r.Interrupted || r.Err() != nil || r.Delivery.Received < 20*4 || len(r.Workers) != 2 {
		t.Errorf("interrupted: %v, %v, delivery %+v, workers %+v", r.Interrupted, r.Err(), r.Delivery, r.Workers)
	}
}

func TestInterruptedWhileWorkersAreMissing(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	l := startLead(t, ctx, Options{Scenario: Idle, Targets: []string{testutil.Nobody}, Connections: 4, Workers: 2})
	interrupt()
	if <-l.done; l.report != nil || !errors.Is(l.err, errCrew) || !strings.Contains(l.err.Error(), "before all 2 workers had joined") {
		t.Errorf("Run = %v, %v", l.report, l.err)
	}
}

// A worker that is killed takes its connections and what was due to them with it, and the report says so.
func TestWorkerIsKilled(t *testing.T) {
	t.Parallel()
	child := exec.Command(os.Args[0])
	var once sync.Once
	kill := func() { once.Do(func() { _ = child.Process.Kill() }) }
	server := &liar{spoil: pass, enough: kill}
	l := startLead(t, t.Context(), Options{
		Scenario: Fanout, Targets: []string{startLiar(t, server)}, Connections: 4, Workers: 2,
		Rate: 100, Duration: time.Second, Drain: time.Second,
	})
	child.Env = append(os.Environ(), joinEnv+"="+l.address)
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer kill()
	if _, err := Join(t.Context(), Joining{Coordinator: l.address}); err != nil {
		t.Errorf("Join = %v", err)
	}
	r := l.end(t)
	var gone, stays WorkerReport
	for _, w := range r.Workers {
		if w.Gone != "" {
			gone = w
		} else {
			stays = w
		}
	}
	if gone.Ready != gone.Lost || gone.Ready < 2 || stays.Ready < 2 || stays.Lost != 0 || r.Lost != gone.Lost || r.Failed != 0 {
		t.Errorf("workers %+v; want all connections of just one lost", r.Workers)
	}
	if d := r.Delivery; !errors.Is(r.Err(), ErrLoss) || d.Expected != d.Received+d.Missing || d.Received < 20*2 {
		t.Errorf("%v, delivery %+v; want what the other worker has received, and the rest missing", r.Err(), d)
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "; gone: ") {
		t.Errorf("table, %v:\n%s", err, table.String())
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

func TestLinesHaveALimit(t *testing.T) {
	for _, n := range []int{10, helloLimit - 1, helloLimit} {
		l := &link{in: bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", n)+"\n"), 16)}
		line, err := l.line(helloLimit)
		if long := n >= helloLimit; errors.Is(err, errLine) != long || !long && len(line) != n+1 {
			t.Errorf("a line of %d: %d bytes, %v", n+1, len(line), err)
		}
	}
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
			Storm, progress{dialed: 17, ready: 5, left: 9, returned: 7, dropping: 1},
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

// A secret does not travel: who needs it and lacks it says so, to both sides.
func TestWorkerWithoutTheSecret(t *testing.T) {
	o := shortRun()
	o.TokenSecret = strings.Repeat("s", 32)
	l := startLead(t, t.Context(), o)
	if _, err := Join(t.Context(), Joining{Coordinator: l.address}); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "--token-secret") {
		t.Errorf("Join = %v", err)
	}
	if <-l.done; l.report != nil || l.err == nil || !strings.Contains(l.err.Error(), "--token-secret") {
		t.Errorf("Run = %v, %v", l.report, l.err)
	}
}

func TestOptionsTravel(t *testing.T) {
	o := Options{
		Scenario: Fanout, Targets: []string{"a:1"}, Connections: 9, RoomPrefix: "p", Personal: true, Hold: time.Minute, Workers: 3, Listen: "b:2",
		Mix: steady(), TokenSecret: "secret", Internal: "http://a:1", JoinKey: "key", Progress: os.Stderr, Terminal: true, Probe: time.Second, ServerPID: 7,
	}
	us, them := net.Pipe()
	defer us.Close()
	go func() { newLink(them).send(welcome{Options: o.forWorkers()}) }()
	var w welcome
	if err := newLink(us).receive(&w); err != nil {
		t.Fatal(err)
	}
	want := o
	want.TokenSecret, want.JoinKey, want.Progress, want.Terminal, want.Probe, want.ServerPID, want.Internal = "", "", nil, false, 0, 0, ""
	if !reflect.DeepEqual(*w.Options, want) {
		t.Errorf("options arrive as %+v; want %+v", *w.Options, want)
	}
	if o.TokenSecret == "" || o.Probe == 0 {
		t.Error("the coordinator's own options have changed")
	}
}

// fakeLead accepts one connection and has act speak on it.
func fakeLead(t *testing.T, act func(l *link)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if c, err := listener.Accept(); err == nil {
			defer c.Close()
			act(newLink(c))
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	return listener.Addr().String()
}

func TestCoordinatorsThatAreNone(t *testing.T) {
	for says, act := range map[string]func(l *link){
		"no coordinator of edge flood": func(l *link) { l.send("HTTP/1.1 400 Bad Request") },
		"speaks version 5 of the protocol and the worker version 4": func(l *link) {
			l.send(greeting{linkVersion + 1, nil})
			l.line(helloLimit)
		},
		"does not have the --join-key": func(l *link) {
			l.send(greeting{linkVersion, nil})
			l.line(helloLimit)
			l.send(welcome{Proof: []byte("trust me"), Options: new(Options)})
		},
		"does not say what to do": func(l *link) {
			var h hello
			l.send(greeting{linkVersion, []byte("n")})
			l.receiveHello(&h)
			l.send(welcome{Proof: proof("k", "coordinator", []byte("n"), h.Nonce)})
		},
		"the coordinator has gone": func(l *link) {
			l.send(greeting{linkVersion, nil})
			l.line(helloLimit)
		},
	} {
		_, err := Join(t.Context(), Joining{Coordinator: fakeLead(t, act), Key: "k"})
		if !errors.Is(err, errCrew) || !strings.Contains(err.Error(), says) {
			t.Errorf("Join = %v; want an error that says %q", err, says)
		}
	}
	if _, err := Join(t.Context(), Joining{Coordinator: "nonsense"}); !errors.Is(err, ErrUsage) {
		t.Errorf("Join without a port = %v; want a usage error", err)
	}
}

// A worker whose coordinator dies ends, and says why.
func TestCoordinatorDies(t *testing.T) {
	address := fakeLead(t, func(l *link) {
		var h hello
		l.send(greeting{linkVersion, []byte("n")})
		l.receiveHello(&h)
		o := shortRun().withDefaults()
		o.Listen = "x:1"
		l.send(welcome{Proof: proof("", "coordinator", []byte("n"), h.Nonce), Options: &o})
		for {
			var m message
			if err := l.receive(&m); err != nil || m.Step == "phase connecting" {
				return
			}
			if m.Clock != nil {
				l.send(message{Clock: m.Clock})
			}
			if m.Step != "" {
				l.send(message{Step: m.Step})
			}
		}
	})
	if _, err := Join(t.Context(), Joining{Coordinator: address}); !errors.Is(err, errCrew) || !strings.Contains(err.Error(), "the coordinator has ended the run") {
		t.Errorf("Join = %v", err)
	}
}

// A worker that is interrupted says so, and so does the report.
func TestWorkerIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	server := startLiar(t, &liar{spoil: pass, enough: interrupt})
	l := startLead(t, t.Context(), Options{
		Scenario: Fanout, Targets: []string{server}, Connections: 4, Workers: 1, Rate: 100, Duration: time.Hour, Drain: 100 * time.Millisecond,
	})
	if _, err := Join(ctx, Joining{Coordinator: l.address}); !errors.Is(err, errInterrupted) {
		t.Errorf("Join = %v", err)
	}
	if r := l.end(t); len(r.Workers) != 1 || r.Workers[0].Gone != "interrupted" || r.Lost != 5 || r.Err() == nil || r.Interrupted {
		t.Errorf("lost %d, workers %+v, %v", r.Lost, r.Workers, r.Err())
	}
}
