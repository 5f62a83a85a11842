package hub

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// party is a hub whose rooms keep presence, on a clock that the test holds, with one loop on which joins and leaves
// are written as "+1;" and "-1;".
type party struct {
	*testing.T
	*Hub
	*loop
	clock time.Time
	subs  map[uint32]*Subs
}

func newParty(t *testing.T, o Options) *party {
	p := &party{T: t, Hub: New(), clock: time.Unix(1000, 0), subs: make(map[uint32]*Subs)}
	p.Hub.now = func() time.Time { return p.clock }
	p.SetOptions(1, o)
	p.loop = newLoop(p.Hub)
	return p
}

// enter subscribes client id, in the slot of the same number, and settles.
func (p *party) enter(id uint32, user string) {
	p.Helper()
	s := new(Subs)
	p.subs[id] = s
	r := &Request{As: Attendee{ID: uint64(id), User: []byte(user), Info: fmt.Appendf(nil, "info of %d", id)}}
	if _, err := p.Subscribe(NewMember(id, 0), s, 1, []byte("r"), r); err != nil {
		p.Fatal(err)
	}
	p.settle()
}

// cut ends a client as a lost conn does, exit as an unsubscribe.
func (p *party) cut(id uint32)  { p.LeaveAll(p.subs[id]); p.settle() }
func (p *party) exit(id uint32) { p.Unsubscribe(p.subs[id], []byte("r")); p.settle() }

func (p *party) pass(d time.Duration) {
	p.clock = p.clock.Add(d)
	p.Tick(p.clock)
	p.settle()
}

// heard returns what a client has received since the last call.
func (p *party) heard(id uint32) string {
	got := p.got[id]
	p.got[id] = ""
	return got
}

func (p *party) want(id uint32, want string) {
	p.Helper()
	if got := p.heard(id); got != want {
		p.Errorf("client %d has heard %q; want %q", id, got, want)
	}
}

func (p *party) wantStats(clients, users int) {
	p.Helper()
	if c, u := p.PresenceStats([]byte("r")); c != clients || u != users {
		p.Errorf("PresenceStats = %d, %d; want %d, %d", c, u, clients, users)
	}
}

func TestJoinsAndLeavesReachTheRoom(t *testing.T) {
	p := newParty(t, Options{Presence: true, JoinLeave: true})
	p.enter(1, "ann")
	p.want(1, "+1:info of 1;")
	p.enter(2, "bob")
	p.want(1, "+2:info of 2;")
	p.want(2, "+2:info of 2;")
	p.wantStats(2, 2)
	p.exit(2)
	p.want(1, "-2:info of 2;")
	p.want(2, "")
	p.cut(1)
	p.want(1, "")
	p.wantStats(0, 0)
	checkEmpty(t, p.Hub, p.loop)
}

func TestABlinkIsNeitherLeaveNorJoin(t *testing.T) {
	p := newParty(t, Options{Presence: true, JoinLeave: true, PresenceGrace: 10 * time.Second})
	p.enter(9, "watcher")
	p.enter(1, "ann")
	p.want(9, "+9:info of 9;+1:info of 1;")
	p.cut(1)
	p.wantStats(2, 2)
	p.pass(5 * time.Second)
	p.enter(2, "ann")
	p.want(9, "")
	p.wantStats(2, 2)
	p.pass(time.Minute)
	p.want(9, "")
	p.cut(2)
	p.pass(11 * time.Second)
	p.want(9, "-2:info of 2;")
	p.enter(3, "ann")
	p.exit(3) // by its own will: nobody waits for it
	p.want(9, "+3:info of 3;-3:info of 3;")
	p.enter(4, "") // nobody in particular
	p.cut(4)
	p.want(9, "+4:info of 4;-4:info of 4;")
	p.cut(9)
	p.pass(11 * time.Second)
	checkEmpty(t, p.Hub, p.loop)
}

// A room lives on while somebody lingers in it, and its presence is asked for like any other's.
func TestWhoLingersKeepsTheRoom(t *testing.T) {
	p := newParty(t, Options{Presence: true, JoinLeave: true, PresenceGrace: 10 * time.Second})
	p.enter(1, "ann")
	p.cut(1)
	p.wantStats(1, 1)
	p.enter(2, "bob")
	p.want(2, "+2:info of 2;")
	p.pass(11 * time.Second)
	p.want(2, "-1:info of 1;")
	p.cut(2)
	p.pass(11 * time.Second)
	p.wantStats(0, 0)
	checkEmpty(t, p.Hub, p.loop)
}

func TestPresenceIsListedNewestFirst(t *testing.T) {
	p := newParty(t, Options{Presence: true})
	for id := range uint32(5) {
		p.enter(id+1, fmt.Sprint("user", id%2))
	}
	p.want(1, "") // joins are not announced here
	p.wantStats(5, 2)
	var got string
	for _, a := range p.Presence([]byte("r"), 3) {
		got += fmt.Sprintf("%d %s %s; ", a.ID, a.User, a.Info)
	}
	if want := "5 user0 info of 5; 4 user1 info of 4; 3 user0 info of 3; "; got != want {
		t.Errorf("Presence lists %q; want %q", got, want)
	}
}

// A reload that takes presence away hides who is there and counts nobody who comes; whoever was there leaves in order.
func TestPresenceIsSwitchedByReload(t *testing.T) {
	p := newParty(t, Options{Presence: true, JoinLeave: true})
	p.enter(1, "ann")
	p.want(1, "+1:info of 1;")
	p.SetOptions(1, Options{})
	p.wantStats(0, 0)
	p.enter(2, "bob")
	p.want(1, "")
	p.SetOptions(1, Options{Presence: true, JoinLeave: true})
	p.wantStats(1, 1)
	p.cut(2)
	p.want(1, "")
	p.cut(1)
	checkEmpty(t, p.Hub, p.loop)
}

// Nobody takes the place of one who lingers while presence is off: it leaves when its grace is over.
func TestALingererLeavesThoughPresenceIsOff(t *testing.T) {
	o := Options{Presence: true, JoinLeave: true, PresenceGrace: 10 * time.Second}
	p := newParty(t, o)
	p.enter(9, "watcher")
	p.enter(1, "ann")
	p.want(9, "+9:info of 9;+1:info of 1;")
	p.cut(1)
	off := o
	off.Presence = false
	p.SetOptions(1, off)
	p.enter(2, "ann")
	p.wantStats(0, 0)
	p.pass(11 * time.Second)
	p.want(9, "-1:info of 1;")
	p.SetOptions(1, o)
	p.wantStats(1, 1)
	p.cut(2)
	p.exit(9)
	checkEmpty(t, p.Hub, p.loop)
}

// A room that somebody lingers in keeps its position, however soon it may forget it otherwise.
func TestWhoLingersKeepsThePosition(t *testing.T) {
	p := newParty(t, Options{
		Presence: true, PresenceGrace: 10 * time.Second,
		HistorySize: 1, HistoryTTL: time.Second, MetaTTL: 5 * time.Second,
	})
	p.enter(1, "ann")
	mustPublish(t, p.Hub, 1, []byte("r"), publication("x"))
	before, _ := p.Position([]byte("r"))
	p.cut(1)
	p.pass(9 * time.Second)
	if after, ok := p.Position([]byte("r")); !ok || after != before {
		t.Errorf("Position = %v, %v; want %v still", after, ok, before)
	}
	p.pass(time.Second)
	p.pass(4 * time.Second)
	if _, ok := p.Position([]byte("r")); !ok {
		t.Error("the position is gone before its time")
	}
	p.pass(time.Second)
	checkEmpty(t, p.Hub, p.loop)
}

// What is told of a client changes in its rooms, also for the leave push, and in no others.
func TestAmend(t *testing.T) {
	p := newParty(t, Options{Presence: true, JoinLeave: true})
	p.enter(1, "ann")
	p.enter(2, "ann")
	elsewhere := &Request{As: Attendee{ID: 2, User: []byte("ann"), Info: []byte("old")}}
	for _, r := range []struct {
		room string
		ns   Namespace
	}{{"with presence", 1}, {"without", 0}} {
		if _, err := p.Subscribe(NewMember(2, 0), p.subs[2], r.ns, []byte(r.room), elsewhere); err != nil {
			t.Fatal(err)
		}
	}
	p.settle()
	p.heard(1)
	p.Amend(p.subs[2], func(room string) []byte { return []byte("new in " + room) })
	p.settle()
	p.want(1, "")
	var got []string
	for _, room := range []string{"r", "with presence"} {
		for _, a := range p.Presence([]byte(room), 9) {
			got = append(got, fmt.Sprintf("%d %s: %s", a.ID, a.User, a.Info))
		}
	}
	want := []string{"2 ann: new in r", "1 ann: info of 1", "2 ann: new in with presence"}
	if !slices.Equal(got, want) {
		t.Errorf("after an Amend: %q; want %q", got, want)
	}
	p.cut(2)
	p.want(1, "-2:new in r;")
	p.cut(1)
	checkEmpty(t, p.Hub, p.loop)
}

// lags is a meter that notes how long after its publication each was delivered.
type lags []time.Duration

func (*lags) Passed(time.Duration)            {}
func (g *lags) Delivered(after time.Duration) { *g = append(*g, after) }

// What a join or a leave is measured by, and waited for, is when it was announced.
func TestAnnouncementsHaveATime(t *testing.T) {
	p := newParty(t, Options{Presence: true, JoinLeave: true})
	age := time.Hour
	p.Hub.start = p.clock.Add(-age)
	p.Local.now = func() time.Duration { return p.clock.Sub(p.Hub.start) }
	var delivered lags
	p.Meter = &delivered
	for id := range uint32(3) {
		p.enter(id+1, "ann")
		p.exit(id + 1)
	}
	p.enter(9, "bob")
	p.subs[10] = new(Subs)
	if _, err := p.Subscribe(NewMember(10, 0), p.subs[10], 1, []byte("r"), &Request{As: Attendee{ID: 10}}); err != nil {
		t.Fatal(err)
	}
	p.handle(len(p.box.events))
	if p.Owes(p.subs[9], age) || !p.Owes(p.subs[9], age+1) {
		t.Error("what waits is a join of this moment; it is owed before, or not at all")
	}
	p.settle()
	if len(delivered) == 0 {
		t.Fatal("nothing was measured")
	}
	for _, after := range delivered {
		if after != 0 {
			t.Errorf("an announcement was delivered %v after it was made; want at once", after)
		}
	}
}
