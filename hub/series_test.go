package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var ordered = Options{Ordered: true}

// note is an act that tells one member something, in several steps.
type note struct {
	l     *loop
	slot  uint32
	text  string
	steps int
}

func (n *note) Act() (more bool) {
	if n.steps--; n.steps > 0 {
		return true
	}
	n.l.got[n.slot] += n.text
	return false
}

// What is published in several ordered rooms, and what is done between, reaches each member in one order, however much some
// rooms have to do and whoever comes and goes.
func TestSeriesIsOneOrder(t *testing.T) {
	const members, settled = 90, 30 // of them those who stay
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	h := New()
	h.SetOptions(0, ordered)
	l := newLoop(h)
	l.stopClock()
	rooms := []string{"all", "some", "few"}
	subs := make([]Subs, members)
	enter := func(slot int) {
		for i, room := range rooms {
			if slot%(3*i+1) == 0 {
				l.subscribe(t, uint32(slot), &subs[slot], room)
			}
		}
	}
	for i := range subs {
		enter(i)
	}
	l.settle()
	var want [settled]string
	for n := range 3000 {
		text := strconv.Itoa(n)
		switch k := r.IntN(10); {
		case k < 6:
			i := r.IntN(len(rooms))
			publish(h, rooms[i], text)
			for slot := range want {
				if slot%(3*i+1) == 0 {
					want[slot] += text + ";"
				}
			}
		case k < 8:
			slot := r.IntN(settled)
			l.handle(len(l.box.events)) // an act comes by way of the inbox as well
			l.Follow(&note{l, uint32(slot), text + ";", 1 + r.IntN(3)}, 10)
			want[slot] += text + ";"
		case k == 8:
			slot := settled + r.IntN(members-settled)
			l.LeaveAll(&subs[slot])
			enter(slot)
		default:
			l.handle(r.IntN(len(l.box.events) + 1))
			l.Fanout(0)
		}
	}
	l.settle()
	for slot, w := range want {
		if l.got[uint32(slot)] != w {
			t.Fatalf("seed %d: member %d received %.200q; want %.200q", seed, slot, l.got[uint32(slot)], w)
		}
	}
	for slot, got := range l.got {
		last := -1
		for _, text := range strings.Split(strings.TrimSuffix(got, ";"), ";") {
			n, err := strconv.Atoi(text)
			if err != nil || n <= last {
				t.Fatalf("seed %d: member %d received %q behind %d", seed, slot, text, last)
			}
			last = n
		}
	}
	for i := range subs {
		l.LeaveAll(&subs[i])
	}
	l.settle()
	checkEmpty(t, h, l)
	if !l.series.idle() || l.Stats.WaitingBytes != 0 || len(l.series.acts) != 0 {
		t.Errorf("left: %d acts, %d bytes", len(l.series.acts), l.Stats.WaitingBytes)
	}
}

// With nothing before it an act is done at once; else its place is kept, and what is owed says so.
func TestFollow(t *testing.T) {
	h := New()
	h.SetOptions(0, ordered)
	l := newLoop(h)
	subs := crowd(t, l, 3, "r")
	l.settle()
	l.Follow(&note{l, 1, "at once;", 1}, 1)
	if l.got[1] != "at once;" || l.Due() {
		t.Errorf("received %q, due %v", l.got[1], l.Due())
	}
	publish(h, "r", "a")
	l.handle(1)
	l.Follow(&note{l, 1, "behind;", 2}, 1)
	publish(h, "r", "b")
	l.handle(1)
	if !l.Owes(&subs[1], never) {
		t.Error("owes nothing")
	}
	l.settle()
	if want := "at once;a;behind;b;"; l.got[1] != want || l.got[0] != "a;b;" {
		t.Errorf("received %q, %q; want %q, a;b;", l.got[1], l.got[0], want)
	}
	if l.Owes(&subs[1], never) || l.Due() {
		t.Error("owes something at the end")
	}
}

// Publications of one room that stand next to each other share a write.
func TestSeriesMerges(t *testing.T) {
	h := New()
	h.SetOptions(0, ordered)
	l := newLoop(h)
	crowd(t, l, 2, "r")
	l.settle()
	writes := 0
	l.then = func(Member, []byte) bool { writes++; return false }
	for i := range 5 {
		publish(h, "r", fmt.Sprint(i))
	}
	l.settle()
	if writes != 2 || l.got[1] != "0;1;2;3;4;" {
		t.Errorf("%d writes, received %q; want one for each member", writes, l.got[1])
	}
}

func TestMembersAndForms(t *testing.T) {
	for name, o := range map[string]Options{"ordered": ordered, "not": {}} {
		t.Run(name, func(t *testing.T) {
			h := New()
			h.SetOptions(0, o)
			l := newLoop(h)
			subs := crowd(t, l, 3, "r")
			l.subscribe(t, 1, &subs[1], "s")
			l.SetForm(&subs[1], func(Form) Form { return 5 })
			l.settle()
			l.SetForm(&subs[2], func(f Form) Form { return f + 3 })
			l.subscribe(t, 9, new(Subs), "r") // has not arrived
			var got []string
			for m := range l.Members([]byte("r")) {
				got = append(got, fmt.Sprint(m.Slot(), ":", m.Form()))
			}
			slices.Sort(got)
			if want := []string{"0:0", "1:5", "2:3"}; !slices.Equal(got, want) {
				t.Errorf("members %v; want %v", got, want)
			}
			for range l.Members([]byte("nowhere")) {
				t.Error("somebody is nowhere")
			}
			publish(h, "r", "x")
			l.settle()
			if l.got[1] != "5x;" || l.got[2] != "3x;" {
				t.Errorf("received %q and %q in their forms", l.got[1], l.got[2])
			}
		})
	}
}

// Publications of rooms that alternate share writes where nobody minds the order across rooms; who does gets all in one order, and each
// room's order holds for all.
func TestSeriesGathers(t *testing.T) {
	h := New()
	h.SetOptions(0, ordered)
	l := newLoop(h)
	l.InOrder = func(f Form) bool { return f == 1 }
	subs := make([]Subs, 5)
	enter := func(slot uint32, form Form, room string) {
		if _, err := l.Subscribe(NewMember(slot, form), &subs[slot], 0, []byte(room), nil); err != nil {
			t.Fatal(err)
		}
	}
	writes := make(map[uint32]int)
	l.then = func(m Member, _ []byte) bool { writes[m.Slot()]++; return false }
	for slot := range uint32(3) { // some are in a, some in b, one in both
		if slot != 1 {
			enter(slot, 0, "a")
		}
		if slot != 0 {
			enter(slot, 0, "b")
		}
	}
	l.settle()
	var ab string
	for n := range 7 {
		for _, room := range []string{"a", "b"} {
			text := fmt.Sprint(room, n)
			publish(h, room, text)
			ab += text + ";"
		}
		if n == 3 {
			enter(3, 0, "a") // in the middle
		}
	}
	only := func(texts, room string) (s string) {
		for text := range strings.SplitSeq(strings.TrimSuffix(texts, ";"), ";") {
			if strings.HasPrefix(text, room) {
				s += text + ";"
			}
		}
		return s
	}
	l.settle()
	_, second, _ := strings.Cut(ab, "b3;")
	for slot, want := range []string{only(ab, "a"), only(ab, "b"), only(ab, "a") + only(ab, "b"), only(second, "a")} {
		if got := l.got[uint32(slot)]; got != want {
			t.Errorf("member %d received %q; want %q", slot, got, want)
		}
	}
	if writes[0] != 1 || writes[1] != 1 || writes[2] != 2 || writes[3] != 1 {
		t.Errorf("writes to members: %v; want 1 for each room", writes)
	}

	clear(l.got)
	publish(h, "a", "before")
	publish(h, "b", "before")
	enter(4, 1, "a")
	enter(4, 1, "b")
	ab = ""
	for n := range 7 {
		for _, room := range []string{"a", "b"} {
			text := fmt.Sprint(room, n)
			publish(h, room, text)
			ab += "1" + text + ";" // as its form has it
		}
	}
	l.settle()
	if got := l.got[4]; got != ab {
		t.Errorf("who minds the order received %q; want %q", got, ab)
	}
	if got, want := l.got[0], "before;"+only(strings.ReplaceAll(ab, "1a", "a"), "a"); got != want {
		t.Errorf("a member of one room received %q; want %q", got, want)
	}
}
