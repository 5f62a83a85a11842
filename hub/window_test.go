package hub

import (
	"strconv"
	"testing"
	"time"
)

func TestKeysAreKnownForTheWindow(t *testing.T) {
	h := New()
	c := fakeTime(h)
	l := newLoop(h)
	var s Subs
	l.subscribe(t, 1, &s, "r")
	key := PublishOptions{IdempotencyKey: []byte("k")}
	for _, row := range []struct {
		after      time.Duration
		suppressed bool
	}{
		{0, false},
		{0, true},
		{idempotencyWindow - 1, true},
		{1, false}, // the window is counted from the first, not from its repeats
		{idempotencyWindow, false},
	} {
		c.advance(row.after)
		result, err := h.Publish(0, []byte("r"), publication("x"), key)
		if err != nil || result != (Result{Suppressed: row.suppressed}) {
			t.Errorf("after %v: Publish = %+v, %v; want suppressed %v", row.after, result, err, row.suppressed)
		}
	}
	if result, _ := h.Publish(0, []byte("other"), publication("x"), key); result.Suppressed {
		t.Error("a key is known in another room")
	}
	l.settle()
	if l.got[1] != "x;x;x;" {
		t.Errorf("received %q; want three", l.got[1])
	}
	l.LeaveAll(&s)
	l.settle()
	c.advance(idempotencyWindow)
	h.Tick(c.at)
	checkEmpty(t, h, l)
}

func TestWindowIsBounded(t *testing.T) {
	var w window
	for i := range 3 * maxKeys {
		w.add(&keyed{key: strconv.Itoa(i), at: int64(i)})
	}
	if len(w.byKey) != maxKeys || len(w.order)-w.head != maxKeys || len(w.order) > 2*maxKeys+1 {
		t.Errorf("%d keys known, %d in order, array of %d; want %d", len(w.byKey), len(w.order)-w.head, len(w.order), maxKeys)
	}
	if w.find([]byte(strconv.Itoa(2*maxKeys-1)), 0) != nil || w.find([]byte(strconv.Itoa(2*maxKeys)), 0) == nil {
		t.Error("not the oldest keys were dropped")
	}
	for range maxKeys / expireAtOnce {
		w.expire(never - 1)
	}
	if !w.empty() || w.byKey != nil {
		t.Errorf("%d keys left", len(w.byKey))
	}
}

func TestKeyTakenAnewOutlivesItsOldPlace(t *testing.T) {
	var w window
	failed := &keyed{key: "k", at: 0}
	w.add(failed)
	w.remove(failed)
	again := &keyed{key: "k", at: 10}
	w.add(again)
	w.expire(int64(idempotencyWindow))
	if w.find([]byte("k"), 11) != again {
		t.Error("the key went with the publish that had failed")
	}
}
