package hub

import (
	"testing"
)

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	f()
}

func TestPublicationMisusePanics(t *testing.T) {
	h := New()
	l := newLoop(h)
	var s Subs
	l.subscribe(t, 1, &s, "r")
	mustPanic(t, "publishing one that NewPublication has not made", func() {
		mustPublish(t, h, 0, []byte("r"), new(Publication))
	})
	p := NewPublication()
	mustPublish(t, h, 0, []byte("r"), p) // now the loop's: it is not in the pool
	mustPanic(t, "publishing twice", func() { mustPublish(t, h, 0, []byte("r"), p) })
	mustPanic(t, "releasing too often", func() { new(Publication).Release() })
}

func TestPublicationStartsEmpty(t *testing.T) {
	for range 100 {
		p := NewPublication()
		if len(p.Data)+len(p.Info)+len(p.Room)+len(p.wires) != 0 || p.Position != (Position{}) {
			t.Fatalf("NewPublication = %+v; want an empty one", p)
		}
		p.Data = append(p.Data, "data"...)
		p.Info = append(p.Info, "info"...)
		p.Room = append(p.Room, "room"...)
		p.Position = Position{1, 2}
		p.Wire(3, encodePlain)
		p.Release()
	}
}

func TestWireIsMadeOncePerForm(t *testing.T) {
	p := NewPublication()
	defer p.Release()
	p.Data = append(p.Data, "x"...)
	made := 0
	encode := func(dst []byte, p *Publication) []byte {
		made++
		return encodePlain(dst, p)
	}
	for range 3 {
		for form := range Form(Forms) {
			if got := p.Wire(form, encode); string(got) != "x;" {
				t.Fatalf("Wire(%d) = %q; want %q", form, got, "x;")
			}
		}
	}
	if made != Forms {
		t.Errorf("encoded %d times; want %d", made, Forms)
	}
}

func TestResetDropsLargeBuffers(t *testing.T) {
	p := new(Publication)
	p.Data = make([]byte, maxPooled+1)
	p.Info = make([]byte, 10)
	p.wires = []wire{{0, make([]byte, maxPooled+1)}, {1, make([]byte, 10)}}
	p.reset()
	wires := p.wires[:2]
	if p.Data != nil || cap(p.Info) != 10 || wires[0].bytes != nil || cap(wires[1].bytes) != 10 {
		t.Errorf("reset kept %d, %d, %d, %d bytes; want 0, 10, 0, 10",
			cap(p.Data), cap(p.Info), cap(wires[0].bytes), cap(wires[1].bytes))
	}
}
