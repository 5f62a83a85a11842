package store

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/seed4ac54ce5/edge/hub"
)

const pageSize = 4096

// written is a file that was copied while a store had it open, and what was in it then.
type written struct {
	file []byte
	want map[string]history
}

// roomChanges returns n changes in a few rooms of m, with their entries as entryText says.
func roomChanges(r *rand.Rand, m model, n int) []*hub.Record {
	var all []*hub.Record
	for range n {
		name := childRoom(r.IntN(childRooms))
		var offset uint64
		if room := m[name]; room != nil {
			offset = room.offset
		}
		rec := publication(name, childEpoch, offset+1, offset+1-min(offset, childHistory))
		m.put(rec)
		all = append(all, rec)
	}
	return all
}

// openBare returns the database of a store that has no writer, so that tests decide what one transaction is.
func openBare(t *testing.T, c Config) *database {
	t.Helper()
	c = c.withDefaults()
	d, err := openDatabase(&c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// commit applies records in one transaction.
func commit(t *testing.T, d *database, records []*hub.Record) {
	t.Helper()
	if err := d.update(func(tx *bbolt.Tx) error { return new(writer{counts: new(counts)}).apply(tx, records) }); err != nil {
		t.Fatal(err)
	}
}

// writeVersions returns n states of one file, each one transaction after the one before.
func writeVersions(t *testing.T, r *rand.Rand, n int) []written {
	t.Helper()
	c, _ := newConfig(t, Always)
	d := openBare(t, c)
	m := make(model)
	commit(t, d, roomChanges(r, m, 3000))
	var all []written
	for range n {
		commit(t, d, roomChanges(r, m, 1+r.IntN(100)))
		b := readFile(t, c.Path)
		all = append(all, written{b[:inUse(t, b)], m.histories()})
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// inUse returns how many bytes of a file its newest transaction uses.
func inUse(t *testing.T, b []byte) int64 {
	t.Helper()
	metas, faults, err := findMetas(bytes.NewReader(b))
	if faults != nil || err != nil {
		t.Fatalf("findMetas: %v, %v", faults, err)
	}
	m := slices.MaxFunc(metas, func(a, b meta) int { return int(a.txid) - int(b.txid) })
	return int64(m.end) * m.pageSize
}

// reopened is what a store makes of a file.
type reopened struct {
	rooms    map[string]history
	log      string
	setAside bool
}

// reopen opens a file with the bytes b.
func reopen(t *testing.T, b []byte) reopened {
	t.Helper()
	c, log := newConfig(t, Always)
	writeFile(t, c.Path, b)
	s := mustOpen(t, c)
	got := reopened{rooms: loadAll(t, s)}
	mustKeep(t, s, publication("afterwards", 1, 1, 1))
	mustClose(t, s)
	got.setAside = exists(t, c.Path+damagedSuffix+"*")
	if exists(t, c.Path+lostSuffix) {
		t.Error("the note of a loss is still there")
	}
	got.log = log.String()
	return got
}

// changedPages returns the numbers of the pages, save the meta pages, in which a and b differ.
func changedPages(a, b []byte) []int {
	var changed []int
	for p := 2; p*pageSize < len(b); p++ {
		end := min((p+1)*pageSize, len(a))
		if p*pageSize >= len(a) || !bytes.Equal(a[p*pageSize:end], b[p*pageSize:(p+1)*pageSize]) {
			changed = append(changed, p)
		}
	}
	return changed
}

// somePages returns a with some of the pages as they are in b.
func somePages(r *rand.Rand, a, b []byte, pages []int) []byte {
	mix := append(bytes.Clone(a), make([]byte, max(0, len(b)-len(a)))...)
	for _, p := range pages {
		if r.IntN(2) == 0 {
			copy(mix[p*pageSize:], b[p*pageSize:(p+1)*pageSize])
		}
	}
	return mix
}

// A transaction writes its pages before its meta page. Cut short anywhere before that, it leaves no trace.
func TestInterruptedCommitIsInvisible(t *testing.T) {
	r := newRand(t)
	v := writeVersions(t, r, 4)
	for i := range v[1:] {
		a, b := v[i], v[i+1]
		pages := changedPages(a.file, b.file)
		if len(pages) < 3 {
			t.Fatalf("only pages %v differ", pages)
		}
		for range 10 {
			got := reopen(t, somePages(r, a.file, b.file, pages))
			compare(t, got.rooms, a.want)
			if got.log != "" || got.setAside {
				t.Errorf("log: %s", got.log)
			}
		}
	}
}

// A meta page that is torn is one of a transaction that may have been acknowledged: the rooms go back to the one before, in
// new epochs.
func TestTornMetaPage(t *testing.T) {
	r := newRand(t)
	for range rounds(10) {
		v := writeVersions(t, r, 2)
		a, b := v[0], v[1]
		newest := newestMeta(t, b.file)
		at := newest*pageSize + headerSize
		cut := at + 50 + r.IntN(metaSize-50) // before that all metas of a file are alike
		torn := bytes.Clone(b.file)
		copy(torn[cut:at+metaSize], a.file[cut:at+metaSize])
		if bytes.Equal(torn, b.file) {
			continue
		}
		got := reopen(t, torn)
		checkSurvivors(t, got, b.want)
		compareContents(t, got.rooms, a.want)
		if !strings.Contains(got.log, "is torn") || !strings.Contains(got.log, "new epochs") {
			t.Errorf("log: %s", got.log)
		}
	}
}

// newestMeta returns the place of the meta page that counts.
func newestMeta(t *testing.T, b []byte) int {
	t.Helper()
	metas, errs := readMetas(bytes.NewReader(b))
	if errs[0] != nil || errs[1] != nil {
		t.Fatal(errs)
	}
	if metas[1].txid > metas[0].txid {
		return 1
	}
	return 0
}

// compareContents is compare for rooms that have new epochs.
func compareContents(t *testing.T, got, want map[string]history) {
	t.Helper()
	same := make(map[string]history)
	for name, h := range want {
		h.epoch = got[name].epoch
		same[name] = h
	}
	compare(t, got, same)
}

// checkSurvivors fails the test if got has an entry that was never written, or, in the old epoch, a position that is
// not the last one.
func checkSurvivors(t *testing.T, got reopened, want map[string]history) {
	t.Helper()
	for name, h := range got.rooms {
		checkEntries(t, name, h)
		w, ok := want[name]
		if !ok || h.offset > w.offset {
			t.Errorf("room %q at %d; it was at %d", name, h.offset, w.offset)
		}
		if h.epoch == childEpoch && h.offset != w.offset {
			t.Errorf("room %q went back from %d to %d in the same epoch", name, w.offset, h.offset)
		}
	}
}

// checkTold fails the test if got lacks entries, or whole rooms if they count, and the log does not say so.
func checkTold(t *testing.T, got reopened, want map[string]history, rooms bool) {
	t.Helper()
	lost := rooms && len(got.rooms) < len(want)
	for name, h := range got.rooms {
		lost = lost || !slices.Equal(h.entries, want[name].entries)
	}
	if lost && got.log == "" {
		t.Error("a loss that the log does not tell")
	}
}

func TestTruncatedFile(t *testing.T) {
	r := newRand(t)
	v := writeVersions(t, r, 2)[1]
	for i := range rounds(150) {
		size := r.IntN(len(v.file))
		if i%2 == 0 { // just the tail
			size = len(v.file) - r.IntN(20*pageSize)
		}
		got := reopen(t, v.file[:size])
		checkSurvivors(t, got, v.want)
		checkTold(t, got, v.want, true)
	}
}

func TestFlippedBytes(t *testing.T) {
	r := newRand(t)
	v := writeVersions(t, r, 2)[1]
	for i := range rounds(150) {
		b := bytes.Clone(v.file)
		from := 0
		if i%3 == 0 {
			from = len(b) - 10*pageSize
		}
		for range 1 + r.IntN(8) {
			b[from+r.IntN(len(b)-from)] ^= byte(1 + r.IntN(255))
		}
		checkFlipped(t, b, v.want)
	}
}

// checkFlipped opens a file that has been tampered with. A page of the rooms' bucket that has fewer rooms than were
// written to it is as good as any, so their loss need not show; they will begin anew.
func checkFlipped(t *testing.T, b []byte, want map[string]history) {
	t.Helper()
	got := reopen(t, b)
	checkSurvivors(t, got, want)
	checkTold(t, got, want, false)
}

// Headers decide where bbolt goes in the map, so each of their bytes is damaged in turn.
func TestFlippedHeaders(t *testing.T) {
	r := newRand(t)
	v := writeVersions(t, r, 2)[1]
	for range rounds(150) {
		b := bytes.Clone(v.file)
		page := 2 + r.IntN(len(b)/pageSize-2)
		b[page*pageSize+r.IntN(headerSize+3*elementSize)] ^= byte(1 + r.IntN(255))
		checkFlipped(t, b, v.want)
	}
}

func TestNothingWhole(t *testing.T) {
	for name, b := range map[string][]byte{
		"one byte":     {1},
		"zeros":        make([]byte, 5*pageSize),
		"text":         bytes.Repeat([]byte("all work and no play "), 5000),
		"half a magic": make([]byte, headerSize+2),
	} {
		c, log := newConfig(t, Interval)
		writeFile(t, c.Path, b)
		s := mustOpen(t, c)
		if got := loadAll(t, s); len(got) != 0 {
			t.Errorf("%s: rooms %v", name, got)
		}
		mustKeep(t, s, publication("a", 1, 1, 1))
		mustClose(t, s)
		aside, err := filepath.Glob(c.Path + damagedSuffix + "*")
		if err != nil || len(aside) != 1 || !bytes.Equal(readFile(t, aside[0]), b) {
			t.Errorf("%s: set aside as %q, %v", name, aside, err)
		}
		if !strings.Contains(log.String(), "starting empty") {
			t.Errorf("%s: log: %s", name, log)
		}
	}
}

func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 2))
}
