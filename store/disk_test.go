package store

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/seed4ac54ce5/edge/hub"
)

// fullDisk is a descriptor with /dev/full in its place: every write fails.
type fullDisk struct{ fd, kept int }

// fillDisk fills the disk that s writes to. Nothing may be queued.
func fillDisk(t *testing.T, s *Store) fullDisk {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	d := fullDisk{fd: int(s.db.file.Fd())}
	if d.kept, err = syscall.Dup(d.fd); err != nil { // and with it the lock
		t.Fatal(err)
	}
	if err := syscall.Dup3(int(full.Fd()), d.fd, syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	return d
}

// clear gives the store its file back.
func (d fullDisk) clear(t *testing.T) {
	t.Helper()
	if err := syscall.Dup3(d.kept, d.fd, syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	d.leave()
}

// leave lets go of the file behind a store that is closed.
func (d fullDisk) leave() { _ = syscall.Close(d.kept) }

// A full disk fails the records and those behind them. When it has room again, the store goes on: a position that
// failed is not given out again, and nothing before the hole is.
func TestFullDisk(t *testing.T) {
	for _, p := range []Policy{Always, Interval} {
		c, log := newConfig(t, p)
		c.SyncInterval = time.Hour // a sync that fails first would take the log line
		s := mustOpen(t, c)
		mustKeep(t, s, publication("a", 1, 1, 1), publication("b", 1, 1, 1), publication("c", 1, 1, 1), publication("d", 1, 1, 1))
		disk := fillDisk(t, s)
		for _, r := range []*hub.Record{
			publication("a", 1, 2, 1),
			publication("b", 1, 2, 1), publication("b", 1, 3, 1),
			{Room: []byte("c"), Forget: true},
			{Room: []byte("d"), Epoch: 1, Offset: 1, From: 1},
		} {
			if err := keep(t, s, r)[0]; err == nil {
				t.Errorf("Done(nil) for %s %d on a full disk", r.Room, r.Offset)
			}
		}
		noted := exists(t, c.Path+lostSuffix)
		disk.clear(t)
		mustKeep(t, s, publication("a", 1, 3, 1))
		if !noted || exists(t, c.Path+lostSuffix) {
			t.Errorf("the loss was noted: %v; it still is: %v", noted, exists(t, c.Path+lostSuffix))
		}
		if st := s.Stats(); st.Failed != 5 || st.Records != 5 || st.QueuedRecords != 0 || st.QueuedBytes != 0 {
			t.Errorf("Stats = %+v", st)
		}
		mustClose(t, s)
		s = mustOpen(t, c)
		compare(t, loadAll(t, s), map[string]history{
			"a": {1, 3, []string{"a/3"}},
			"b": {1, 3, nil},
			"d": {1, 1, []string{"d/1"}},
		})
		mustClose(t, s)
		if log.Count("cannot write") != 1 {
			t.Errorf("log: %s", log)
		}
	}
}

// limitFiles makes writes beyond the first size bytes of a file fail with EFBIG, until lift is called.
func limitFiles(t *testing.T, size uint64) (lift func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	set := func(l syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			t.Fatal(err)
		}
	}
	set(syscall.Rlimit{Cur: size, Max: old.Max})
	t.Cleanup(func() { set(old) })
	return func() { set(old) }
}

// A transaction that fails half written leaves no trace, and what is small enough still fits.
func TestDiskThatFillsUp(t *testing.T) {
	const limit = 8 << 20
	c, _ := newConfig(t, Always)
	s := mustOpen(t, c)
	r, m := newRand(t), make(model)
	lift := limitFiles(t, limit)
	for range 20 {
		mustKeep(t, s, roomChanges(r, m, 10)...)
		big := &hub.Record{Room: []byte("big"), Epoch: 1, Offset: 1, From: 1, Entry: make([]byte, limit)}
		if err := keep(t, s, big)[0]; !errors.Is(err, syscall.EFBIG) {
			t.Errorf("Done(%v); want %v", err, syscall.EFBIG)
		}
	}
	lift()
	mustClose(t, s)
	s = mustOpen(t, c)
	want := m.histories()
	want["big"] = history{1, 1, nil}
	compare(t, loadAll(t, s), want)
	mustClose(t, s)
}

// What a full disk has refused and never taken later costs the rooms their epoch.
func TestCloseOnAFullDisk(t *testing.T) {
	c, log := newConfig(t, Always)
	s := mustOpen(t, c)
	mustKeep(t, s, publication("small", 1, 1, 1))
	disk := fillDisk(t, s)
	errs := keep(t, s, publication("small", 1, 2, 1))
	err := s.Close()
	disk.leave()
	if errs[0] == nil || err == nil {
		t.Errorf("Done(%v), Close = %v on a full disk", errs[0], err)
	}
	s = mustOpen(t, c)
	got := loadAll(t, s)["small"]
	mustClose(t, s)
	if got.epoch == 1 || got.offset != 1 || log.Count("new epochs") != 1 {
		t.Errorf("small = %v; log: %s", got, log)
	}
}

// A disk that fails all the time is told once a minute.
func TestFailuresAreLoggedOnceAMinute(t *testing.T) {
	c, log := newConfig(t, Always)
	clock := time.Now()
	c.now = func() time.Time { return clock }
	s := mustOpen(t, c)
	disk := fillDisk(t, s)
	for i := range uint64(6) {
		keep(t, s, publication("a", 1, i+1, 1))
		clock = clock.Add(25 * time.Second) // the writer waits for the next record
	}
	disk.clear(t)
	if n := log.Count("cannot write"); n != 2 {
		t.Errorf("%d log lines in 125 s; want 2: %s", n, log)
	}
	mustClose(t, s)
}

// A file that shrinks under the process would end it with SIGBUS. The record fails instead, and the next one finds
// the file examined anew.
func TestFileCutUnderTheProcess(t *testing.T) {
	c, log := newConfig(t, Always)
	s := mustOpen(t, c)
	mustKeep(t, s, roomChanges(newRand(t), make(model), 3000)...)
	if err := os.Truncate(c.Path, 3*pageSize); err != nil {
		t.Fatal(err)
	}
	err := keep(t, s, publication("a", 1, 1, 1))[0]
	if !errors.Is(err, errFault) {
		t.Errorf("Done(%v); want %v", err, errFault)
	}
	mustKeep(t, s, publication("a", 1, 2, 1))
	mustClose(t, s)
	if log.Count("starting empty") != 1 {
		t.Errorf("log: %s", log)
	}
	s = mustOpen(t, c)
	compare(t, loadAll(t, s), map[string]history{"a": {1, 2, []string{"a/2"}}})
	mustClose(t, s)
}
