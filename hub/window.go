package hub

import "time"

const (
	// idempotencyWindow is how long a room knows the key of a publish.
	idempotencyWindow = 5 * time.Minute

	// maxKeys is how many keys a room knows at most: beyond it the oldest is forgotten before its time.
	maxKeys = 1 << 16

	// expireAtOnce bounds the keys that are forgotten under one hold of the lock.
	expireAtOnce = 64
)

// window is the idempotency keys of a room's last publishes. Its zero value is empty.
type window struct {
	byKey map[string]*keyed
	order []*keyed // oldest first, from head on
	head  int
}

// keyed is a publish that had a key.
type keyed struct {
	key     string
	at      int64    // Unix nanoseconds
	pos     Position // what it was given
	pending *pending // set while it is not known whether the store keeps it
}

func (w *window) empty() bool { return w.head == len(w.order) }

// find returns the publish that had this key within the window before now.
func (w *window) find(key []byte, now int64) *keyed {
	if k := w.byKey[string(key)]; k != nil && now < k.at+int64(idempotencyWindow) {
		return k
	}
	return nil
}

// add remembers a key that find does not know.
func (w *window) add(k *keyed) {
	if w.byKey == nil {
		w.byKey = make(map[string]*keyed)
	}
	if len(w.order)-w.head == maxKeys {
		w.dropOldest()
	}
	w.byKey[k.key] = k
	w.order = append(w.order, k)
}

// remove forgets k, whose publish came to nothing. It keeps its place in the order until its time has passed.
func (w *window) remove(k *keyed) {
	if w.byKey[k.key] == k {
		delete(w.byKey, k.key)
	}
}

// expire forgets keys whose time has passed, but not many at once.
func (w *window) expire(now int64) {
	for range expireAtOnce {
		if w.deadline() > now {
			return
		}
		w.dropOldest()
	}
}

// deadline returns when the oldest key is to be forgotten.
func (w *window) deadline() int64 {
	if w.empty() {
		return never
	}
	return w.order[w.head].at + int64(idempotencyWindow)
}

func (w *window) dropOldest() {
	w.remove(w.order[w.head])
	w.order[w.head] = nil
	w.head++
	switch {
	case w.empty():
		*w = window{}
	case w.head > len(w.order)/2:
		n := copy(w.order, w.order[w.head:])
		clear(w.order[n:])
		w.order, w.head = w.order[:n], 0
	}
}
