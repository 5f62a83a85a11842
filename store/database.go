package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// mapSize is the address space that the file is mapped into, at once: bbolt cannot map it anew while the
	// checkpoint's read transaction is open. It costs no memory.
	mapSize = 64 << 30

	// maxSize is how large the file may grow, which leaves room for the steps in which it does.
	maxSize = mapSize - 64<<20
)

// errFault is what a fault in the mapped file, or a panic of bbolt over what it found there, becomes.
var errFault = errors.New("store: the file changed under us or cannot be read")

// database is the open file. After openDatabase it belongs to the writer goroutine.
type database struct {
	path       string
	log        *slog.Logger
	file       *os.File // bolt's
	bolt       *bbolt.DB
	marks      marks
	checkpoint *checkpoint // nil under Always
	doubtful   bool        // a sync has failed: what the disk has is not known
}

// openDatabase locks the file, makes sure that it is whole or sets it aside, and marks it as open.
func openDatabase(c *Config) (*database, error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	f, lost, err := openWhole(c)
	if err != nil {
		return nil, err
	}
	bolt, err := openBolt(f)
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", c.Path, errors.Join(err, closeAgain(f)))
	}
	d := &database{path: c.Path, log: c.Log, file: f, bolt: bolt}
	if err := d.begin(c, lost); err != nil {
		return nil, fmt.Errorf("store: %s: %w", c.Path, d.release(err))
	}
	return d, nil
}

// closeAgain closes f, which bbolt may have closed.
func closeAgain(f *os.File) error {
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// openWhole returns the file at c.Path, locked and fit for bbolt, and whether newer transactions than its last are
// lost. A file with nothing whole in it is set aside for an empty one.
func openWhole(c *Config) (f *os.File, lost bool, err error) {
	for {
		f, err := lockFile(c.Path)
		if err != nil {
			return nil, false, err
		}
		lost, err := mend(f, c)
		if err == nil {
			return f, lost, nil
		}
		if !errors.Is(err, errDamaged) {
			return nil, false, fmt.Errorf("store: %s: %w", c.Path, errors.Join(err, f.Close()))
		}
		aside, moved := setAside(c.Path, c.now())
		if err := errors.Join(moved, f.Close()); err != nil {
			return nil, false, fmt.Errorf("store: %s is damaged and cannot be set aside: %w", c.Path, err)
		}
		c.Log.Error("store: nothing of the file is whole; starting empty", "file", c.Path, "set_aside", aside, "error", err)
	}
}

// mend examines f and, where its newest transaction is not whole, goes back to the newest one that is: lost says so.
func mend(f *os.File, c *Config) (lost bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() == 0 {
		return false, syncFolder(c.Path) // the file may be new
	}
	synced, err := syncedOnly(c)
	if err != nil {
		return false, err
	}
	found, err := examine(f, info.Size(), synced)
	if err != nil {
		return false, err
	}
	if found.faults != nil {
		c.Log.Error("store: the end of the file is torn; going back to the newest transaction that is whole",
			"file", c.Path, "transaction", found.meta.txid, "error", found.faults)
		if err := noteLoss(c.Path); err != nil { // before the traces go
			return false, err
		}
	}
	return found.faults != nil, found.repair(f, info.Size())
}

// syncedOnly returns the metas that alone can be trusted, if the machine has crashed under policy interval.
func syncedOnly(c *Config) ([]meta, error) {
	last, err := readCheckpoint(c.Path)
	if err != nil {
		return nil, err
	}
	boot, err := c.bootID()
	if err != nil || last.boot == boot {
		return nil, err
	}
	return last.metas, nil
}

// openBolt hands f, which is locked and whole, to bbolt.
func openBolt(f *os.File) (db *bbolt.DB, err error) {
	defer catch(&err)
	return bbolt.Open(f.Name(), 0o600, &bbolt.Options{
		OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return f, nil },
		Timeout:         time.Second,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapSize,
		MaxSize:         maxSize,
		NoStatistics:    true,
	})
}

// catch turns a panic into errFault.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", errFault, p)
	}
}

// begin marks the file as open, in one synced transaction with new epochs for all rooms where positions
// may have been lost.
func (d *database) begin(c *Config, lost bool) error {
	noted, err := lossNoted(d.path)
	if err != nil {
		return err
	}
	if d.marks, err = currentMarks(c); err != nil {
		return err
	}
	if err := d.update(func(tx *bbolt.Tx) error { return d.mark(tx, lost || noted) }); err != nil {
		return err
	}
	if err := forgetLoss(d.path); err != nil {
		return err
	}
	return d.follow(c.Policy)
}

// mark sets the marks of tx's file, and new epochs if positions are lost or its last user's marks say that they may be.
func (d *database) mark(tx *bbolt.Tx, lost bool) error {
	old, known, err := readMarks(tx)
	if err != nil {
		return err
	}
	if err := writeMarks(tx, d.marks); err != nil {
		return err
	}
	crashed := known && old.lossy(d.marks)
	if !lost && !crashed {
		return nil
	}
	n, err := renewEpochs(tx)
	d.log.Warn("store: the newest positions may be lost; all rooms go on in new epochs", "file", d.path, "rooms", n,
		"machine_crashed", crashed)
	return err
}

// follow prepares what p needs.
func (d *database) follow(p Policy) error {
	if p == Always {
		return remove(d.path + checkpointSuffix)
	}
	var err error
	if d.checkpoint, err = newCheckpoint(d.path, d.marks.boot); err != nil {
		return err
	}
	d.bolt.NoSync = true
	return d.sync()
}

// update runs change in one transaction.
func (d *database) update(change func(tx *bbolt.Tx) error) (err error) {
	defer catch(&err)
	return d.bolt.Update(change)
}

// view runs read on the file as it is. It may be used by one goroutine before the first update.
func (d *database) view(read func(tx *bbolt.Tx) error) (err error) {
	defer catch(&err)
	return d.bolt.View(read)
}

// sync brings to the disk what the kernel has.
func (d *database) sync() (err error) {
	defer catch(&err)
	if d.checkpoint == nil {
		err = d.bolt.Sync()
	} else {
		err = d.checkpoint.advance(d.bolt, d.file)
	}
	d.doubtful = d.doubtful || err != nil
	return err
}

// close syncs the file, marks it as closed if all is well, and lets go of it.
func (d *database) close() error {
	err := d.sync()
	if !d.doubtful {
		d.bolt.NoSync = false
		d.marks.open = false
		err = d.update(func(tx *bbolt.Tx) error { return writeMarks(tx, d.marks) })
		d.doubtful = err != nil
	}
	return d.release(err)
}

// release closes the file as it is after err, which may be nil, and returns err with what fails besides.
func (d *database) release(err error) error {
	if errors.Is(err, errFault) {
		d.abandon()
		return err
	}
	if d.checkpoint != nil {
		err = errors.Join(err, d.checkpoint.close(d.doubtful || d.marks.open))
	}
	return errors.Join(err, d.bolt.Close())
}

// abandon lets go of a file in which bbolt has lost its way. bbolt's locks may be held for ever, and so its map stays.
func (d *database) abandon() {
	_ = syscall.Flock(int(d.file.Fd()), syscall.LOCK_UN) // the map would keep the lock
	_ = d.file.Close()
	if d.checkpoint != nil {
		_ = d.checkpoint.file.Close()
	}
}
