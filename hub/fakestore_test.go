package hub

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

var errDisk = errors.New("disk on fire")

// fakeStore is a store in memory. Records wait until the test, or run, settles them.
type fakeStore struct {
	mu     sync.Mutex // guards all below
	room   int        // records that may wait
	queue  []*Record
	closed bool
	wake   chan struct{}
	files  map[string]*fakeFile
}

// fakeFile is a room in the store.
type fakeFile struct {
	epoch, offset, first uint64
	entries              [][]byte
}

func newFakeStore(room int) *fakeStore {
	return &fakeStore{room: room, wake: make(chan struct{}, 1), files: make(map[string]*fakeFile)}
}

func (f *fakeStore) Put(r *Record) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == f.room {
		return false
	}
	f.queue = append(f.queue, r)
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns up to n of the records that wait.
func (f *fakeStore) take(n int) []*Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, len(f.queue))
	batch := slices.Clone(f.queue[:n])
	f.queue = f.queue[n:]
	return batch
}

// settle keeps the next n records, or fails with err.
func (f *fakeStore) settle(n int, err error) {
	for _, r := range f.take(n) {
		if err == nil {
			f.keep(r)
		}
		if r.Done != nil {
			r.Done(err)
		}
	}
}

// keep does what r says. What does not follow leaves nothing in front of the hole.
func (f *fakeStore) keep(r *Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file := f.files[string(r.Room)]
	if r.Forget {
		delete(f.files, string(r.Room))
		return
	}
	next := r.Offset
	if r.Entry != nil {
		next--
	}
	if file == nil || file.epoch != r.Epoch || file.offset != next {
		file = &fakeFile{epoch: r.Epoch, first: next + 1}
		f.files[string(r.Room)] = file
	}
	file.offset = r.Offset
	if r.Entry != nil {
		file.entries = append(file.entries, r.Entry)
	}
	for file.first < r.From && len(file.entries) > 0 {
		file.entries = file.entries[1:]
		file.first++
	}
	file.first = max(file.first, r.From)
}

// run settles batches until the store is closed and empty. Now and then a record fails, or a whole batch.
func (f *fakeStore) run(rng *rand.Rand) {
	for range f.wake {
		for n := 1 + rng.IntN(50); ; n = 1 + rng.IntN(50) {
			f.mu.Lock()
			waiting, closed := len(f.queue), f.closed
			f.mu.Unlock()
			if waiting == 0 && closed {
				return
			}
			if waiting == 0 {
				break
			}
			f.settleBatch(rng, n)
		}
	}
}

func (f *fakeStore) settleBatch(rng *rand.Rand, n int) {
	var all error
	if rng.IntN(20) == 0 {
		all = errDisk
	}
	for range n {
		err := all
		if rng.IntN(200) == 0 {
			err = errDisk
		}
		f.settle(1, err)
	}
}

func (f *fakeStore) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// check compares what the store has of a room with the newest part of the room's history.
func (f *fakeStore) check(t *testing.T, h *Hub, ns Namespace, room string) {
	t.Helper()
	pos, past, err := h.History(ns, []byte(room), HistoryRequest{Limit: -1})
	file := f.files[room]
	if err != nil || file == nil {
		t.Errorf("%s: the store has %+v, the hub %v (%v)", room, file, pos, err)
		return
	}
	if pos != (Position{file.offset, file.epoch}) || len(file.entries) > len(past) {
		t.Errorf("%s: the store is at %d of %d with %d entries; the hub at %v with %d", room, file.offset, file.epoch, len(file.entries), pos, len(past))
		return
	}
	for i, p := range past[len(past)-len(file.entries):] {
		if string(file.entries[i]) != string(p.entry) {
			t.Errorf("%s: the store has another entry at offset %d", room, p.Offset())
		}
	}
}
