package hub

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// offsets returns the offsets of a list.
func offsets(past []*Past) []uint64 {
	var list []uint64
	for _, p := range past {
		list = append(list, p.Offset())
	}
	return list
}

// TestRecovery has a room at offset 10 that remembers 4 to 10.
func TestRecovery(t *testing.T) {
	h := New()
	h.SetOptions(0, Options{HistorySize: 7, HistoryTTL: time.Minute})
	h.SetOptions(1, Options{HistorySize: 7, HistoryTTL: time.Minute, Kind: Latest})
	for range 10 {
		publish(h, "r", "x")
		mustPublish(t, h, 1, []byte("latest"), publication("x"))
	}
	here, _ := h.Position([]byte("r"))
	latest, _ := h.Position([]byte("latest"))
	for _, row := range []struct {
		ns        Namespace
		request   Request
		recovered bool
		past      []uint64
	}{
		{0, Request{}, false, nil},
		{0, Request{Recover: true, Since: Position{10, here.Epoch}}, true, nil},
		{0, Request{Recover: true, Since: Position{9, here.Epoch}}, true, []uint64{10}},
		{0, Request{Recover: true, Since: Position{3, here.Epoch}}, true, []uint64{4, 5, 6, 7, 8, 9, 10}},
		{0, Request{Recover: true, Since: Position{2, here.Epoch}}, false, nil},
		{0, Request{Recover: true, Since: Position{0, here.Epoch}}, false, nil},
		{0, Request{Recover: true, Since: Position{11, here.Epoch}}, false, nil},
		{0, Request{Recover: true, Since: Position{math.MaxUint64, here.Epoch}}, false, nil},
		{0, Request{Recover: true, Since: Position{8, here.Epoch + 1}}, false, nil},
		{0, Request{Recover: true, Since: Position{8, 0}}, true, []uint64{9, 10}},
		{0, Request{Recover: true, Since: Position{8, here.Epoch}, Limit: 2}, true, []uint64{9, 10}},
		{0, Request{Recover: true, Since: Position{7, here.Epoch}, Limit: 2}, false, nil},
		{0, Request{Recover: true, Since: Position{1, here.Epoch + 1}, Cache: true}, true, []uint64{10}},
		{0, Request{Recover: true, Since: Position{10, here.Epoch}, Cache: true}, true, nil},
		{0, Request{Since: Position{8, here.Epoch}, Cache: true}, false, nil},
		{1, Request{}, false, []uint64{10}},
		{1, Request{Recover: true}, true, []uint64{10}},
		{1, Request{Recover: true, Since: latest}, true, nil},
	} {
		l := newLoop(h)
		var s Subs
		room, want := "r", here
		if row.ns == 1 {
			room, want = "latest", latest
		}
		joined, err := l.Subscribe(NewMember(0, 0), &s, row.ns, []byte(room), &row.request)
		if err != nil || joined.Position != want || !joined.Positioned || joined.Recovered != row.recovered || !slices.Equal(offsets(joined.Past), row.past) {
			t.Errorf("Subscribe(%q, %+v) = %+v with %v, %v; want recovered %v, %v",
				room, row.request, joined, offsets(joined.Past), err, row.recovered, row.past)
		}
	}
}

func TestRecoveryIsBoundedByDefault(t *testing.T) {
	h := New()
	h.SetOptions(0, Options{HistorySize: 1000, HistoryTTL: time.Minute})
	for range 500 {
		publish(h, "r", "x")
	}
	l := newLoop(h)
	for since, want := range map[uint64]int{200: 300, 199: 0} {
		var s Subs
		joined := l.recover(t, 0, &s, "r", &Request{Recover: true, Since: Position{Offset: since}})
		if len(joined.Past) != want || joined.Recovered != (want > 0) {
			t.Errorf("since %d: %d recovered; want %d", since, len(joined.Past), want)
		}
	}
}

// TestHistoryPages has a room at offset 6 that remembers 3 to 6.
func TestHistoryPages(t *testing.T) {
	h := New()
	h.SetOptions(0, Options{HistorySize: 4, HistoryTTL: time.Minute})
	for range 6 {
		publish(h, "r", "x")
	}
	here, _ := h.Position([]byte("r"))
	since := func(offset uint64) *Position { return &Position{offset, here.Epoch} }
	for _, row := range []struct {
		request HistoryRequest
		want    []uint64
	}{
		{HistoryRequest{}, nil},
		{HistoryRequest{Limit: -1}, []uint64{3, 4, 5, 6}},
		{HistoryRequest{Limit: 2}, []uint64{3, 4}},
		{HistoryRequest{Limit: math.MaxInt, Since: since(4)}, []uint64{5, 6}},
		{HistoryRequest{Limit: 1, Since: since(4)}, []uint64{5}},
		{HistoryRequest{Limit: -1, Since: since(0)}, []uint64{3, 4, 5, 6}},
		{HistoryRequest{Limit: -1, Since: since(6)}, nil},
		{HistoryRequest{Limit: -1, Since: since(100)}, nil},
		{HistoryRequest{Limit: -1, Since: since(math.MaxUint64)}, nil},
		{HistoryRequest{Limit: -1, Since: &Position{Offset: 5}}, []uint64{6}},
		{HistoryRequest{Limit: -1, Reverse: true}, []uint64{6, 5, 4, 3}},
		{HistoryRequest{Limit: 2, Reverse: true}, []uint64{6, 5}},
		{HistoryRequest{Limit: 2, Reverse: true, Since: since(6)}, []uint64{5, 4}},
		{HistoryRequest{Limit: -1, Reverse: true, Since: since(3)}, nil},
		{HistoryRequest{Limit: -1, Reverse: true, Since: since(0)}, nil},
		{HistoryRequest{Limit: -1, Reverse: true, Since: since(7)}, []uint64{6, 5, 4, 3}},
		{HistoryRequest{Limit: -1, Reverse: true, Since: since(8)}, nil},
		{HistoryRequest{Limit: -1, Reverse: true, Since: since(math.MaxUint64)}, nil},
	} {
		pos, past, err := h.History(0, []byte("r"), row.request)
		if err != nil || pos != here || !slices.Equal(offsets(past), row.want) {
			t.Errorf("History(%+v) = %v, %v, %v; want %v", row.request, pos, offsets(past), err, row.want)
		}
	}
	if pos, _, err := h.History(0, []byte("r"), HistoryRequest{Since: &Position{1, here.Epoch + 1}}); err != ErrEpoch || pos != here {
		t.Errorf("History in another epoch = %v, %v; want ErrEpoch at %v", pos, err, here)
	}
}

func TestRemovedHistoryKeepsThePosition(t *testing.T) {
	h := New()
	h.SetOptions(0, remembering)
	h.RemoveHistory([]byte("nowhere"))
	publish(h, "r", "x")
	before := publish(h, "r", "x")
	h.RemoveHistory([]byte("r"))
	if pos, past, err := h.History(0, []byte("r"), HistoryRequest{Limit: -1}); pos != before || len(past) != 0 || err != nil {
		t.Errorf("History = %v, %v, %v; want none at %v", pos, offsets(past), err, before)
	}
	if pos := publish(h, "r", "x"); pos != (Position{3, before.Epoch}) {
		t.Errorf("Publish = %v; want offset 3 in the same epoch", pos)
	}
}

func TestAgeEndsTheWholeHistory(t *testing.T) {
	for _, ticks := range []bool{true, false} {
		h := New()
		c := fakeTime(h)
		h.SetOptions(0, Options{HistorySize: 10, HistoryTTL: time.Minute})
		publish(h, "r", "x")
		c.advance(time.Minute - 1)
		before := publish(h, "r", "x")
		c.advance(time.Minute - 1)
		for want := 2; want >= 0; want -= 2 {
			if ticks {
				h.Tick(c.at)
			}
			if pos, past, _ := h.History(0, []byte("r"), HistoryRequest{Limit: -1}); pos != before || len(past) != want {
				t.Errorf("ticks %v: %d publications at %v; want %d at %v", ticks, len(past), pos, want, before)
			}
			c.advance(1)
		}
	}
}

func TestUnusedRoomsAreForgotten(t *testing.T) {
	for meta, want := range map[time.Duration]time.Duration{0: defaultMetaTTL, time.Hour: time.Hour} {
		h := New()
		c := fakeTime(h)
		h.SetOptions(0, Options{HistorySize: 10, HistoryTTL: time.Minute, MetaTTL: meta})
		l := newLoop(h)
		var s Subs
		first := publish(h, "r", "x")
		l.subscribe(t, 1, &s, "r")
		c.advance(2 * want)
		h.Tick(c.at)
		l.LeaveAll(&s) // the last use
		l.settle()
		c.advance(want - 1)
		h.Tick(c.at)
		if pos, ok := h.Position([]byte("r")); !ok || pos != first {
			t.Errorf("meta %v: position = %v, %v; want %v", meta, pos, ok, first)
		}
		c.advance(1)
		h.Tick(c.at)
		checkEmpty(t, h, l)
		if pos := publish(h, "r", "x"); pos.Offset != 1 || pos.Epoch == first.Epoch {
			t.Errorf("meta %v: after the room was forgotten: %v; want offset 1 in a new epoch", meta, pos)
		}
	}
}

// TestTickIsBounded has more rooms due in one shard than are looked at under one hold of its lock.
func TestTickIsBounded(t *testing.T) {
	h := New()
	c := fakeTime(h)
	h.SetOptions(0, Options{HistorySize: 10, HistoryTTL: time.Minute, MetaTTL: time.Minute})
	s := &h.shards[7]
	for i, n := 0, 0; n < 2*tendAtOnce+1; i++ {
		if name := fmt.Sprint(i); h.shard(h.hash([]byte(name))) == s {
			publish(h, name, "x")
			n++
		}
	}
	c.advance(time.Hour)
	s.tick(c.at.UnixNano())
	if n := s.memories.Live(); n != 2*tendAtOnce+1-tendAtOnce {
		t.Errorf("%d rooms left after one hold of the lock; want %d", n, tendAtOnce+1)
	}
	h.Tick(c.at)
	checkEmpty(t, h)
}

func TestOptionsOfUnknownNamespaces(t *testing.T) {
	h := New()
	h.SetOptions(0, remembering)
	if result, err := h.Publish(9, []byte("r"), publication("x"), PublishOptions{}); err != nil || result != (Result{}) {
		t.Errorf("Publish in a namespace that was never set = %+v, %v; want no history", result, err)
	}
	h.SetOptions(9, remembering)
	if result, err := h.Publish(9, []byte("r"), publication("x"), PublishOptions{}); err != nil || result.Position.Offset != 1 {
		t.Errorf("Publish = %+v, %v; want offset 1", result, err)
	}
}

func TestVersions(t *testing.T) {
	h := New()
	h.SetOptions(0, remembering)
	for _, row := range []struct {
		version    uint64
		epoch      string
		skip       bool
		suppressed bool
		offset     uint64
	}{
		{5, "", false, false, 1},
		{5, "", false, true, 1},
		{4, "", false, true, 1},
		{0, "", false, false, 2}, // without a version: neither dropped nor counted
		{5, "", false, true, 2},
		{4, "", true, false, 0}, // not remembered: versions do not count
		{6, "", false, false, 3},
		{1, "other", false, false, 4},
		{6, "", false, false, 5}, // the room's last one was of another epoch
	} {
		o := PublishOptions{Version: row.version, VersionEpoch: []byte(row.epoch), SkipHistory: row.skip}
		result, err := h.Publish(0, []byte("r"), publication("x"), o)
		if err != nil || result.Suppressed != row.suppressed || result.Position.Offset != row.offset {
			t.Errorf("version %d of %q = %+v, %v; want suppressed %v at %d", row.version, row.epoch, result, err, row.suppressed, row.offset)
		}
	}
}

// TestBytesBoundWhatIsHandedOut has publications that take a known size: recovery is all or nothing, a page is what
// fits, and its first publication in any case.
func TestBytesBoundWhatIsHandedOut(t *testing.T) {
	h := New()
	h.SetOptions(1, Options{HistorySize: 10, HistoryTTL: time.Hour})
	for range 4 {
		p := NewPublication()
		p.Data = append(p.Data, "some data"...)
		if _, err := h.Publish(1, []byte("r"), p, PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	_, all, err := h.History(1, []byte("r"), HistoryRequest{Limit: -1})
	if err != nil || len(all) != 4 {
		t.Fatalf("history = %d publications, %v", len(all), err)
	}
	size := int(all[0].size())
	l := newLoop(h)
	for _, row := range []struct{ bytes, page, recovered int }{
		{0, 4, 4}, {1, 1, 0}, {size, 1, 0}, {2 * size, 2, 0}, {4*size - 1, 3, 0}, {4 * size, 4, 4},
	} {
		for _, reverse := range []bool{false, true} {
			if _, page, err := h.History(1, []byte("r"), HistoryRequest{Limit: -1, Bytes: row.bytes, Reverse: reverse}); err != nil || len(page) != row.page {
				t.Errorf("page of %d bytes has %d publications, %v; want %d", row.bytes, len(page), err, row.page)
			}
		}
		var s Subs
		j, err := l.Subscribe(NewMember(1, 0), &s, 1, []byte("r"), &Request{Recover: true, Bytes: row.bytes})
		if err != nil || len(j.Past) != row.recovered || j.Recovered != (row.recovered > 0) {
			t.Errorf("recovery within %d bytes: %d publications, %v, %v; want %d", row.bytes, len(j.Past), j.Recovered, err, row.recovered)
		}
		l.LeaveAll(&s)
		l.settle()
	}
}

// Who writes the longest time that there is means for ever.
func TestTimesWithoutEnd(t *testing.T) {
	p := newParty(t, Options{
		HistorySize: 5, HistoryTTL: math.MaxInt64, MetaTTL: math.MaxInt64,
		Presence: true, PresenceGrace: math.MaxInt64, BatchDelay: math.MaxInt64,
	})
	p.clock = time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)
	p.enter(1, "ann")
	p.cut(1)
	mustPublish(t, p.Hub, 1, []byte("r"), NewPublication())
	first, _ := p.Position([]byte("r"))
	p.pass(30 * 365 * 24 * time.Hour)
	p.wantStats(1, 1)
	if pos, past, err := p.History(1, []byte("r"), HistoryRequest{Limit: -1}); err != nil || len(past) != 1 || pos != first {
		t.Errorf("30 years later the room is at %v with %d publications, %v; want %v, and 1", pos, len(past), err, first)
	}
}
