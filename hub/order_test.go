package hub

import (
	"slices"
	"testing"
	"time"
)

var remembering = Options{HistorySize: 10, HistoryTTL: time.Minute}

// blink has the rooms of namespace 0 begin a new epoch at their next use.
func blink(h *Hub, room string) {
	h.SetOptions(0, Options{})
	h.RemoveHistory([]byte(room))
	h.SetOptions(0, remembering)
}

func TestNewEpochIsAGap(t *testing.T) {
	for name, leave := range map[string]bool{"members leave": true, "members stay": false} {
		t.Run(name, func(t *testing.T) {
			h := New()
			h.SetOptions(0, remembering)
			l := newLoop(h)
			subs := crowd(t, l, 3, "r")
			l.gap = func(m Member, room []byte) {
				if string(room) != "r" {
					t.Errorf("gap in %q", room)
				}
				if leave {
					l.Unsubscribe(&subs[m.Slot()], room)
				}
			}
			publish(h, "r", "a")
			blink(h, "r")
			publish(h, "r", "b")
			publish(h, "r", "c")
			l.settle()
			want := "a;"
			if !leave {
				want = "a;b;c;"
			}
			slices.Sort(l.gaps)
			if !slices.Equal(l.gaps, []uint32{0, 1, 2}) || l.got[2] != want || l.Stats.Gaps != 3 {
				t.Errorf("gaps told to %v, received %q; want all three, %q", l.gaps, l.got[2], want)
			}
		})
	}
}

func TestReturnDuringAGap(t *testing.T) {
	h := New()
	h.SetOptions(0, remembering)
	l := newLoop(h)
	subs := crowd(t, l, 1, "r")
	publish(h, "r", "a")
	l.settle()
	l.gap = func(m Member, room []byte) {
		l.Unsubscribe(&subs[0], room)
		l.recover(t, 0, &subs[0], "r", nil)
		publish(h, "r", "c")
	}
	blink(h, "r")
	publish(h, "r", "b")
	l.settle()
	if l.got[0] != "a;c;" || len(l.gaps) != 1 {
		t.Errorf("received %q after %d gaps; want what came after the return", l.got[0], len(l.gaps))
	}
}

func TestUnpositionedPassAnywhere(t *testing.T) {
	h := New()
	l := newLoop(h)
	crowd(t, l, 1, "r")
	publish(h, "r", "before")
	h.SetOptions(0, remembering)
	publish(h, "r", "a")
	if result, err := h.Publish(0, []byte("r"), publication("typing"), PublishOptions{SkipHistory: true}); err != nil || result != (Result{}) {
		t.Errorf("Publish with SkipHistory = %+v, %v", result, err)
	}
	join := publication("")
	join.Kind, join.Sender, join.Info = PubJoin, 7, append(join.Info, "who"...)
	mustPublish(t, h, 0, []byte("r"), join)
	publish(h, "r", "b")
	l.settle()
	if want := "before;a;typing;+7:who;b;"; l.got[0] != want || len(l.gaps) != 0 {
		t.Errorf("received %q with %d gaps; want %q", l.got[0], len(l.gaps), want)
	}
	if pos, _ := h.Position([]byte("r")); pos.Offset != 2 {
		t.Errorf("position = %v; want offset 2", pos)
	}
}

// TestHolesAndRepeatsInTheInbox hands a loop publications that no hub would post.
func TestHolesAndRepeatsInTheInbox(t *testing.T) {
	h := New()
	h.SetOptions(0, remembering)
	l := newLoop(h)
	crowd(t, l, 2, "r")
	for _, data := range []string{"a", "b", "c", "d"} {
		publish(h, "r", data)
	}
	events := l.box.events
	events[1].pub.Retain() // for its repeat
	events[2].pub.Release()
	l.box.events = []Event{events[0], events[1], events[1], events[3]}
	l.settle()
	if l.got[0] != "a;b;d;" || !slices.Equal(l.gaps, []uint32{0, 1}) {
		t.Errorf("received %q, gaps told to %v; want b once and a gap before d", l.got[0], l.gaps)
	}
	if l.Stats.Waiting != 0 || l.Stats.WaitingBytes != 0 {
		t.Errorf("%+v; want nothing waiting", l.Stats)
	}
}
