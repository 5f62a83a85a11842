package store

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestOpenNamesWhatIsWrong(t *testing.T) {
	c, _ := newConfig(t, Always)
	for want, change := range map[string]func(c *Config){
		"no path":          func(c *Config) { c.Path = "" },
		"no such policy":   func(c *Config) { c.Policy = 7 },
		"sync interval":    func(c *Config) { c.SyncInterval = time.Microsecond },
		"must be positive": func(c *Config) { c.QueueBytes = -1 },
		"no such file":     func(c *Config) { c.Path = filepath.Join(t.TempDir(), "nowhere", "rooms.db") },
		"is a directory":   func(c *Config) { c.Path = t.TempDir() },
		"no boot id":       func(c *Config) { c.bootID = func() (string, error) { return "", errors.New("no boot id") } },
	} {
		broken := c
		change(&broken)
		if s, err := Open(broken); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open = %v, %v; want %q", s, err, want)
		}
	}
}

// The writer is held in a Done; what is put meanwhile fills the queue.
func TestFullQueueRefuses(t *testing.T) {
	c, _ := newConfig(t, Always)
	c.QueueRecords = 3
	s := mustOpen(t, c)
	held, release := make(chan struct{}), make(chan struct{})
	first := publication("a", 1, 1, 1)
	first.Done = func(error) { close(held); <-release }
	if !s.Put(first) {
		t.Fatal("Put into an empty queue = false")
	}
	<-held
	for offset := range uint64(4) {
		if got := s.Put(publication("a", 1, offset+2, 1)); got != (offset < 3) {
			t.Errorf("Put of record %d behind a slow one = %v", offset, got)
		}
	}
	if s.Put(&hub.Record{Room: make([]byte, maxName+1), Offset: 1}) {
		t.Error("Put of a name that makes no key = true")
	}
	close(release)
	mustClose(t, s)
	if st := s.Stats(); st.Refused != 2 || st.Records != 4 || st.Failed != 0 {
		t.Errorf("Stats = %+v", st)
	}
	s = mustOpen(t, c)
	compare(t, loadAll(t, s), map[string]history{"a": {1, 4, []string{"a/1", "a/2", "a/3", "a/4"}}})
	mustClose(t, s)
}

// Records are done in the order of Put, each once, also those that Close finds in the queue.
func TestDoneInOrder(t *testing.T) {
	const n = 10000
	c, _ := newConfig(t, Interval)
	s := mustOpen(t, c)
	var done []uint64 // of the writer goroutine, until Close
	for i := range uint64(n) {
		r := publication("a", 1, i+1, i+1)
		r.Done = func(err error) {
			if err != nil {
				t.Errorf("Done(%v)", err)
			}
			done = append(done, i)
		}
		if !s.Put(r) {
			t.Fatalf("Put(%d) = false", i)
		}
	}
	mustClose(t, s)
	if len(done) != n {
		t.Fatalf("%d of %d records are done", len(done), n)
	}
	for i, d := range done {
		if d != uint64(i) {
			t.Fatalf("record %d was done as number %d", d, i)
		}
	}
}

func TestPutAfterClose(t *testing.T) {
	c, _ := newConfig(t, Always)
	s := mustOpen(t, c)
	mustClose(t, s)
	if s.Put(publication("a", 1, 1, 1)) {
		t.Error("Put after Close = true")
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// An empty publication is a publication; a record without one is not.
func TestEmptyEntry(t *testing.T) {
	c, _ := newConfig(t, Always)
	s := mustOpen(t, c)
	mustKeep(t, s, &hub.Record{Room: []byte("a"), Epoch: 1, Offset: 1, From: 1, Entry: []byte{}},
		&hub.Record{Room: []byte("b"), Epoch: 1, Offset: 7, From: 8})
	mustClose(t, s)
	s = mustOpen(t, c)
	compare(t, loadAll(t, s), map[string]history{"a": {1, 1, []string{""}}, "b": {1, 7, nil}})
	mustClose(t, s)
}

func TestLoadEndsWithTheErrorOfEach(t *testing.T) {
	c, _ := newConfig(t, Always)
	s := mustOpen(t, c)
	mustKeep(t, s, publication("a", 1, 1, 1), publication("b", 1, 1, 1))
	calls, enough := 0, errors.New("enough")
	err := s.Load(func([]byte, uint64, uint64, [][]byte) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("Load = %v after %d rooms", err, calls)
	}
	mustClose(t, s)
}

// Under interval what was committed is synced within the interval, whether more comes or not.
func TestIntervalSyncs(t *testing.T) {
	c, _ := newConfig(t, Interval)
	c.SyncInterval = 5 * time.Millisecond
	s := mustOpen(t, c)
	for i := range uint64(3) {
		before := s.Stats().Syncs
		mustKeep(t, s, publication("a", 1, i+1, 1))
		testutil.Eventually(t, time.Minute, func() bool { return s.Stats().Syncs > before }, "a sync")
	}
	mustClose(t, s)
}

// However long the interval, transactions that replace each other's pages need no new ones for ever.
func TestFileStaysSmallBetweenSyncs(t *testing.T) {
	c, _ := newConfig(t, Interval)
	c.SyncInterval = time.Hour
	s := mustOpen(t, c)
	for i := range uint64(4000) {
		mustKeep(t, s, publication("a", 1, i+1, i+1))
	}
	if got := s.Stats().FileBytes; got > 3*maxGrowth {
		t.Errorf("%d bytes for one publication", got)
	}
	mustClose(t, s)
}

// A long history goes in one piece, and in a time that is linear in it.
func TestForgetLongHistory(t *testing.T) {
	const n = 30000
	c, _ := newConfig(t, Interval)
	s := mustOpen(t, c)
	for i := range uint64(n) {
		if !s.Put(publication("long", 1, i+1, 1)) {
			t.Fatalf("Put(%d) = false", i)
		}
	}
	mustKeep(t, s, publication("lone", 1, 1, 1))
	start := time.Now()
	mustKeep(t, s, &hub.Record{Room: []byte("long"), Forget: true})
	if took := time.Since(start); took > time.Minute {
		t.Errorf("%v for %d entries", took, n)
	}
	mustClose(t, s)
	s = mustOpen(t, c)
	compare(t, loadAll(t, s), map[string]history{"lone": {1, 1, []string{"lone/1"}}})
	mustClose(t, s)
}

// Any goroutine may put; each room's order is that of its goroutine.
func TestConcurrentPut(t *testing.T) {
	c, _ := newConfig(t, Always)
	s := mustOpen(t, c)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for offset := range uint64(200) {
				mustKeepHere(t, s, publication(childRoom(i), childEpoch, offset+1, 1))
			}
		})
	}
	all.Wait()
	mustClose(t, s)
	s = mustOpen(t, c)
	for room, h := range loadAll(t, s) {
		checkEntries(t, room, h)
		if h.offset != 200 || len(h.entries) != 200 {
			t.Errorf("%s: offset %d, %d entries", room, h.offset, len(h.entries))
		}
	}
	mustClose(t, s)
}

// mustKeepHere is mustKeep for goroutines that must not end the test.
func mustKeepHere(t *testing.T, s *Store, r *hub.Record) {
	done := make(chan error, 1)
	r.Done = func(err error) { done <- err }
	if !s.Put(r) {
		t.Errorf("Put(%s %d) = false", r.Room, r.Offset)
		return
	}
	if err := <-done; err != nil {
		t.Errorf("Done(%v)", err)
	}
}

// Put is called under a lock that every publisher of a shard waits for.
func TestPutDoesNotAllocate(t *testing.T) {
	if testutil.Race {
		t.Skip("the race detector allocates")
	}
	q := newQueue(defaultQueueBytes, defaultQueueRecords)
	s := &Store{queue: q}
	r := publication("a", 1, 1, 1)
	spare := make([]*hub.Record, 0, 1024)
	n := testing.AllocsPerRun(100, func() {
		for range 1000 {
			s.Put(r)
		}
		taken := q.take(spare)
		q.release(taken)
		spare = taken[:0]
	})
	if n != 0 {
		t.Errorf("%v allocations for 1000 Puts", n)
	}
}
