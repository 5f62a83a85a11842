package hub

import (
	"fmt"
	"testing"
	"time"
)

func TestCursorsAreBounded(t *testing.T) {
	h := New()
	h.SetOptions(0, Options{Kind: Durable, HistorySize: 10, HistoryTTL: time.Minute})
	room, name := []byte("r"), func(i int) []byte { return fmt.Append(nil, i) }
	publish(h, "r", "x")
	pos := publish(h, "r", "y")
	for i := range maxCursors {
		if err := h.Ack(room, name(i), Position{1, pos.Epoch}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Ack(room, name(0), pos); err != nil { // no longer the least recent
		t.Fatal(err)
	}
	if err := h.Ack(room, name(maxCursors), pos); err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]uint64{0: 2, 1: 0, 2: 1, maxCursors: 2} {
		got, ok := h.Acked(room, name(i))
		if ok != (want > 0) || got.Offset != want {
			t.Errorf("Acked(%d) = %v, %v; want offset %d", i, got, ok, want)
		}
	}
	if n := h.ForgottenCursors(); n != 1 {
		t.Errorf("%d consumers forgotten; want 1", n)
	}
}

func TestAckIsMonotoneAndChecked(t *testing.T) {
	h := New()
	room, consumer := []byte("r"), []byte("c")
	if err := h.Ack(room, consumer, Position{}); err != ErrNoHistory {
		t.Errorf("Ack without a room = %v; want ErrNoHistory", err)
	}
	h.SetOptions(0, Options{HistorySize: 10, HistoryTTL: time.Minute})
	for range 3 {
		publish(h, "r", "x")
	}
	pos, _ := h.Position(room)
	for _, row := range []struct {
		p    Position
		err  error
		want uint64
	}{
		{Position{2, pos.Epoch}, nil, 2},
		{Position{1, pos.Epoch}, nil, 2},
		{Position{4, pos.Epoch}, ErrOffset, 2},
		{Position{3, pos.Epoch + 1}, ErrEpoch, 2},
		{Position{3, 0}, ErrEpoch, 2},
		{Position{3, pos.Epoch}, nil, 3},
	} {
		err := h.Ack(room, consumer, row.p)
		if got, _ := h.Acked(room, consumer); err != row.err || got.Offset != row.want {
			t.Errorf("Ack(%v) = %v, then at %v; want %v, %d", row.p, err, got, row.err, row.want)
		}
	}
	h.SetOptions(0, Options{})
	if err := h.Ack(room, consumer, pos); err != ErrNoHistory {
		t.Errorf("Ack in a room that has lost its history = %v; want ErrNoHistory", err)
	}
	if _, ok := h.Acked(room, consumer); ok {
		t.Error("cursor outlives the history")
	}
}
