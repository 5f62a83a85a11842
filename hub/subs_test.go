package hub

import (
	"errors"
	"slices"
	"testing"
)

func TestMember(t *testing.T) {
	for _, row := range []struct {
		slot uint32
		form Form
	}{{0, 0}, {1, 0}, {0, 31}, {1<<27 - 1, 0}, {1<<27 - 1, 31}, {123456, 7}} {
		m := NewMember(row.slot, row.form)
		if m.Slot() != row.slot || m.Form() != row.form {
			t.Errorf("NewMember(%d, %d) = slot %d, form %d", row.slot, row.form, m.Slot(), m.Form())
		}
	}
}

func TestSubscribeTwiceChangesNothing(t *testing.T) {
	h := New()
	l := newLoop(h)
	var s Subs
	l.subscribe(t, 1, &s, "a")
	l.subscribe(t, 1, &s, "b")
	for _, settled := range []bool{false, true} {
		if _, err := l.Subscribe(NewMember(1, 0), &s, 0, []byte("a"), nil); !errors.Is(err, ErrSubscribed) {
			t.Errorf("settled %v: Subscribe = %v; want ErrSubscribed", settled, err)
		}
		if rooms, n := h.Count(); rooms != 2 || n != 2 || s.Len() != 2 || l.subs.Live() != 2 || l.rosters.Live() != 2 {
			t.Errorf("settled %v: %d rooms, %d subscriptions, Len %d", settled, rooms, n, s.Len())
		}
		l.settle()
	}
	publish(h, "a", "x")
	l.settle()
	if l.got[1] != "x;" {
		t.Errorf("received %q; want %q", l.got[1], "x;")
	}
}

func TestUnsubscribeFromAnywhereInTheList(t *testing.T) {
	rooms := []string{"a", "b", "c", "d"}
	for _, left := range rooms {
		h := New()
		l := newLoop(h)
		var s Subs
		for _, room := range rooms {
			l.subscribe(t, 1, &s, room)
		}
		l.settle()
		if !l.Unsubscribe(&s, []byte(left)) || l.Unsubscribe(&s, []byte(left)) {
			t.Errorf("Unsubscribe(%q) is not true once, then false", left)
		}
		for _, room := range rooms {
			if got := l.Subscribed(&s, []byte(room)); got != (room != left) {
				t.Errorf("without %q: Subscribed(%q) = %v", left, room, got)
			}
		}
		want := slices.DeleteFunc(slices.Clone(rooms), func(room string) bool { return room == left })
		slices.Reverse(want)
		if got := slices.Collect(l.Rooms(&s)); !slices.Equal(got, want) {
			t.Errorf("without %q: Rooms = %q; want %q", left, got, want)
		}
		l.LeaveAll(&s)
		l.settle()
		checkEmpty(t, h, l)
	}
}

func TestSubscribedSeesOnlyThisConn(t *testing.T) {
	h := New()
	l, other := newLoop(h), newLoop(h)
	var s, neighbour, far Subs
	l.subscribe(t, 2, &neighbour, "r")
	other.subscribe(t, 3, &far, "r")
	l.subscribe(t, 1, &s, "elsewhere")
	if l.Subscribed(&s, []byte("r")) || l.Unsubscribe(&s, []byte("r")) {
		t.Error("conn is taken for one that is in the room")
	}
	if !l.Subscribed(&neighbour, []byte("r")) || !other.Subscribed(&far, []byte("r")) {
		t.Error("member is not found")
	}
}

func TestLeaveBeforeTheMarkerArrives(t *testing.T) {
	h := New()
	l := newLoop(h)
	var s, stays Subs
	l.subscribe(t, 2, &stays, "r")
	for range 3 {
		l.subscribe(t, 1, &s, "r")
		publish(h, "r", "x")
		l.LeaveAll(&s)
		publish(h, "r", "y")
	}
	l.subscribe(t, 1, &s, "r")
	publish(h, "r", "z")
	l.settle()
	if l.got[1] != "z;" || l.got[2] != "x;y;x;y;x;y;z;" {
		t.Errorf("received %q and %q; want only what was published while subscribed", l.got[1], l.got[2])
	}
	l.LeaveAll(&s)
	l.LeaveAll(&stays)
	l.settle()
	checkEmpty(t, h, l)
}

func TestRosterIsReusedOnlyAfterItsEvents(t *testing.T) {
	h := New()
	l := newLoop(h)
	var old, fresh Subs
	l.subscribe(t, 1, &old, "old")
	l.settle()
	publish(h, "old", "for the old room")
	l.LeaveAll(&old)
	l.subscribe(t, 2, &fresh, "new")
	publish(h, "new", "for the new room")
	l.settle()
	if l.got[1] != "" || l.got[2] != "for the new room;" {
		t.Errorf("received %q and %q; want nothing and the new room's", l.got[1], l.got[2])
	}
}
