package server

import (
	"regexp"
	"testing"
)

func TestClientIDs(t *testing.T) {
	var (
		ids, others = newClientIDs(), newClientIDs()
		tmp         scratch
		uuid        = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
		seen        = map[string]bool{}
	)
	for _, conn := range []uint64{0, 1, 2, 1 << 32, 1<<61 - 1, 1 << 61, 1 << 63, 1<<64 - 1} {
		id := ids.append(nil, &tmp, conn)
		if !uuid.Match(id) || seen[string(id)] {
			t.Errorf("id of %#x = %s; want a UUID of version 4 of its own", conn, id)
		}
		seen[string(id)] = true
		if got, ok := ids.parse(&tmp, id); !ok || got != conn {
			t.Errorf("parse(%s) = %#x, %v; want %#x", id, got, ok, conn)
		}
		if got, ok := others.parse(&tmp, id); ok && got == conn {
			t.Errorf("another key reads %s", id)
		}
	}
	for _, id := range []string{"", "x", "00000000-0000-4000-8000-00000000000g", "00000000-0000-1000-8000-000000000000", "0000000000000-4000-8000-0000000000000"} {
		if _, ok := ids.parse(&tmp, []byte(id)); ok {
			t.Errorf("parse(%q) accepts", id)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		var b [idSize]byte
		ids.append(b[:0], &tmp, 42)
	}); n != 0 {
		t.Errorf("an id costs %v allocations", n)
	}
}
