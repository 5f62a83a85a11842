package bench

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

func TestBuiltInMix(t *testing.T) {
	m, err := ParseMix(BuiltInMix())
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Classes) != 5 || len(m.Day) != 24 || m.Classes[0].Session != 20*time.Minute || m.Classes[2].Payload[0].Bytes != 64 {
		t.Errorf("the built-in mix is %+v", m)
	}
}

func TestMixThatIsWrong(t *testing.T) {
	const head = "rooms: 5\nclasses:\n  - name: a\n    share: 1\n"
	for text, says := range map[string]string{
		"room: 5":                                     "line 1: room: unknown key; did you mean rooms?",
		head + "    publsh: 2":                        "line 5: classes[0].publsh: unknown key; did you mean publish?",
		head + "    rooms: {min: 1, mx: 2}":           "line 5: classes[0].rooms.mx: unknown key; did you mean max?",
		head + "    payload: [{byte: 100}]":           "line 5: classes[0].payload[0].byte: unknown key; did you mean bytes?",
		head + "    rooms: 3":                         "line 5: classes[0].rooms: want keys with values",
		head + "    rooms: {min: 3, max: 2}":          "classes[0].rooms: min 3, max 2",
		head + "    rooms: {min: 3, max: 300}":        "max 300: want 0 to 100",
		head + "    session: 5":                       "cannot unmarshal",
		head + "    session: -5s":                     "session -5s",
		head + "    slow: 2":                          "classes[0].slow: 2: want 0 to 1",
		head + "    publish: .nan":                    "classes[0].publish: NaN",
		head + "    payload: [{share: 1, bytes: 7}]":  "bytes 7",
		head + "    payload: [{share: 0, bytes: 70}]": "payload: all shares are 0",
		head + "    share: 2":                         "already defined",
		head + "day: [1, 2]":                          "day: 2 numbers: want 24",
		"rooms: 5\nclasses: []":                       "classes: 0: want 1 to 64",
		"rooms: 5\nclasses: [{name: a}]":              "all shares are 0",
		"rooms: 5\nclasses: [{share: 1}]":             "classes[0].name",
		"classes: [{name: a, share: 1}]":              "rooms: 0",
		"rooms: 5\n---\nrooms: 6":                     "more than one document",
		"rooms: [":                                    "yaml",
		"- 1":                                         "line 1: the file: want keys with values",
		"":                                            "EOF",
	} {
		if _, err := ParseMix([]byte(text)); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("ParseMix(%q) = %v; want one line that says %s", text, err, says)
		}
	}
}

func TestActivity(t *testing.T) {
	m := &Mix{Day: make([]float64, 24)}
	m.Day[6], m.Day[7], m.Day[23] = 1, 3, 4
	for passed, want := range map[float64]float64{0.25: 1, 6.5 / 24: 2, 7.0 / 24: 3, 7.5 / 24: 1.5, 23.5 / 24: 2, 0: 0, 1.25: 1} {
		if got := m.activity(passed); math.Abs(got-want) > 1e-9 {
			t.Errorf("activity(%g) = %g; want %g", passed, got, want)
		}
	}
	if got := new(Mix).activity(0.3); got != 1 {
		t.Errorf("activity without hours = %g; want 1", got)
	}
}

// steady is a mix of connections that stay, each in one room of two.
func steady() *Mix {
	return &Mix{Rooms: 2, Classes: []Class{{
		Name: "a", Share: 1, Rooms: Range{1, 1}, Publish: 20, RPC: 5, Typing: 5, Presence: 5, History: 5, Method: "m", Payload: []Size{{1, 50}, {1, 500}},
	}}}
}

// restless is one of connections that come and go.
func restless() *Mix {
	m := steady()
	m.Classes[0].Session, m.Classes[0].Rooms = 50*time.Millisecond, Range{0, 2}
	m.Classes = append(m.Classes, Class{
		Name: "b", Share: 1, Rooms: Range{2, 2}, Session: 100 * time.Millisecond, Slow: 0.5, Stall: 20 * time.Millisecond, Publish: 5, Payload: []Size{{1, 50}},
	})
	return m
}

// patience is how long a busy machine may take for what has to come.
const patience = 2 * time.Minute

// mixed plays a mix on a liar until it has seen 20 publications.
func mixed(t *testing.T, m *Mix, l *liar, drain time.Duration, workers int) *Report {
	t.Helper()
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	l.byRoom, l.enough = true, enough
	l.answer = func(c *protocol.Command) []byte {
		switch c.Method {
		case protocol.MethodRPC, protocol.MethodPresenceStats, protocol.MethodHistory:
			return protocol.JSON.AppendError(nil, c.ID, protocol.ErrNotAvailable)
		}
		return nil
	}
	target := startLiar(t, l)
	if l.tls != nil {
		target = "wss://" + target
	}
	return flood(t, ctx, Options{
		Scenario: Mixed, Mix: m, Targets: []string{target}, Insecure: l.tls != nil, Connections: 12, Loops: 2, Duration: time.Hour, Drain: drain, Workers: workers,
	})
}

func TestMixIsReconciled(t *testing.T) {
	t.Parallel()
	honest := func(_, _ int, push string) []string { return []string{push} }
	var kept string
	for _, row := range []struct {
		name    string
		mix     *Mix
		workers int
		spoil   func(member, n int, push string) []string
		want    Ledger // Expected and Received follow
		lost    bool
	}{
		{name: "nothing wrong", mix: steady(), spoil: honest},
		{name: "nothing wrong, members come and go", mix: restless(), spoil: honest},
		{name: "nothing wrong, members come and go, shared", mix: restless(), workers: 2, spoil: honest},
		{name: "one is missing", mix: steady(), want: Ledger{Missing: 1}, spoil: func(member, n int, push string) []string {
			if member == 0 && n == 5 {
				return []string{}
			}
			return []string{push}
		}},
		{name: "one comes twice", mix: steady(), want: Ledger{Duplicated: 1}, spoil: func(member, n int, push string) []string {
			if member == 0 && n == 5 {
				return []string{push + "\n" + push}
			}
			return []string{push}
		}},
		{name: "one is damaged", mix: steady(), want: Ledger{Missing: 1, Damaged: 1}, spoil: func(member, n int, push string) []string {
			if member == 0 && n == 5 {
				return []string{strings.Replace(push, "xxxx", "xxyx", 1)}
			}
			return []string{push}
		}},
		{name: "one is of another room", mix: steady(), want: Ledger{Misrouted: 1}, spoil: func(member, n int, push string) []string {
			if kept == "" && member == 0 {
				at := strings.Index(push, `"f0000000`) + len(`"f0000000`)
				kept = push[:at] + string(push[at]^1) + push[at+1:]
				return []string{push, kept}
			}
			return []string{push}
		}},
		{name: "a member is thrown out", mix: steady(), lost: true, spoil: func(member, n int, push string) []string {
			if member == 0 && n == 5 {
				return nil
			}
			return []string{push}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			drain := patience
			if row.want.Missing > 0 {
				drain = loses
			}
			r := mixed(t, row.mix, &liar{spoil: row.spoil}, drain, row.workers)
			want := row.want
			want.Expected = r.Delivery.Expected
			want.Received = want.Expected - want.Missing
			if r.Delivery != want && !row.lost || r.Delivery.Received == 0 {
				t.Errorf("delivery = %+v; want %+v", r.Delivery, want)
			}
			if lost := r.Lost > 0; lost != row.lost {
				t.Errorf("%d lost, %v", r.Lost, r.Closes)
			}
			if clean := row.want == (Ledger{}) && !row.lost; errors.Is(r.Err(), ErrLoss) == clean {
				t.Errorf("Err() = %v, %v; want an error: %v", r.Err(), r.Errors, !clean)
			}
			checkMixReport(t, r, row.mix)
		})
	}
}

// What comes to somebody whom nothing is due to does not end the wait for what is due to others.
func TestMixWaitsForAllThatIsDue(t *testing.T) {
	o := Options{Scenario: Mixed, Mix: steady(), Targets: []string{testutil.Nobody}, Connections: 2, Loops: 1, Duration: time.Hour, Drain: patience}
	r, err := newRun(t.Context(), o.withDefaults(), wholeShare)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	defer r.reactor.Close()
	defer r.probe.stop()
	defer r.watch.stop()
	d := r.drivers[0]
	m := d.play.(*mixPlay)
	room, in := &m.rooms[0].roomBook, &m.member(0).rooms
	d.do(func() {
		d.peers, d.slots[0] = append(d.peers, peer{stage: ready}), noSlot // it has no conn
		*in = []membership{{stood: true}}
		room.number = 5
	})
	settled := make(chan struct{})
	go func() { defer close(settled); r.settleMix() }()
	due := func(n uint64) func() bool { return func() bool { return d.counters.due.value() == n } }
	testutil.Eventually(t, patience, due(5), "five are due")
	d.do(func() { d.counters.delivered.add(5) })
	over := func() bool {
		select {
		case <-settled:
			return true
		default:
			return false
		}
	}
	testutil.Eventually(t, patience, func() bool { return due(10)() || over() }, "five are still due")
	if over() {
		t.Error("nobody waits for what has not come")
	}
	d.do(func() {
		for n := range uint32(5) {
			d.result.ledger.arrive(room, &(*in)[0], n+1)
		}
		d.counters.delivered.add(5)
	})
	<-settled
}

// A server may close who does not read: that is counted, and nobody is lost.
func TestMixLetsTheSlowBeClosed(t *testing.T) {
	t.Parallel()
	m := steady()
	m.Classes[0].Slow, m.Classes[0].Stall = 1, 20*time.Millisecond
	r := mixed(t, m, &liar{spoil: func(member, n int, push string) []string {
		if member == 0 && n == 5 {
			return nil
		}
		return []string{push}
	}}, patience, 0)
	if c := r.Mix.Classes[0]; c.ClosedSlow != 1 || r.Closes[`3008 "slow"`] != 1 || r.Lost != 0 || r.Err() != nil {
		t.Errorf("class %+v, closes %v, %d lost, %v; want one closed as slow and nobody lost", c, r.Closes, r.Lost, r.Err())
	}
}

// checkMixReport holds the rows of the classes against the sums.
func checkMixReport(t *testing.T, r *Report, m *Mix) {
	t.Helper()
	var connections int
	var lives, published, deliveries uint64
	for i, c := range r.Mix.Classes {
		if c.Name != m.Classes[i].Name {
			t.Errorf("class %d is %s; want %s", i, c.Name, m.Classes[i].Name)
		}
		connections += c.Connections
		lives += c.Lives
		published += c.Published
		deliveries += c.Deliveries
		if c.Calls < c.Refused {
			t.Errorf("class %s: %d calls, %d refused", c.Name, c.Calls, c.Refused)
		}
	}
	if connections != 12 || lives > r.Ready || published < 20 {
		t.Errorf("%d connections, %d lives, %d published; want 12, up to %d, and 20 or more", connections, lives, published, r.Ready)
	}
	if all := r.Delivery.Received + r.Delivery.Duplicated + r.Delivery.Misrouted; deliveries > all {
		t.Errorf("%d deliveries by class; %d in all", deliveries, all)
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "class a") {
		t.Errorf("table, %v:\n%s", err, table.String())
	}
}

// What chance decides is the same for the same seed and another for another.
func TestMixFollowsItsSeed(t *testing.T) {
	play := func(seed uint64) (rooms [][]membership, slow []bool, dues []int64) {
		o := Options{Scenario: Mixed, Mix: restless(), Seed: seed, Connections: 50, Rooms: 1, Day: time.Minute}
		m := newMixPlay(&driver{run: &run{options: o, loops: 2, share: wholeShare}, share: 25, loop: new(netpoll.Loop)})
		for i := range m.members {
			m.chooseRooms(m.d.number(uint32(i)), &m.members[i])
			rooms, slow = append(rooms, m.members[i].rooms), append(slow, m.members[i].slow)
		}
		for range 20 {
			m.advance(&m.sources[0])
			dues = append(dues, m.sources[0].next)
		}
		return rooms, slow, dues
	}
	rooms, slow, dues := play(7)
	again, slowAgain, duesAgain := play(7)
	if !reflect.DeepEqual(rooms, again) || !reflect.DeepEqual(slow, slowAgain) || !reflect.DeepEqual(dues, duesAgain) {
		t.Error("the same seed makes another mix")
	}
	if other, _, _ := play(8); reflect.DeepEqual(rooms, other) {
		t.Error("another seed makes the same mix")
	}
}
