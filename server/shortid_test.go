package server

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestShortIDs(t *testing.T) {
	ids, others := newShortIDs(), newShortIDs()
	var tmp scratch
	seen := map[string]bool{}
	for range 1000 {
		conn, serial := rand.Uint64(), rand.Uint32()
		id := ids.append(nil, &tmp, conn, serial)
		if len(id) != 20 || strings.Trim(string(id), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("append(%x, %x) = %q; want 20 characters of base64url", conn, serial, id)
		}
		if seen[string(id)] {
			t.Fatalf("append(%x, %x) = %q, which another has", conn, serial, id)
		}
		seen[string(id)] = true
		if c, n, ok := ids.parse(&tmp, id); !ok || c != conn || n != serial {
			t.Fatalf("parse(%q) = %x, %x, %v; want %x, %x", id, c, n, ok, conn, serial)
		}
		if c, n, ok := others.parse(&tmp, id); ok && c == conn && n == serial {
			t.Fatalf("another key reads %q", id)
		}
	}
}

func TestShortIDsRefuse(t *testing.T) {
	ids := newShortIDs()
	var tmp scratch
	id := string(ids.append(nil, &tmp, 1, 1))
	for _, text := range []string{"", "x", id + "A", id[:19], id[:19] + "=", id[:19] + "\n", id[:19] + "+", strings.Repeat("é", 10)} {
		if conn, serial, ok := ids.parse(&tmp, []byte(text)); ok {
			t.Errorf("parse(%q) = %d, %d; want none", text, conn, serial)
		}
	}
}

func TestShortIDsDoNotAllocate(t *testing.T) {
	ids := newShortIDs()
	tmp, dst := new(scratch), make([]byte, 0, shortIDSize)
	if n := testing.AllocsPerRun(100, func() {
		id := ids.append(dst, tmp, 1<<63|77, 3)
		if _, _, ok := ids.parse(tmp, id); !ok {
			t.Fatal("no id")
		}
	}); n != 0 {
		t.Errorf("an id there and back: %v allocations; want none", n)
	}
}
