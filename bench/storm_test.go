package bench

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/protocol"
)

// archive is a liar with one room that keeps what is published there. All of it is guarded by the liar's lock.
type archive struct {
	liar
	connections int // that come before there is a storm, the publisher's included
	upgrades    int
	calm        int // publications by the first return
	kept        [][]byte
	asked       int // subscriptions with a position

	// edit changes the answer to somebody who comes back with a position.
	edit func(r *protocol.SubscribeResult)

	// refuse is called at each try to come back for the header of its refusal; "" for none.
	refuse func() string
}

const missed = 3 // publications at least, by everybody who comes back

// startArchive serves a run of so many connections and a publisher until the test ends.
func startArchive(t *testing.T, a *archive, connections int, recovers bool) string {
	t.Helper()
	a.connections = connections + 1
	a.gate = a.admit
	if a.spoil == nil {
		a.spoil = func(_, _ int, push string) []string { return []string{push} }
	}
	inner := a.spoil
	a.spoil = func(member, n int, push string) []string {
		if len(a.kept) < n {
			_, data, _ := strings.Cut(push, `"data":`)
			data, _, _ = strings.Cut(data, `,"offset"`)
			a.kept = append(a.kept, []byte(data))
		}
		return inner(member, n, push)
	}
	if recovers {
		a.subscribe = a.recover
	}
	return startLiar(t, &a.liar)
}

// admit refuses who comes back until enough has been published for everybody to have missed some of it.
func (a *archive) admit() string {
	a.upgrades++
	switch {
	case a.upgrades <= a.connections:
		return ""
	case a.upgrades == a.connections+1:
		a.calm = a.publications
	}
	if a.refuse != nil {
		return a.refuse()
	}
	if a.publications < a.calm+missed {
		return "Retry-After: 0\r\n"
	}
	return ""
}

func (a *archive) recover(q *protocol.SubscribeRequest) protocol.SubscribeResult {
	r := protocol.SubscribeResult{Recoverable: true, Positioned: true, Epoch: []byte("e"), Offset: uint64(a.publications)}
	if !q.Recover {
		return r
	}
	a.asked++
	r.WasRecovering = true
	r.Recovered = string(q.Epoch) == "e"
	for i := q.Offset; i < uint64(len(a.kept)); i++ {
		r.Publications = append(r.Publications, protocol.Publication{Data: a.kept[i], Offset: i + 1})
	}
	if a.edit != nil {
		a.edit(&r)
	}
	return r
}

// loses is how long a run waits in which something will not come.
const loses = 2 * time.Second

// stormOptions are for a run against a liar, in which all comes.
func stormOptions(address string) Options {
	return Options{
		Scenario: Storm, Targets: []string{address}, Connections: 20, Rate: 200, Return: rude,
		Hold: 50 * time.Millisecond, Drain: patience, Loops: 2,
	}
}

func TestStormRecovers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		set     func(o *Options)
		dropped uint64
		tries   uint64 // at least
	}{
		{"rude", func(o *Options) {}, 20, 21},
		{"polite to leave", func(o *Options) { o.Drop = polite }, 20, 21},
		{"polite to return", func(o *Options) { o.Return = polite }, 20, 21},
		{"a part, twice", func(o *Options) { o.Share, o.Storms = 0.5, 2 }, 10, 10},
		{"shared", func(o *Options) { o.Workers, o.Storms = 2, 2 }, 20, 20},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := new(archive)
			o := stormOptions(startArchive(t, a, 20, true))
			row.set(&o)
			r := flood(t, t.Context(), o)
			a.mu.Lock()
			defer a.mu.Unlock()
			if want := uint64(20 * a.publications); r.Delivery.Expected != want || !r.Delivery.Clean() || r.Err() != nil {
				t.Errorf("delivery = %+v, %v; want %d expected and all is well", r.Delivery, r.Err(), want)
			}
			if len(r.Storms) != max(o.Storms, 1) || a.asked != int(row.dropped)*len(r.Storms) {
				t.Fatalf("%d storms, %d recoveries; want %d for each of %d", len(r.Storms), a.asked, row.dropped, max(o.Storms, 1))
			}
			for i, s := range r.Storms {
				if s.Dropped != row.dropped || s.Returned != s.Dropped || s.Recovered != s.Dropped || s.Unrecovered+s.Without != 0 {
					t.Errorf("storm %d: %+v; want %d dropped, back and recovered", i, s, row.dropped)
				}
				if s.Tries < row.tries || s.UntilReturned <= 0 || s.UntilRecovered <= 0 || s.Away.Count != int64(row.dropped) || s.ConnectLatency.Count != int64(row.dropped) {
					t.Errorf("storm %d: %d tries, %v and %v s, away %v, connect %v", i, s.Tries, s.UntilReturned, s.UntilRecovered, s.Away, s.ConnectLatency)
				}
			}
			if refused := r.Storms[0].Refusals["upgrade: HTTP status 503"]; refused != r.Storms[0].Tries-row.dropped || refused == 0 {
				t.Errorf("refusals %v; want %d by 503", r.Storms[0].Refusals, r.Storms[0].Tries-row.dropped)
			}
			checkReport(t, r)
		})
	}
}

func TestStormThatLosesIsSeen(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name        string
		edit        func(r *protocol.SubscribeResult)
		missing     bool
		duplicated  uint64
		unrecovered uint64
	}{
		{"a lie: recovered without the first", func(r *protocol.SubscribeResult) { r.Publications = r.Publications[1:] }, true, 0, 0},
		{"recovered with one twice", func(r *protocol.SubscribeResult) {
			r.Publications = slices.Insert(r.Publications, 1, r.Publications[0])
		}, false, 20, 0},
		{"not recovered", func(r *protocol.SubscribeResult) { r.Publications, r.Recovered = nil, false }, true, 0, 20},
		{"not recovered, but nothing is missing", func(r *protocol.SubscribeResult) { r.Recovered = false }, false, 0, 20},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := &archive{edit: row.edit}
			o := stormOptions(startArchive(t, a, 20, true))
			if row.missing {
				o.Drain = loses
			}
			r := flood(t, t.Context(), o)
			d, s := r.Delivery, r.Storms[0]
			if d.Missing >= 20 != row.missing || d.Duplicated != row.duplicated || s.Unrecovered != row.unrecovered || s.Recovered != 20-row.unrecovered {
				t.Errorf("delivery %+v, storm %+v", d, s)
			}
			if !errors.Is(r.Err(), ErrLoss) {
				t.Errorf("Err() = %v; want a loss", r.Err())
			}
		})
	}
}

// Where nothing can be recovered, what was published while somebody was away is not due, and all else is.
func TestStormWithoutRecovery(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		workers int
		spoil   func(member, n int, push string) []string
		clean   bool
	}{
		{"all who are back get all", 0, nil, true},
		{"all who are back get all, shared", 2, nil, true},
		{"one who is back gets nothing", 0, func(member, _ int, push string) []string {
			if member == 25 {
				return []string{}
			}
			return []string{push}
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := &archive{liar: liar{spoil: row.spoil}}
			o := stormOptions(startArchive(t, a, 20, false))
			o.Workers = row.workers
			if !row.clean {
				o.Drain = loses
			}
			r := flood(t, t.Context(), o)
			a.mu.Lock()
			defer a.mu.Unlock()
			if s := r.Storms[0]; s.Without != 20 || s.Recovered+s.Unrecovered != 0 || s.UntilRecovered != 0 || s.UntilReturned == 0 {
				t.Errorf("storm %+v; want 20 back and none recovered", s)
			}
			if most := uint64(20 * (a.publications - missed)); r.Delivery.Expected > most || r.Delivery.Clean() != row.clean || (r.Err() == nil) != row.clean {
				t.Errorf("delivery %+v, %v; want at most %d expected, clean: %v", r.Delivery, r.Err(), most, row.clean)
			}
		})
	}
}

// Nobody is let in again: those who are away are lost, unless the run was interrupted.
func TestStormThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	t.Run("patience is over", func(t *testing.T) {
		t.Parallel()
		a := &archive{refuse: func() string { return "Retry-After: 1000\r\n" }}
		o := stormOptions(startArchive(t, a, 20, true))
		o.GiveUp, o.Drain = 200*time.Millisecond, loses
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if s := r.Storms[0]; s.Dropped != 20 || s.Returned != 0 || s.UntilReturned != 0 || r.Lost != 20 || r.Ready != 21 {
			t.Errorf("storm %+v, %d lost, %d ready; want all lost", s, r.Lost, r.Ready)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if d := r.Delivery; d.Expected != uint64(20*a.publications) || d.Missing == 0 || !errors.Is(r.Err(), ErrLoss) {
			t.Errorf("delivery %+v, %v; want %d expected", d, r.Err(), 20*a.publications)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		a := &archive{refuse: func() string { interrupt(); return "Retry-After: 1\r\n" }}
		r, err := Run(ctx, stormOptions(startArchive(t, a, 20, true)))
		if err != nil {
			t.Fatal(err)
		}
		if !r.Interrupted || r.Lost != 0 || r.Err() != nil || r.Delivery.Expected == 0 || len(r.Storms) != 1 || r.Storms[0].Dropped != 20 {
			t.Errorf("interrupted %v, lost %d, %v, delivery %+v, storms %+v", r.Interrupted, r.Lost, r.Err(), r.Delivery, r.Storms)
		}
		checkReport(t, r)
	})
}

// A run that is interrupted in the calm has no storm: nobody drops who would not come back.
func TestInterruptedBeforeTheStorm(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	a := &archive{liar: liar{enough: interrupt}}
	o := stormOptions(startArchive(t, a, 20, true))
	o.Hold = time.Hour
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if d := r.Delivery; !r.Interrupted || r.Err() != nil || len(r.Storms) != 0 || d.Received < 20*20 || d.Received != d.Expected {
		t.Errorf("interrupted %v, %v, delivery %+v, storms %+v; want all delivered, and no storm", r.Interrupted, r.Err(), d, r.Storms)
	}
}

// The polite wait longer after each failure, and never before the server has asked them to.
func TestPoliteReturn(t *testing.T) {
	d := &driver{run: &run{options: Options{Return: polite}, loops: 1, begin: time.Now(), share: wholeShare}}
	s := &stormPlay{roomsPlay: roomsPlay{d: d}, members: make([]member, 1)}
	for _, row := range []struct {
		tries       uint8
		seconds     int
		least, most time.Duration
	}{
		{0, 0, 500 * time.Millisecond, time.Second},
		{3, 0, 500 * time.Millisecond, 4500 * time.Millisecond},
		{maxStep, 0, 500 * time.Millisecond, 20 * time.Second},
		{0, 30, 30 * time.Second, 30*time.Second + 500*time.Millisecond},
	} {
		for range 100 {
			s.members[0].tries = row.tries
			before := d.run.clock()
			s.returnLater(0, row.seconds)
			after := d.run.clock()
			at := int64(d.later.entries[0]>>32) * int64(time.Millisecond)
			if at < before+int64(row.least) || at > after+int64(row.most+time.Millisecond) {
				t.Fatalf("after %d failures, asked to wait %d s: in %v; want %v to %v", row.tries, row.seconds, time.Duration(at-before), row.least, row.most)
			}
			if _, ok := d.later.take(after); ok {
				t.Fatal("it returns at once")
			}
			d.later = calendar{}
		}
	}
}

func TestCalendar(t *testing.T) {
	var c calendar
	for _, e := range []struct {
		at     time.Duration
		number uint32
	}{{3 * time.Millisecond, 1}, {time.Millisecond, 2}, {time.Second, 3}, {time.Millisecond, 4}, {0, 1<<32 - 1}} {
		c.add(int64(e.at), e.number)
	}
	var got []uint32
	for number, ok := c.take(5e6); ok; number, ok = c.take(5e6) {
		got = append(got, number)
	}
	if want := []uint32{1<<32 - 1, 2, 4, 1}; !slices.Equal(got, want) {
		t.Errorf("due within 5 ms: %v; want %v", got, want)
	}
	if number, ok := c.take(1e9); !ok || number != 3 {
		t.Errorf("due after a second: %d, %v; want 3", number, ok)
	}
}

func TestOffsetOf(t *testing.T) {
	for in, want := range map[string]uint64{
		`,"offset":17}}}`:                 17,
		`,"info":{"user":""},"offset":5}`: 5,
		`}}}`:                             0,
		`},{"data":"f00,"offset":9}`:      0, // of the next one
	} {
		if got, ok := offsetOf([]byte(in)); got != want || ok != (want > 0) {
			t.Errorf("offsetOf(%s) = %d, %v; want %d", in, got, ok, want)
		}
	}
}

func (b baseline) testStorm(t *testing.T) {
	r := b.flood(t, 2, Options{Scenario: Storm, Connections: 200, Rooms: 4, Rate: 200, Loops: 2, Storms: 2, Return: rude, Hold: 30 * time.Millisecond, Probe: 5 * time.Millisecond})
	if len(r.Storms) != 2 || r.Ready != 201 || len(r.Memory) != 4 {
		t.Fatalf("%d storms, %d ready, memory read %d times; want 2, 201 and 4", len(r.Storms), r.Ready, len(r.Memory))
	}
	for i, s := range r.Storms {
		if s.Dropped != 200 || s.Returned != 200 || s.Without != 200 || s.Load.Count != 200 || s.Peak.Pss == 0 || s.Tries < 200 {
			t.Errorf("storm %d: %+v; want 200 dropped and back", i+1, s)
		}
	}
}
