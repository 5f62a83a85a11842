package hub

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// stored are options of rooms whose history is stored.
var stored = Options{HistorySize: 5, HistoryTTL: time.Minute, MetaTTL: time.Hour, Stored: true}

// storeHub returns a hub whose rooms in namespace 0 are stored.
func storeHub(room int) (*Hub, *fakeStore, *clock) {
	h, store := New(), newFakeStore(room)
	c := fakeTime(h)
	h.SetOptions(0, stored)
	h.SetStore(store)
	return h, store, c
}

// outcome is what publishers in a stored room are told, in the order of the calls of Done.
type outcome []string

func (o *outcome) publish(h *Hub, data string, options PublishOptions) error {
	options.Done = func(result Result, err error) {
		text := fmt.Sprintf("%s=%d", data, result.Position.Offset)
		if result.Suppressed {
			text += " suppressed"
		}
		if err != nil {
			text = data + " " + err.Error()
		}
		*o = append(*o, text)
	}
	_, err := h.Publish(0, []byte("r"), publication(data), options)
	return err
}

func (o *outcome) check(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(*o, want) {
		t.Errorf("publishers were told %q; want %q", *o, want)
	}
	*o = nil
}

func TestNothingIsSeenBeforeItIsStored(t *testing.T) {
	h, store, _ := storeHub(10)
	l := newLoop(h)
	var first, second Subs
	var told outcome
	l.subscribe(t, 1, &first, "r")
	for _, data := range []string{"a", "b"} {
		if err := told.publish(h, data, PublishOptions{}); err != ErrStoring {
			t.Fatalf("Publish = %v; want ErrStoring", err)
		}
	}
	l.settle()
	if pos, _ := h.Position([]byte("r")); l.got[1] != "" || pos.Offset != 0 {
		t.Errorf("unstored: received %q, position %v", l.got[1], pos)
	}
	told.check(t)
	store.settle(1, nil)
	if joined := l.recover(t, 2, &second, "r", &Request{Recover: true}); !joined.Recovered || len(joined.Past) != 1 || joined.Position.Offset != 1 {
		t.Errorf("subscriber between two = %+v; want one publication recovered", joined)
	}
	store.settle(1, nil)
	l.settle()
	if l.got[1] != "a;b;" || l.got[2] != "b;" {
		t.Errorf("received %q and %q; want both and the second", l.got[1], l.got[2])
	}
	told.check(t, "a=1", "b=2")
	store.check(t, h, 0, "r")
}

func TestFullStoreChangesNothing(t *testing.T) {
	h, store, _ := storeHub(1)
	var told outcome
	if err := told.publish(h, "a", PublishOptions{}); err != ErrStoring {
		t.Fatalf("Publish = %v", err)
	}
	for range 2 { // the key is not known after the first
		if err := told.publish(h, "b", PublishOptions{IdempotencyKey: []byte("k"), Version: 3}); err != ErrStoreFull {
			t.Fatalf("Publish into a full store = %v; want ErrStoreFull", err)
		}
	}
	store.settle(1, nil)
	if err := told.publish(h, "c", PublishOptions{IdempotencyKey: []byte("k"), Version: 3}); err != ErrStoring {
		t.Fatalf("Publish = %v", err)
	}
	store.settle(1, nil)
	told.check(t, "a=1", "c=2")
	store.check(t, h, 0, "r")
}

func TestFailureTakesAllThatIsBehind(t *testing.T) {
	h, store, c := storeHub(10)
	l := newLoop(h)
	var s Subs
	var told outcome
	l.subscribe(t, 1, &s, "r")
	told.publish(h, "a", PublishOptions{})
	store.settle(1, nil)
	for _, data := range []string{"b", "c", "d"} {
		told.publish(h, data, PublishOptions{})
	}
	store.settle(1, errDisk)
	if err := told.publish(h, "e", PublishOptions{}); err != ErrStoreFailed {
		t.Errorf("Publish behind a failed one = %v; want ErrStoreFailed", err)
	}
	store.settle(2, nil) // kept, but behind a hole
	told.check(t, "a=1", "b hub: store failed", "c hub: store failed", "d hub: store failed")
	if pos, _ := h.Position([]byte("r")); pos.Offset != 1 {
		t.Errorf("position = %v; want offset 1", pos)
	}
	told.publish(h, "f", PublishOptions{})
	store.settle(2, nil) // what cuts off c and d, and f
	told.check(t, "f=2")
	l.settle()
	if l.got[1] != "a;f;" {
		t.Errorf("received %q; want a and f", l.got[1])
	}
	c.advance(time.Second)
	h.Tick(c.at)
	store.settle(10, nil)
	store.check(t, h, 0, "r")
}

func TestRepeatOfAPendingKey(t *testing.T) {
	for _, err := range []error{nil, errDisk} {
		h, store, _ := storeHub(10)
		var told outcome
		key := PublishOptions{IdempotencyKey: []byte("k")}
		for _, data := range []string{"a", "b", "c"} {
			if err := told.publish(h, data, key); err != ErrStoring {
				t.Fatalf("Publish = %v", err)
			}
		}
		store.settle(1, err)
		again := told.publish(h, "d", key)
		store.settle(1, nil)
		if err == nil {
			told.check(t, "a=1", "b=1 suppressed", "c=1 suppressed")
			if again != nil {
				t.Errorf("repeat after the first was stored = %v", again)
			}
		} else {
			told.check(t, "a hub: store failed", "b hub: store failed", "c hub: store failed", "d=1")
		}
	}
}

func TestVersionsOfPendingPublications(t *testing.T) {
	h, store, _ := storeHub(10)
	var told outcome
	told.publish(h, "five", PublishOptions{Version: 5})
	if err := told.publish(h, "four", PublishOptions{Version: 4}); err != nil {
		t.Errorf("older version than a pending one = %v; want suppression", err)
	}
	store.settle(1, errDisk)
	told.publish(h, "four again", PublishOptions{Version: 4})
	store.settle(1, nil)
	told.check(t, "five hub: store failed", "four again=1")
}

// TestCutsAreStored has histories end in every way, with a store that is full at that time.
func TestCutsAreStored(t *testing.T) {
	for name, cut := range map[string]func(h *Hub, c *clock){
		"size": func(*Hub, *clock) {},
		"age":  func(_ *Hub, c *clock) { c.advance(stored.HistoryTTL) },
		"removal": func(h *Hub, _ *clock) {
			h.RemoveHistory([]byte("r"))
		},
		"limit": func(h *Hub, _ *clock) { h.Limit(1) },
	} {
		t.Run(name, func(t *testing.T) {
			h, store, c := storeHub(10)
			var told outcome
			for i := range 8 {
				told.publish(h, fmt.Sprint(i), PublishOptions{})
			}
			store.settle(8, nil)
			store.room = 0
			cut(h, c)
			h.Tick(c.at)
			store.room = 10
			c.advance(time.Second)
			h.Tick(c.at)
			store.settle(10, nil)
			store.check(t, h, 0, "r")
			want := 0
			if name == "size" {
				want = 5
			}
			if n := len(store.files["r"].entries); n != want {
				t.Errorf("%d entries left in the store; want %d", n, want)
			}
		})
	}
}

func TestForgottenRoomsLeaveTheStore(t *testing.T) {
	for name, forget := range map[string]func(h *Hub, c *clock){
		"unused": func(_ *Hub, c *clock) { c.advance(stored.HistoryTTL + stored.MetaTTL) },
		"history off": func(h *Hub, _ *clock) {
			h.SetOptions(0, Options{})
			publish(h, "r", "x")
		},
		"no longer stored": func(h *Hub, _ *clock) {
			o := stored
			o.Stored = false
			h.SetOptions(0, o)
			publish(h, "r", "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, store, c := storeHub(1)
			var told outcome
			told.publish(h, "a", PublishOptions{})
			store.settle(1, nil)
			told.check(t, "a=1")
			store.room = 0
			forget(h, c)
			h.Tick(c.at.Add(time.Second))
			store.room = 1
			for i := range 2 { // a cut may go before the end
				h.Tick(c.at.Add(time.Duration(2+i) * time.Second))
				store.settle(1, nil)
			}
			if len(store.files) != 0 {
				t.Errorf("the store still has %+v", store.files["r"])
			}
		})
	}
}

func TestRemovalReachesWhatIsPending(t *testing.T) {
	h, store, _ := storeHub(10)
	l := newLoop(h)
	var s Subs
	var told outcome
	l.subscribe(t, 1, &s, "r")
	told.publish(h, "a", PublishOptions{})
	store.settle(1, nil)
	told.publish(h, "b", PublishOptions{})
	h.RemoveHistory([]byte("r"))
	told.publish(h, "c", PublishOptions{})
	store.settle(3, nil)
	l.settle()
	_, past, _ := h.History(0, []byte("r"), HistoryRequest{Limit: -1})
	if len(past) != 1 || past[0].Offset() != 3 || l.got[1] != "a;b;c;" {
		t.Errorf("%d publications remembered, %q received; want the last, and all", len(past), l.got[1])
	}
	told.check(t, "a=1", "b=2", "c=3")
	store.check(t, h, 0, "r")

	told.publish(h, "d", PublishOptions{})
	h.RemoveHistory([]byte("r"))
	store.settle(1, errDisk) // the removal was to begin behind it
	store.settle(1, nil)
	told.publish(h, "e", PublishOptions{})
	store.settle(1, nil)
	if _, past, _ = h.History(0, []byte("r"), HistoryRequest{Limit: -1}); len(past) != 1 || string(past[0].Data()) != "e" {
		t.Errorf("%d publications remembered after the removal; want e", len(past))
	}
}

func TestRoomKeepsToItsOptionsWhileStoring(t *testing.T) {
	h, store, _ := storeHub(10)
	var told outcome
	told.publish(h, "a", PublishOptions{})
	h.SetOptions(0, Options{HistorySize: 5, HistoryTTL: time.Minute})
	if err := told.publish(h, "b", PublishOptions{}); err != ErrStoring {
		t.Errorf("Publish behind a pending one = %v; want ErrStoring", err)
	}
	store.settle(2, nil)
	told.check(t, "a=1", "b=2")
	if pos := publish(h, "r", "c"); pos.Offset != 3 {
		t.Errorf("Publish = %v; want offset 3, at once", pos)
	}
}

// TestRestoredRooms takes the rooms of a store into another hub, which must go on as the first would have.
func TestRestoredRooms(t *testing.T) {
	h, store, c := storeHub(100)
	var told outcome
	for i := range 7 {
		o := PublishOptions{IdempotencyKey: fmt.Appendf(nil, "key%d", i), Version: uint64(10 + i), VersionEpoch: []byte("v")}
		told.publish(h, fmt.Sprint(i), o)
	}
	store.settle(100, nil)
	file := store.files["r"]

	again := New()
	again.now = h.now
	again.SetOptions(0, stored)
	again.SetStore(store)
	if err := again.Restore(0, []byte("r"), file.epoch, file.offset, file.entries); err != nil {
		t.Fatal(err)
	}
	before, wantPast, _ := h.History(0, []byte("r"), HistoryRequest{Limit: -1})
	after, past, err := again.History(0, []byte("r"), HistoryRequest{Limit: -1})
	if err != nil || before != after || !slices.EqualFunc(past, wantPast, samePublication) {
		t.Errorf("restored: %v with %d publications, %v; want %v with %d", after, len(past), err, before, len(wantPast))
	}
	if b, p, _ := again.MemoryStats(); p != 5 || b != past[0].size()*5 {
		t.Errorf("MemoryStats = %d bytes, %d publications", b, p)
	}
	for _, o := range []PublishOptions{
		{IdempotencyKey: []byte("key6")},
		{Version: 16, VersionEpoch: []byte("v")},
	} {
		result, err := again.Publish(0, []byte("r"), publication("x"), o)
		if err != nil || result != (Result{Position{7, before.Epoch}, true}) {
			t.Errorf("Publish(%+v) = %+v, %v; want suppression at offset 7", o, result, err)
		}
	}
	told = nil
	told.publish(again, "next", PublishOptions{})
	store.settle(100, nil)
	told.check(t, "next=8")
	store.check(t, again, 0, "r")
	c.advance(stored.HistoryTTL + stored.MetaTTL)
	again.Tick(c.at)
	store.settle(100, nil)
	if len(store.files) != 0 {
		t.Error("a restored room does not leave the store")
	}
}

func samePublication(a, b *Past) bool { return string(a.entry) == string(b.entry) }

func TestRestoredRoomWithoutHistoryLeavesTheStore(t *testing.T) {
	h, store, c := storeHub(1)
	var told outcome
	told.publish(h, "a", PublishOptions{})
	store.settle(1, nil)
	file := store.files["r"]
	again := New()
	again.now = h.now
	again.SetStore(store)
	if err := again.Restore(0, []byte("r"), file.epoch, file.offset, file.entries); err != nil {
		t.Fatal(err)
	}
	if _, ok := again.Position([]byte("r")); ok {
		t.Error("room without history has a position")
	}
	again.Tick(c.at.Add(time.Second))
	store.settle(1, nil)
	if len(store.files) != 0 {
		t.Error("the room is still in the store")
	}
	checkEmpty(t, again)
}

func TestRestoreRefusesWhatIsNoRoom(t *testing.T) {
	o := &PublishOptions{}
	first, second := newPast(publication("a"), o), newPast(publication("b"), o)
	first.place(4)
	second.place(5)
	tagged := publication("")
	tagged.Tags = append(tagged.Tags, 200)
	tags := newPast(tagged, o)
	tags.place(5)
	for name, row := range map[string]struct {
		epoch, offset uint64
		entries       [][]byte
		malformed     bool
	}{
		"no epoch":       {0, 5, [][]byte{second.entry}, false},
		"other offset":   {1, 6, [][]byte{second.entry}, true},
		"hole":           {1, 6, [][]byte{first.entry, second.entry}, true},
		"wrong order":    {1, 5, [][]byte{second.entry, first.entry}, true},
		"too many":       {1, 1, [][]byte{first.entry, second.entry}, true},
		"empty entry":    {1, 5, [][]byte{nil}, true},
		"short entry":    {1, 5, [][]byte{second.entry[:entryHeader-1]}, true},
		"malformed tags": {1, 5, [][]byte{tags.entry}, true},
	} {
		h := New()
		h.SetOptions(0, stored)
		err := h.Restore(0, []byte("r"), row.epoch, row.offset, row.entries)
		if err == nil || errors.Is(err, ErrEntry) != row.malformed {
			t.Errorf("%s: Restore = %v", name, err)
		}
		checkEmpty(t, h)
	}
	h := New()
	h.SetOptions(0, stored)
	if err := h.Restore(0, []byte("r"), 1, 5, [][]byte{first.entry, second.entry}); err != nil {
		t.Error(err)
	}
	if err := h.Restore(0, []byte("r"), 1, 5, nil); err == nil {
		t.Error("a room was restored twice")
	}
}
