package store

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// newConfig returns the config of a store in a folder of the test's own, and what it logs.
func newConfig(t testing.TB, p Policy) (Config, *testutil.Book) {
	t.Helper()
	l := new(testutil.Book)
	return Config{
		Path:   filepath.Join(t.TempDir(), "rooms.db"),
		Policy: p,
		Log:    slog.New(slog.NewTextHandler(l, nil)),
	}, l
}

func mustOpen(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() }) // again, for tests that end early
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// keep puts records and returns the errors that they are done with.
func keep(t testing.TB, s *Store, records ...*hub.Record) []error {
	t.Helper()
	results := make(chan error, len(records))
	for _, r := range records {
		r.Done = func(err error) { results <- err }
		if !s.Put(r) {
			t.Fatalf("Put(%s %d) = false", r.Room, r.Offset)
		}
	}
	var errs []error
	for range records {
		errs = append(errs, <-results)
	}
	return errs
}

// mustKeep puts records and waits until they are done without an error.
func mustKeep(t testing.TB, s *Store, records ...*hub.Record) {
	t.Helper()
	for _, err := range keep(t, s, records...) {
		if err != nil {
			t.Fatalf("Done(%v); want nil", err)
		}
	}
}

// entryText is what the tests publish: it names its place, so that an entry in a wrong one shows.
func entryText(room string, offset uint64) string { return fmt.Sprintf("%s/%d", room, offset) }

func publication(room string, epoch, offset, from uint64) *hub.Record {
	return &hub.Record{
		Room: []byte(room), Epoch: epoch, Offset: offset, From: from, Entry: []byte(entryText(room, offset)),
	}
}

// history is a room as a store gives it back.
type history struct {
	epoch, offset uint64
	entries       []string
}

func (h history) equal(o history) bool {
	return h.epoch == o.epoch && h.offset == o.offset && slices.Equal(h.entries, o.entries)
}

// loadAll returns what s has.
func loadAll(t testing.TB, s *Store) map[string]history {
	t.Helper()
	all := make(map[string]history)
	err := s.Load(func(room []byte, epoch, offset uint64, entries [][]byte) error {
		h := history{epoch: epoch, offset: offset}
		for _, e := range entries {
			h.entries = append(h.entries, string(e))
		}
		all[string(room)] = h
		return nil
	})
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return all
}

// compare fails the test unless got is want.
func compare(t testing.TB, got, want map[string]history) {
	t.Helper()
	for name, w := range want {
		if g, ok := got[name]; !ok || !g.equal(w) {
			t.Errorf("room %q = %v; want %v", name, got[name], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("rooms %q; want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// model is a store without a disk, whose entries are told apart by their offsets.
type model map[string]*modelRoom

type modelRoom struct {
	epoch, offset uint64
	entries       map[uint64]string
}

func (m model) put(r *hub.Record) {
	if r.Forget {
		delete(m, string(r.Room))
		return
	}
	room := m[string(r.Room)]
	if room == nil || room.epoch != r.Epoch {
		room = &modelRoom{epoch: r.Epoch, entries: make(map[uint64]string)}
		m[string(r.Room)] = room
	}
	room.offset = r.Offset
	if r.Entry != nil {
		room.entries[r.Offset] = string(r.Entry)
	}
	maps.DeleteFunc(room.entries, func(offset uint64, _ string) bool { return offset < r.From })
}

// histories returns what Load must give back: of each room the entries that no hole parts from its offset.
func (m model) histories() map[string]history {
	all := make(map[string]history)
	for name, room := range m {
		h := history{epoch: room.epoch, offset: room.offset}
		for o := room.offset; room.entries[o] != ""; o-- {
			h.entries = append(h.entries, room.entries[o])
		}
		slices.Reverse(h.entries)
		all[name] = h
	}
	return all
}

// randomRecords makes changes to rooms whose names begin alike: publications for the most part, and now and then a
// cut, a hole, a new epoch, an end.
type randomRecords struct {
	*rand.Rand
	names []string
	model model
}

func newRandomRecords(seed uint64) *randomRecords {
	return &randomRecords{
		Rand:  rand.New(rand.NewPCG(seed, 1)),
		names: []string{"", "a", "a\x00", "aa", "ab", "b", "news:1", "news:10", "news:100", string(make([]byte, 300))},
		model: make(model),
	}
}

func (r *randomRecords) next() *hub.Record {
	name := r.names[r.IntN(len(r.names))]
	rec := r.change(name)
	r.model.put(rec)
	return rec
}

func (r *randomRecords) change(name string) *hub.Record {
	room := r.model[name]
	if room == nil {
		room = &modelRoom{epoch: r.Uint64() & epochMask}
	}
	from := room.offset - min(room.offset, r.Uint64N(30)) + 1
	switch p := r.IntN(200); {
	case p == 0:
		return &hub.Record{Room: []byte(name), Forget: true}
	case p == 1:
		return publication(name, r.Uint64()&epochMask, 1, 1)
	case p < 5:
		return publication(name, room.epoch, room.offset+2, from)
	case p < 20:
		return &hub.Record{Room: []byte(name), Epoch: room.epoch, Offset: room.offset, From: from}
	}
	rec := publication(name, room.epoch, room.offset+1, from)
	if r.IntN(50) == 0 {
		rec.Entry = bytes.Repeat([]byte(name+"."), 4000) // more than a page
		if name == "" {
			rec.Entry = []byte{'.'}
		}
	}
	return rec
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// exists reports whether exactly one file matches pattern.
func exists(t testing.TB, pattern string) bool {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return len(found) == 1
}

// rounds returns n, or a fifth of it where time is short.
func rounds(n int) int {
	if testing.Short() || testutil.Race {
		return (n + 4) / 5
	}
	return n
}

// silent drops log lines.
var silent = slog.New(slog.NewTextHandler(io.Discard, nil))
