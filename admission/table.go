package admission

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// Ticket is what an admitted conn keeps and gives back when it closes. 0 says that nothing was counted.
//
//	31-6 record in its shard · 5-0 shard
type Ticket uint32

const (
	shardBits = 6
	shards    = 1 << shardBits
	maxShard  = 1<<(32-shardBits) - 1 // records of a shard
)

// table counts the conns of many addresses, and how fast they come, each under a key of 64 bits: a hash of its name
// with a secret seed. Two names with one key would share their limits; with a million names at a time the chance of that
// is one in 30 million. Any goroutine may use it.
type table struct {
	seed      maphash.Seed
	uncounted atomic.Uint64 // admitted though there was no room to count them
	shards    [shards]shard
}

// newTable returns a table for at most size names at a time, rounded up to a multiple of the shards.
func newTable(size int) *table {
	t := &table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].limit = min((size+shards-1)/shards, maxShard)
	}
	return t
}

// host returns the key of an address, of which prefix bits count if it is IPv6. Networks of different sizes are
// different, also where they begin alike.
func (t *table) host(a netip.Addr, prefix int) uint64 {
	b := a.As16() // IPv4 has one form only then
	if a.Unmap().Is4() {
		prefix = 128
	}
	keepBits(&b, prefix)
	var named [len(b) + 1]byte
	named[copy(named[:], b[:])] = byte(prefix)
	return maphash.Bytes(t.seed, named[:])
}

// keepBits clears all but the first n bits of b.
func keepBits(b *[16]byte, n int) {
	for i := range b {
		b[i] &= ^byte(0xff >> min(max(n-8*i, 0), 8))
	}
}

// admit counts one more for key, unless it has most already, or they come faster than p.
func (t *table) admit(key uint64, most int, p pace, now int64) (ticket Ticket, tooMany bool, wait time.Duration) {
	i := key % shards
	record, tooMany, wait := t.shards[i].admit(key, most, p, now)
	if record == 0 {
		if !tooMany && wait == 0 {
			t.uncounted.Add(1)
		}
		return 0, tooMany, wait
	}
	return Ticket(record<<shardBits | uint32(i)), false, 0
}

// release counts one less. Tickets that are not out are a broken invariant.
func (t *table) release(ticket Ticket, now int64) {
	if ticket != 0 {
		t.shards[ticket%shards].release(uint32(ticket>>shardBits), now)
	}
}

// live returns how many names have a record.
func (t *table) live() (n int) {
	for i := range t.shards {
		n += t.shards[i].live()
	}
	return n
}
