package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
	"go.etcd.io/bbolt"
)

// onBoot returns c as it is on a machine that has started again.
func onBoot(c Config, id string) Config {
	c.bootID = func() (string, error) { return id, nil }
	return c
}

// crashed is a file under policy interval as it was at a sync, and as the kernel had it later.
type crashed struct {
	config        Config
	log           *testutil.Book
	synced, later written
	checkpoint    []byte
}

func crash(t *testing.T, r *rand.Rand) crashed {
	t.Helper()
	c, log := newConfig(t, Interval)
	d := openBare(t, onBoot(c, "first"))
	m := make(model)
	for range 10 {
		commit(t, d, roomChanges(r, m, 200))
	}
	if err := d.sync(); err != nil {
		t.Fatal(err)
	}
	x := crashed{config: c, log: log}
	x.synced = written{readFile(t, c.Path), m.histories()}
	for range 1 + r.IntN(30) {
		commit(t, d, roomChanges(r, m, 1+r.IntN(100)))
	}
	x.later = written{readFile(t, c.Path), m.histories()}
	x.checkpoint = readFile(t, c.Path+checkpointSuffix)
	if err := d.release(nil); err != nil { // without the mark that all is well
		t.Fatal(err)
	}
	return x
}

// The kernel writes what it has in any order, and a page that it had not yet written looks like any other. Whatever part
// the crash of the machine left, the file has what was there at the last sync, and all rooms have new epochs.
func TestMachineCrashUnderInterval(t *testing.T) {
	r := newRand(t)
	for range rounds(15) {
		x := crash(t, r)
		file := somePages(r, x.synced.file, x.later.file, changedPages(x.synced.file, x.later.file))
		for place := range 2 {
			if r.IntN(3) > 0 {
				copy(file[place*pageSize:(place+1)*pageSize], x.later.file[place*pageSize:])
			}
		}
		writeFile(t, x.config.Path, file)
		writeFile(t, x.config.Path+checkpointSuffix, x.checkpoint)
		s := mustOpen(t, onBoot(x.config, "second"))
		got := loadAll(t, s)
		mustClose(t, s)
		compareContents(t, got, x.synced.want)
		for name, h := range got {
			if h.epoch == childEpoch {
				t.Errorf("%s goes on in its epoch", name)
			}
		}
		if !strings.Contains(x.log.String(), "new epochs") {
			t.Errorf("log: %s", x.log)
		}
	}
}

// What becomes of the epochs depends on who wrote last, and how that ended.
func TestEpochsAcrossBoots(t *testing.T) {
	for _, row := range []struct {
		name    string
		policy  Policy
		clean   bool
		boot    string
		renewed bool
	}{
		{"always, killed", Always, false, "first", false},
		{"always, machine crashed", Always, false, "second", false},
		{"interval, killed", Interval, false, "first", false},
		{"interval, closed", Interval, true, "second", false},
		{"interval, machine crashed", Interval, false, "second", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, log := newConfig(t, row.policy)
			d := openBare(t, onBoot(c, "first"))
			m := make(model)
			commit(t, d, roomChanges(newRand(t), m, 500))
			if err := d.sync(); err != nil {
				t.Fatal(err)
			}
			leave := d.close
			if !row.clean {
				leave = func() error { return d.release(nil) }
			}
			if err := leave(); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, onBoot(c, row.boot))
			got := loadAll(t, s)
			mustClose(t, s)
			compareContents(t, got, m.histories())
			for name, h := range got {
				if (h.epoch != childEpoch) != row.renewed {
					t.Errorf("%s: epoch %d; renewed should be %v", name, h.epoch, row.renewed)
				}
			}
			if told := log.Count("new epochs") == 1; told != row.renewed {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// A torn slot of the checkpoint is the one that was being written: the other one counts.
func TestCheckpointSlots(t *testing.T) {
	x := crash(t, newRand(t))
	for name, row := range map[string]struct {
		file []byte
		want int
	}{
		"both":  {x.checkpoint, 2},
		"torn":  {append(bytes.Repeat([]byte{7}, 90), x.checkpoint[90:]...), 1},
		"empty": {nil, 0},
	} {
		writeFile(t, x.config.Path+checkpointSuffix, row.file)
		if got, err := readCheckpoint(x.config.Path); len(got.metas) != row.want || err != nil {
			t.Errorf("%s: %d metas, %v; want %d", name, len(got.metas), err, row.want)
		}
	}
}

// A store keeps no checkpoint when it does not need one.
func TestCloseDeletesTheCheckpoint(t *testing.T) {
	c, _ := newConfig(t, Interval)
	s := mustOpen(t, c)
	if !exists(t, c.Path+checkpointSuffix) {
		t.Error("no checkpoint under interval")
	}
	mustClose(t, s)
	if exists(t, c.Path+checkpointSuffix) {
		t.Error("Close left the checkpoint")
	}
}

func TestFilesThatAreNotForUs(t *testing.T) {
	newer := func(tx *bbolt.Tx) error { return writeMarks(tx, marks{schema: schema + 1}) }
	other := func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err }
	for name, row := range map[string]struct {
		write func(tx *bbolt.Tx) error
		want  string
	}{
		"newer schema":  {newer, "newer format"},
		"other program": {other, "another program"},
	} {
		c, _ := newConfig(t, Always)
		db, err := bbolt.Open(c.Path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(row.write), db.Close()); err != nil {
			t.Fatal(err)
		}
		before := readFile(t, c.Path)
		_, err = Open(c)
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), c.Path) {
			t.Errorf("%s: Open = %v", name, err)
		}
		if !bytes.Equal(readFile(t, c.Path), before) {
			t.Errorf("%s: Open changed the file", name)
		}
	}
}
