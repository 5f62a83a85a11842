package hub

import (
	"fmt"
	"strings"
	"testing"
)

// crowd subscribes n conns, in slots from 0, to a room of l and settles.
func crowd(t testing.TB, l *loop, n int, room string) []Subs {
	subs := make([]Subs, n)
	for i := range subs {
		l.subscribe(t, uint32(i), &subs[i], room)
	}
	l.settle()
	return subs
}

func TestATurnIsOneWrite(t *testing.T) {
	h := New()
	l := newLoop(h)
	crowd(t, l, 10, "r")
	for i := range 5 {
		publish(h, "r", fmt.Sprint(i))
	}
	l.settle()
	want := Stats{Publications: 5, Jobs: 1, Writes: 10, Deliveries: 50}
	if l.Stats != want || l.got[9] != "0;1;2;3;4;" {
		t.Errorf("%+v, %q; want %+v and all five in order", l.Stats, l.got[9], want)
	}
}

func TestEachMemberGetsItsForm(t *testing.T) {
	h := New()
	l := newLoop(h)
	subs := make([]Subs, Forms)
	for i := range subs {
		if _, err := l.Subscribe(NewMember(uint32(i), Form(i)), &subs[i], 0, []byte("r"), nil); err != nil {
			t.Fatal(err)
		}
	}
	publish(h, "r", "a")
	l.settle()
	publish(h, "r", "b")
	publish(h, "r", "c")
	l.settle()
	for i := range uint32(Forms) {
		d := ""
		if i > 0 {
			d = string('0' + rune(i))
		}
		if want := d + "a;" + d + "b;" + d + "c;"; l.got[i] != want {
			t.Errorf("form %d received %q; want %q", i, l.got[i], want)
		}
	}
}

func TestBatchesAreBounded(t *testing.T) {
	h := New()
	l := newLoop(h)
	crowd(t, l, 3, "r")
	var want string
	sizes := []int{1, maxBatch, maxBatch / 2, maxBatch / 3, maxBatch / 3, 2 * maxBatch, 1, 1}
	for i, size := range sizes {
		data := strings.Repeat(string('a'+rune(i)), size)
		publish(h, "r", data)
		want += data + ";"
	}
	l.then = func(_ Member, wire []byte) bool {
		if strings.Count(string(wire), ";") > 1 && len(wire) > maxBatch {
			t.Errorf("%d bytes joined; want at most %d", len(wire), maxBatch)
		}
		return false
	}
	l.settle()
	if l.got[0] != want || l.got[2] != want {
		t.Errorf("received %d and %d bytes; want %d in order", len(l.got[0]), len(l.got[2]), len(want))
	}
	if l.Stats.Jobs != 6 {
		t.Errorf("%d jobs; want 6", l.Stats.Jobs)
	}
}

// TestLateMembersShareTheBatch has conns join and leave between the publications that wait while a job is in progress:
// they neither cut the batch nor receive more or less than their part of it.
func TestLateMembersShareTheBatch(t *testing.T) {
	h := New()
	l := newLoop(h)
	const members = 2 * stride
	crowd(t, l, members, "r")
	l.stopClock()
	publish(h, "r", "first")
	l.handle(1)
	if !l.Fanout(0) {
		t.Fatal("a stride served the whole roster")
	}
	late := make([]Subs, 4)
	l.subscribe(t, members, &late[0], "r")
	publish(h, "r", "a")
	l.subscribe(t, members+1, &late[1], "r")
	l.subscribe(t, members+2, &late[2], "r")
	publish(h, "r", "b")
	l.subscribe(t, members+3, &late[3], "r")
	l.LeaveAll(&late[2])
	l.handle(len(l.box.events))
	for l.Fanout(0) {
	}
	for slot, want := range map[uint32]string{
		0: "first;a;b;", members - 1: "first;a;b;", members: "a;b;", members + 1: "b;", members + 2: "", members + 3: "",
	} {
		if l.got[slot] != want {
			t.Errorf("slot %d received %q; want %q", slot, l.got[slot], want)
		}
	}
	if l.Stats.Jobs != 2 {
		t.Errorf("%d jobs; want 2", l.Stats.Jobs)
	}
	l.got = make(map[uint32]string)
	publish(h, "r", "c")
	l.handle(1)
	for l.Fanout(0) {
	}
	if len(l.got) != members+3 || l.got[members+3] != "c;" {
		t.Errorf("%d members received the next one; want %d", len(l.got), members+3)
	}
}

func TestKeptBytesAreNotReused(t *testing.T) {
	h := New()
	l := newLoop(h)
	crowd(t, l, 3, "r")
	type keep struct {
		wire []byte
		text string
	}
	var kept []keep
	l.then = func(m Member, wire []byte) bool {
		if m.Slot() != 1 {
			return false
		}
		kept = append(kept, keep{wire, string(wire)})
		return true
	}
	for i := range 50 {
		for range 1 + i%3 {
			publish(h, "r", fmt.Sprint("message ", i))
		}
		l.settle()
	}
	for _, k := range kept {
		if string(k.wire) != k.text {
			t.Fatalf("bytes that a conn kept turned from %q into %q", k.text, k.wire)
		}
	}
}

// silent is a sink whose odd forms carry nothing.
type silent struct{ *loop }

func (s silent) Join(dst []byte, pubs []*Publication, form Form) []byte {
	if form%2 == 1 {
		return nil
	}
	return s.loop.Join(dst, pubs, form)
}

func TestNothingIsWrittenForAnEmptyJoin(t *testing.T) {
	h := New()
	l := &loop{got: make(map[uint32]string)}
	l.Local = h.AddLoop(&l.box, silent{l})
	subs := make([]Subs, 4)
	for i := range subs {
		if _, err := l.Subscribe(NewMember(uint32(i), Form(i)), &subs[i], 0, []byte("r"), nil); err != nil {
			t.Fatal(err)
		}
	}
	publish(h, "r", "x")
	l.settle()
	if len(l.got) != 2 || l.got[0] != "x;" || l.got[2] != "2x;" {
		t.Errorf("received %v; want slots 0 and 2 only", l.got)
	}
}
