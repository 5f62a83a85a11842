package admission

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func TestHost(t *testing.T) {
	table := newTable(1)
	for _, row := range []struct {
		a, b   string
		prefix int
		same   bool
	}{
		{"192.0.2.7", "192.0.2.7", 64, true},
		{"192.0.2.7", "192.0.2.8", 64, false},
		{"192.0.2.7", "::ffff:192.0.2.7", 64, true},
		{"::ffff:192.0.2.7", "::ffff:192.0.2.8", 64, false},
		{"2001:db8::7", "2001:db8::ffff:ffff:ffff:ffff", 64, true},
		{"2001:db8::7", "2001:db8:0:1::7", 64, false},
		{"2001:db8::7", "2001:db8:0:1::7", 63, true},
		{"2001:db8::7", "2001:db8:0:ff::7", 56, true},
		{"2001:db8::7", "2001:db8:0:100::7", 56, false},
		{"2001:db8::7", "2001:db8::8", 128, false},
		{"2001:db8::6", "2001:db8::7", 127, true},
		{"2001:db8::7", "a::", 1, true},
		{"2001:db8::7", "8000::", 1, false},
		{"fe80::7%eth0", "fe80::7%eth1", 128, true},
	} {
		a, b := netip.MustParseAddr(row.a), netip.MustParseAddr(row.b)
		if same := table.host(a, row.prefix) == table.host(b, row.prefix); same != row.same {
			t.Errorf("%s and %s by %d bits are the same client: %v; want %v", row.a, row.b, row.prefix, same, row.same)
		}
	}
}

func TestKeysAreSecret(t *testing.T) {
	alice := netip.MustParseAddr("192.0.2.7")
	one, other := newTable(1), newTable(1)
	if one.host(alice, 64) == other.host(alice, 64) {
		t.Error("two tables have one seed: who knows it can have all names meet in one chain")
	}
}

// newShard returns a shard with room for limit names.
func newShard(limit int) *shard {
	return &shard{limit: limit}
}

// key returns the key of name number i in a shard of its own.
func key(i int) uint64 { return uint64(i) << shardBits }

func TestShardCounts(t *testing.T) {
	s := newShard(1000)
	held := make(map[uint64][]uint32)
	for i := range 500 {
		for range 2 {
			r, tooMany, wait := s.admit(key(i), 2, pace{}, 0)
			if r == 0 || tooMany || wait != 0 {
				t.Fatalf("admit of name %d = %d, %v, %v; want a record", i, r, tooMany, wait)
			}
			held[key(i)] = append(held[key(i)], r)
		}
		if _, tooMany, _ := s.admit(key(i), 2, pace{}, 0); !tooMany {
			t.Fatalf("name %d has a third conn; want it to be too many", i)
		}
	}
	if s.live() != 500 {
		t.Fatalf("%d records; want 500", s.live())
	}
	for k, records := range held {
		if records[0] != records[1] || s.find(k) != records[0] {
			t.Fatalf("key %x has records %v, found %d; want one", k, records, s.find(k))
		}
		s.release(records[0], 0)
		s.release(records[1], 0)
		if s.find(k) != 0 {
			t.Fatalf("key %x has a record without conns", k)
		}
	}
	if s.live() != 0 {
		t.Errorf("%d records are left; want none", s.live())
	}
}

func TestShardRemembersWhatIsOwed(t *testing.T) {
	s, p := newShard(10), Rate{PerSecond: 1, Burst: 2}.pace()
	for range 2 {
		r, _, _ := s.admit(key(1), 0, p, 0)
		s.release(r, 0)
	}
	if r, _, wait := s.admit(key(1), 0, p, 0); r != 0 || wait != time.Second {
		t.Errorf("admit after the burst = %d, %v; want to wait 1s", r, wait)
	}
	r, _, _ := s.admit(key(1), 0, p, int64(2*time.Second))
	s.release(r, int64(10*time.Second))
	if s.live() != 0 {
		t.Errorf("%d records; want none, as nobody owes anything", s.live())
	}
}

func TestTicketsGivenBackTwicePanic(t *testing.T) {
	for name, release := range map[string]func(s *shard, r uint32){
		"twice":   func(s *shard, r uint32) { s.release(r, 0); s.release(r, 0) },
		"never":   func(s *shard, r uint32) { s.release(r+1, 0) },
		"no such": func(s *shard, r uint32) { s.release(1<<20, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShard(10)
			r, _, _ := s.admit(key(1), 0, pace{}, 0)
			defer func() {
				if recover() == nil {
					t.Error("release went on")
				}
			}()
			release(s, r)
		})
	}
}

// A flood of addresses that come once each leaves no more behind than owe for the moment.
func TestShardForgetsTheSpent(t *testing.T) {
	s, p := newShard(1<<20), Rate{PerSecond: 10, Burst: 5}.pace()
	most := 0
	for i := range 100_000 {
		now := int64(i) * int64(time.Millisecond)
		r, _, _ := s.admit(key(i), 5, p, now)
		s.release(r, now)
		most = max(most, s.live())
	}
	// Each owes for 100 ms, in which 100 come; the hand is at each of those about once in as long.
	if most > 300 {
		t.Errorf("%d records at a time; want about 200", most)
	}
}

func TestFullShardEvictsWhoHasNoConns(t *testing.T) {
	const limit = 64
	s, p := newShard(limit), Rate{PerSecond: 0.01, Burst: 5}.pace()
	connected, _, _ := s.admit(key(0), 0, p, 0)
	for i := 1; i < 10_000; i++ {
		r, tooMany, wait := s.admit(key(i), 0, p, 0)
		if r == 0 {
			t.Fatalf("admit of name %d = no record, %v, %v; want the place of one without conns", i, tooMany, wait)
		}
		s.release(r, 0)
		if s.live() > limit {
			t.Fatalf("%d records; want at most %d", s.live(), limit)
		}
	}
	if s.find(key(0)) != connected {
		t.Error("the record of a name with a conn was evicted")
	}
	if s.records.End() > 2*limit {
		t.Errorf("%d records were made for at most %d", s.records.End(), limit)
	}
}

func TestFullTableLetsTheNewInUncounted(t *testing.T) {
	table := newTable(1) // one in each shard
	admitted, counted := 1000, 0
	for i := range admitted {
		ticket, tooMany, wait := table.admit(uint64(i), 1, pace{}, 0)
		if tooMany || wait != 0 {
			t.Fatalf("name %d was refused", i)
		}
		if ticket != 0 {
			counted++
		}
	}
	if counted != shards || table.live() != shards || int(table.uncounted.Load()) != admitted-shards {
		t.Errorf("%d counted, %d records, %d not counted; want %d, %d, %d",
			counted, table.live(), table.uncounted.Load(), shards, shards, admitted-shards)
	}
}

func TestSizeOfARecord(t *testing.T) {
	if size := reflect.TypeFor[record]().Size(); size != 24 {
		t.Errorf("a record has %d bytes; want 24", size)
	}
}
