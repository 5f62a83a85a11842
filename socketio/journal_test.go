package socketio

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// newTestJournal returns a journal whose clock the test holds.
func newTestJournal(limit int) (*journal, *time.Time) {
	now := time.Unix(1_800_000_000, 0)
	return &journal{keep: time.Minute, limit: limit, now: func() time.Time { return now }}, &now
}

// add sends an event of its offset's name to rooms, and returns the offset.
func (j *journal) put(t *testing.T, rooms, except string) uint64 {
	t.Helper()
	list := func(text string) []string { return strings.Fields(text) }
	must(t, j.send(list(rooms), list(except), packetOf(`["e"]`), false, func(server.SocketPacket) error { return nil }))
	return j.last
}

func TestJournalKnowsWhatWasMissed(t *testing.T) {
	j, _ := newTestJournal(1 << 20)
	var offsets []uint64
	for _, to := range [][2]string{{"", ""}, {"me", ""}, {"a b", ""}, {"b", ""}, {"", "a"}, {"a", "me"}, {"c", ""}} {
		offsets = append(offsets, j.put(t, to[0], to[1]))
	}
	for _, row := range []struct {
		since int // as an index
		rooms map[string]uint64
		want  []int
	}{
		{0, map[string]uint64{"me": 0}, []int{1, 4}},
		{0, map[string]uint64{"me": 0, "a": 0}, []int{1, 2}},
		{0, map[string]uint64{"me": 0, "b": 0}, []int{1, 2, 3, 4}},
		{2, map[string]uint64{"me": 0, "b": 0}, []int{3, 4}},
		{0, map[string]uint64{"me": 0, "b": offsets[2]}, []int{1, 3, 4}},
		{6, map[string]uint64{"me": 0}, nil},
	} {
		packets, ok := j.missed(offsets[row.since], row.rooms)
		var got, want []string
		for _, p := range packets {
			got = append(got, string(p.Data))
		}
		for _, i := range row.want {
			want = append(want, string(appendOffset([]byte(`["e"]`), offsets[i])))
		}
		if !ok || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("missed(%d, %v) = %s, %v; want %s", row.since, row.rooms, got, ok, want)
		}
	}
	if _, ok := j.missed(j.last+1, nil); ok {
		t.Error("missed since an offset that there was not")
	}
}

func TestJournalForgets(t *testing.T) {
	const each = entryCost + len(`["e","0123456789"]`)
	j, now := newTestJournal(3 * each)
	first := j.put(t, "", "")
	*now = now.Add(time.Second)
	second := j.put(t, "", "")
	for range 2 {
		j.put(t, "", "")
	}
	rooms := map[string]uint64{"me": 0}
	if _, ok := j.missed(first-1, rooms); ok {
		t.Error("the first event is forgotten, and yet nothing is missing")
	}
	if missed, ok := j.missed(first, rooms); !ok || len(missed) != 3 || j.bytes != 3*each {
		t.Errorf("missed after the first = %d events, %v, of %d bytes; want 3 of %d", len(missed), ok, j.bytes, 3*each)
	}
	*now = now.Add(2 * time.Minute)
	last := j.put(t, "", "")
	if len(j.entries) != 1 || j.bytes != each {
		t.Errorf("%d events of %d bytes are left; want one", len(j.entries), j.bytes)
	}
	// Whoever was there until a moment ago has what is as old as this.
	if missed, ok := j.missed(second, rooms); !ok || len(missed) != 1 {
		t.Errorf("missed by a quiet client = %d events, %v; want 1", len(missed), ok)
	}
	*now = now.Add(-time.Hour)
	if next := j.put(t, "", ""); next != last+1 {
		t.Errorf("offset after the clock was put back = %d; want %d", next, last+1)
	}
}

func TestJournalTakesWhatIsSentAlone(t *testing.T) {
	j, _ := newTestJournal(1 << 20)
	failed := errors.New("behind")
	if err := j.send(nil, nil, packetOf(`["e"]`), false, func(server.SocketPacket) error { return failed }); err != failed || len(j.entries) != 0 {
		t.Errorf("send = %v with %d events remembered", err, len(j.entries))
	}
	before := j.put(t, "", "")
	must(t, j.send(nil, nil, packetOf(`["e"]`), true, func(server.SocketPacket) error { return nil }))
	volatile := j.last
	j.put(t, "", "")
	for since, want := range map[uint64]int{before: 1, volatile: 1, j.last: 0} {
		if missed, ok := j.missed(since, map[string]uint64{"me": 0}); !ok || len(missed) != want {
			t.Errorf("missed(%d) = %d events, %v; want %d", since, len(missed), ok, want)
		}
	}
	big := strings.Repeat("x", maxMissed)
	must(t, j.send(nil, nil, packetOf(`["e"]`, big), false, func(server.SocketPacket) error { return nil }))
	if _, ok := j.missed(before, nil); ok {
		t.Error("more was missed than may wait for a client")
	}
}

func TestOffsets(t *testing.T) {
	if got := string(appendOffset([]byte(`["e"]`), 35)); got != `["e","z"]` {
		t.Errorf("appendOffset = %s", got)
	}
	for text, want := range map[string]bool{"z": true, "": false, "-1": false, "zzzzzzzzzzzzzzzzzzzz": false, "1.5": false} {
		if _, ok := parseOffset(text); ok != want {
			t.Errorf("parseOffset(%q) is %v", text, ok)
		}
	}
}
