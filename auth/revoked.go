package auth

import (
	"errors"
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// ErrFull is that a Revoked holds as many entries as it may.
var ErrFull = errors.New("auth: too many revocations at one time")

// Revoked is a set of tokens that are no longer good: single ones by their id, and all of a user that were issued before
// some time. Each entry is kept until no such token could be valid any more. Any goroutine may use it; a look into
// it takes no lock and allocates nothing.
type Revoked struct {
	limit int
	seed  maphash.Seed

	mu    sync.Mutex // guards size, swept, and the replacing of shards
	size  int
	swept int64 // when old entries were last cleared away everywhere, in Unix seconds
	users [revokedShards]revokedShard
	ids   [revokedShards]revokedShard
}

// revokedShards bounds what one change copies: a change makes a new map of one shard.
const revokedShards = 256

// A revokedShard is a map that is never changed once it is here; nil is empty.
type revokedShard struct {
	atomic.Pointer[map[string]revocation]
}

// A revocation ends tokens that were issued before one time and is forgotten at another, in Unix seconds.
type revocation struct{ before, until int64 }

// NewRevoked returns an empty set for at most limit entries.
func NewRevoked(limit int) *Revoked {
	return &Revoked{limit: limit, seed: maphash.MakeSeed()}
}

// User revokes the tokens of a user that were issued before a time, or do not say when, until they have all expired:
// give a time after the longest life of a token. Whole seconds count, as tokens have no others: one that was issued
// in the second that before lies in is revoked too. The error is ErrFull: nothing was revoked.
func (r *Revoked) User(user string, before, until, now time.Time) error {
	return r.add(r.shard(&r.users, user), user, revocation{ceil(before), ceil(until)}, now)
}

// Token revokes the token with this id (jti) until it has expired. The error is ErrFull.
func (r *Revoked) Token(id string, until, now time.Time) error {
	return r.add(r.shard(&r.ids, id), id, revocation{until: ceil(until)}, now)
}

// Has reports whether the token that says this of itself is revoked.
func (r *Revoked) Has(id *Identity, now time.Time) bool {
	seconds := now.Unix()
	if e, ok := r.shard(&r.users, id.User).get(id.User); ok && seconds < e.until && (id.Issued.IsZero() || id.Issued.Unix() < e.before) {
		return true
	}
	if id.ID == "" {
		return false
	}
	e, ok := r.shard(&r.ids, id.ID).get(id.ID)
	return ok && seconds < e.until
}

// Len returns how many entries there are, old ones that nobody has cleared away yet included.
func (r *Revoked) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.size
}

// ceil returns t in Unix seconds, rounded up.
func ceil(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }

func (r *Revoked) shard(of *[revokedShards]revokedShard, name string) *revokedShard {
	return &of[maphash.String(r.seed, name)%revokedShards]
}

func (s *revokedShard) get(name string) (revocation, bool) {
	m := s.Load()
	if m == nil {
		return revocation{}, false
	}
	e, ok := (*m)[name]
	return e, ok
}

// add puts e into s. If name is there already, the later of either time counts.
func (r *Revoked) add(s *revokedShard, name string, e revocation, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := s.get(name)
	if !ok && !r.room(now) {
		return ErrFull
	}
	e = revocation{max(e.before, old.before), max(e.until, old.until)}
	m := r.live(s, now)
	m[name] = e
	r.replace(s, m)
	return nil
}

// room reports whether one more entry fits, if need be after clearing old ones away everywhere, which is done at most
// once a second. Holds mu.
func (r *Revoked) room(now time.Time) bool {
	if r.size < r.limit || r.swept == now.Unix() {
		return r.size < r.limit
	}
	r.swept = now.Unix()
	for i := range revokedShards {
		r.replace(&r.users[i], r.live(&r.users[i], now))
		r.replace(&r.ids[i], r.live(&r.ids[i], now))
	}
	return r.size < r.limit
}

// live returns a copy of s without what is old. Holds mu.
func (r *Revoked) live(s *revokedShard, now time.Time) map[string]revocation {
	live := make(map[string]revocation)
	if m := s.Load(); m != nil {
		maps.Copy(live, *m)
	}
	maps.DeleteFunc(live, func(_ string, e revocation) bool { return e.until <= now.Unix() })
	return live
}

// replace makes m what s holds. Holds mu.
func (r *Revoked) replace(s *revokedShard, m map[string]revocation) {
	if old := s.Load(); old != nil {
		r.size -= len(*old)
	}
	r.size += len(m)
	s.Store(&m)
}
