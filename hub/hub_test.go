package hub

import (
	"fmt"
	"strings"
	"testing"
)

func TestPublishReachesMembersOfAllLoops(t *testing.T) {
	h := New()
	loops := []*loop{newLoop(h), newLoop(h), newLoop(h)}
	var a, b, c Subs
	loops[0].subscribe(t, 1, &a, "news")
	loops[0].subscribe(t, 2, &b, "news")
	loops[2].subscribe(t, 7, &c, "news")
	publish(h, "news", "hello")
	publish(h, "other", "lost")
	for _, l := range loops {
		l.settle()
	}
	for _, got := range []string{loops[0].got[1], loops[0].got[2], loops[2].got[7]} {
		if got != "hello;" {
			t.Errorf("member received %q; want %q", got, "hello;")
		}
	}
	if n := len(loops[1].got); n != 0 {
		t.Errorf("loop without members delivered to %d", n)
	}
	loops[0].LeaveAll(&a)
	loops[0].LeaveAll(&b)
	loops[2].LeaveAll(&c)
	for _, l := range loops {
		l.settle()
	}
	checkEmpty(t, h, loops...)
}

func TestRoomsWithoutHistoryHaveNoPositions(t *testing.T) {
	h := New()
	l := newLoop(h)
	var a Subs
	if joined := l.recover(t, 1, &a, "r", &Request{Recover: true}); joined.Positioned || joined.Recovered || joined.Position != (Position{}) {
		t.Errorf("Subscribe = %+v; want no position", joined)
	}
	if pos := publish(h, "r", "x"); pos != (Position{}) {
		t.Errorf("Publish = %v; want no position", pos)
	}
	if pos, ok := h.Position([]byte("r")); ok || pos != (Position{}) {
		t.Errorf("Position = %v, %v; want none", pos, ok)
	}
	if _, _, err := h.History(0, []byte("r"), HistoryRequest{}); err != ErrNoHistory {
		t.Errorf("History = %v; want ErrNoHistory", err)
	}
}

func TestOnlySleepingLoopsAreWoken(t *testing.T) {
	h := New()
	var loops []*loop
	for i := range maxLoops {
		l := newLoop(h)
		loops = append(loops, l)
		var s Subs
		l.subscribe(t, 0, &s, "r")
		l.box.asleep = i%3 == 0
	}
	publish(h, "r", "x")
	publish(h, "r", "y")
	for i, l := range loops {
		want := 0
		if i%3 == 0 {
			want = 1
		}
		if l.box.woken != want {
			t.Errorf("loop %d was woken %d times; want %d", i, l.box.woken, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("AddLoop took loop 257")
		}
	}()
	newLoop(h)
}

func TestCount(t *testing.T) {
	h := New()
	l := newLoop(h)
	subs := make([]Subs, 50)
	for i := range subs {
		l.subscribe(t, uint32(i), &subs[i], "all")
		l.subscribe(t, uint32(i), &subs[i], fmt.Sprint("own", i))
	}
	if rooms, n := h.Count(); rooms != 51 || n != 100 {
		t.Errorf("Count = %d rooms, %d subscriptions; want 51, 100", rooms, n)
	}
	for i := range subs {
		l.LeaveAll(&subs[i])
	}
	if rooms, n := h.Count(); rooms != 0 || n != 0 {
		t.Errorf("Count = %d rooms, %d subscriptions; want none", rooms, n)
	}
}

func TestRoomNamesOfAnyLength(t *testing.T) {
	h := New()
	l := newLoop(h)
	var s Subs
	var names []string
	for n := range 300 {
		names = append(names, strings.Repeat("a", n), strings.Repeat("a", n)+"\x00", strings.Repeat("a", n)+"b")
	}
	for _, name := range names {
		l.subscribe(t, 1, &s, name)
	}
	i := len(names)
	for name := range l.Rooms(&s) {
		if i--; name != names[i] {
			t.Fatalf("room %d = %q; want %q", i, name, names[i])
		}
	}
	if i != 0 || s.Len() != len(names) {
		t.Errorf("Rooms left out %d of %d; Len = %d", i, len(names), s.Len())
	}
	for _, name := range names {
		if !l.Unsubscribe(&s, []byte(name)) {
			t.Fatalf("Unsubscribe(%q) = false", name)
		}
	}
	l.settle()
	checkEmpty(t, h, l)
}
