package bench

import (
	"testing"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/protocol"
)

// deliveries returns the frames that bring publications of a room to a member, a frame each.
func deliveries(room uint32, sequences ...uint32) (wire []byte) {
	for _, n := range sequences {
		data := stamp{room, n, int64(n)}.appendTo(nil, 64)
		push := protocol.JSON.AppendPublicationPush(nil, []byte("room"), &protocol.Publication{Data: data})
		wire = frame.AppendFrame(wire, frame.OpText, push, false)
	}
	return wire
}

// receiver returns a driver of 20 connections in 10 rooms, which needs no loop to receive.
func receiver() *driver {
	d := &driver{
		run:    &run{options: Options{Connections: 20, Rooms: 10}},
		result: result{latency: newHistogram(), errors: make(map[string]uint64)},
	}
	d.play = &roomsPlay{d: d}
	return d
}

// What came to one member is compared for the next, and nothing that differs passes for the same.
func TestRepeats(t *testing.T) {
	three := deliveries(1, 1, 2, 3)
	damaged := append([]byte(nil), three...)
	damaged[len(damaged)-10] ^= 1
	for _, row := range []struct {
		name  string
		came  [][]byte // to the second member, read by read
		again bool     // and whether the first of them is told to be a repeat
		want  Ledger   // of the second member
	}{
		{"the same", [][]byte{three}, true, Ledger{Received: 3}},
		{"the same and more", [][]byte{append(three[:len(three):len(three)], deliveries(1, 4)...)}, true, Ledger{Received: 4}},
		{"the same twice", [][]byte{three, three}, true, Ledger{Received: 3, Duplicated: 3}},
		{"in two reads", [][]byte{deliveries(1, 1), deliveries(1, 2, 3)}, false, Ledger{Received: 3}},
		{"one byte changed", [][]byte{damaged}, false, Ledger{Received: 2, Damaged: 1}},
		{"after another", [][]byte{deliveries(1, 4), three}, false, Ledger{Received: 4, Reordered: 3}},
		{"another room's", [][]byte{deliveries(2, 1, 2, 3)}, false, Ledger{Misrouted: 3}},
	} {
		d := receiver()
		first, second := peer{number: 1, stage: ready}, peer{number: 11, stage: ready}
		d.frames(nil, &first, append([]byte(nil), three...))
		if want := (Ledger{Received: 3}); d.result.ledger != want {
			t.Fatalf("ledger of the first member = %+v; want %+v", d.result.ledger, want)
		}
		if again := d.repeated(&peer{number: 11, stage: ready}, row.came[0]) > 0; again != row.again {
			t.Errorf("%s: a repeat: %v; want %v", row.name, again, row.again)
		}
		d.result.ledger = Ledger{}
		for _, b := range row.came {
			if used, _ := d.frames(nil, &second, append([]byte(nil), b...)); used != len(b) {
				t.Errorf("%s: %d of %d bytes used", row.name, used, len(b))
			}
		}
		if d.result.ledger != row.want {
			t.Errorf("%s: ledger = %+v; want %+v", row.name, d.result.ledger, row.want)
		}
		if n := uint64(d.result.latency.TotalCount()); n < 3+row.want.Received {
			t.Errorf("%s: %d latencies; want %d or more", row.name, n, 3+row.want.Received)
		}
	}
}

// A publisher's, and what came with an answer, is nobody else's.
func TestWhatIsNoRepeat(t *testing.T) {
	d := receiver()
	one := deliveries(1, 1)
	mixed := frame.AppendFrame(append([]byte(nil), one...), frame.OpText, []byte(`{"id":7,"publish":{}}`), false)
	d.frames(nil, &peer{number: 1, stage: ready}, mixed)
	if d.repeated(&peer{number: 11, stage: ready}, one) != 0 {
		t.Error("a run with an answer in it was kept")
	}
	d.frames(nil, &peer{number: 1, stage: ready}, append([]byte(nil), one...))
	for name, p := range map[string]peer{
		"a publisher":          {number: 21, stage: ready},
		"who is leaving":       {number: 11, stage: leaving},
		"a member further on":  {number: 11, stage: ready, track: track{last: 1}},
		"who is within a text": {number: 11, stage: ready, stream: amid(t)},
		"another room's":       {number: 12, stage: ready},
	} {
		if d.repeated(&p, one) != 0 {
			t.Errorf("%s was given a repeat", name)
		}
	}
	if d.repeated(&peer{number: 11, stage: ready}, one) != len(one) {
		t.Error("the other member was not given it")
	}
}

// amid returns a stream that has seen the beginning of a frame's payload.
func amid(t *testing.T) (s frame.Stream) {
	t.Helper()
	if _, n, _, err := s.Next([]byte{0x81, 5, 'a'}, &frameOptions); n != 0 || err != nil || s.Idle() {
		t.Fatalf("Next = %d, %v; idle %v", n, err, s.Idle())
	}
	return s
}
