package store

import (
	"errors"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
)

// A checkpoint file has two slots, written in turn, and behind them the machine's boot id, sealed. They are pages apart, so
// that a torn write spoils one of them.
const (
	slotSize   = 4096
	slots      = 2
	bootIDSize = 36
)

// bootKey is what the boot id is sealed with.
var bootKey = []byte("boot")

// checkpoint is what a crash of the machine falls back to under policy interval. Between two syncs the kernel writes
// pages out in any order, so both of the file's metas may name pages whose contents are of an earlier life, and nothing
// shows it. A checkpoint keeps, in a file of its own, the meta of the last transaction that was synced as a whole, and
// holds a read transaction on it, so that bbolt does not write to its pages. Writer goroutine only.
type checkpoint struct {
	path string
	file *os.File
	slot int64 // to write next
	pin  *bbolt.Tx
}

// newCheckpoint makes the file of a checkpoint beside the file at path, in place of an older one.
func newCheckpoint(path, boot string) (*checkpoint, error) {
	path += checkpointSuffix
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteAt(seal(bootKey, []byte(boot)), slots*slotSize)
	if err = errors.Join(err, f.Sync(), syncFolder(path)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &checkpoint{path: path, file: f}, nil
}

// advance syncs db, whose file is f, and moves the checkpoint to its last transaction.
func (c *checkpoint) advance(db *bbolt.DB, f *os.File) error {
	pin, err := db.Begin(false)
	if err != nil {
		return err
	}
	if err := c.save(db, f, pin.ID()); err != nil {
		return errors.Join(err, pin.Rollback())
	}
	old := c.pin
	c.pin = pin
	if old == nil {
		return nil
	}
	return old.Rollback()
}

// save syncs db and then notes the meta of its last transaction.
func (c *checkpoint) save(db *bbolt.DB, f *os.File, txid int) error {
	if err := db.Sync(); err != nil {
		return err
	}
	m, err := readMeta(f, int64(txid%2*db.Info().PageSize))
	if err != nil {
		return err
	}
	if _, err := c.file.WriteAt(m.page(0)[:headerSize+metaSize], c.slot*slotSize); err != nil {
		return err
	}
	c.slot = 1 - c.slot
	return c.file.Sync()
}

// close lets go of the pages and of the file, which is deleted if it is no longer needed.
func (c *checkpoint) close(needed bool) error {
	var err error
	if c.pin != nil {
		err = c.pin.Rollback()
	}
	err = errors.Join(err, c.file.Close())
	if needed {
		return err
	}
	return errors.Join(err, remove(c.path))
}

// lastSync is what a checkpoint file says.
type lastSync struct {
	metas []meta // one, or two of which the newer counts, if it is whole
	boot  string // of the machine that wrote it; "" if that is not known
}

// readCheckpoint reads the checkpoint beside the file at path. Without one there are no metas. A slot that is torn was
// being written when the machine crashed; the other one counts.
func readCheckpoint(path string) (last lastSync, err error) {
	f, err := os.Open(path + checkpointSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return last, nil
	}
	if err != nil {
		return last, err
	}
	for slot := range int64(slots) {
		if m, err := readMeta(f, slot*slotSize); err == nil {
			last.metas = append(last.metas, m)
		}
	}
	b := make([]byte, sumSize+bootIDSize)
	n, _ := f.ReadAt(b, slots*slotSize) // what cannot be read is not known
	if boot, ok := unseal(bootKey, b[:n]); ok {
		last.boot = string(boot)
	}
	return last, f.Close()
}
