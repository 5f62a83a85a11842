package store

import (
	"errors"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/seed4ac54ce5/edge/hub"
)

// What one transaction takes at most, so that the first of many records does not wait for the last.
const (
	maxBatchRecords = 4096
	maxBatchBytes   = 4 << 20
)

// maxGrowth is how many bytes the file may grow by between two syncs under Interval. While the pages of the last sync
// are held, bbolt does not reuse those either that it has taken from the end of the file since: the file would grow with
// every transaction, and the list of free pages in it too.
const maxGrowth = 4 << 20

// errorPause is how often failures of the disk are logged at most.
const errorPause = time.Minute

// writer owns the file. Writer goroutine only.
type writer struct {
	config *Config
	queue  *queue
	counts *counts
	db     *database // nil after a fault, until the next record
	debts  debts
	spare  []*hub.Record // memory for the queue's next records
	due    *time.Timer   // runs while the kernel has what the disk has not
	dirty  bool          // it does
	synced int64         // bytes of the file when it was last synced
	logged time.Time     // the last failure that was logged
}

// run writes what is queued until quit is closed, then what is left, and closes the file.
func (w *writer) run(quit <-chan struct{}) error {
	debug.SetPanicOnFault(true)
	defer w.due.Stop()
	for {
		select {
		case <-w.queue.wake:
			w.writeQueued()
		case <-w.due.C:
			w.sync()
		case <-quit:
			w.writeQueued()
			return w.finish()
		}
	}
}

// writeQueued writes until nothing is queued.
func (w *writer) writeQueued() {
	for {
		taken := w.queue.take(w.spare)
		w.spare = nil
		if len(taken) == 0 {
			w.spare = taken
			return
		}
		w.write(taken)
		if cap(taken) <= maxSpareRecords {
			clear(taken)
			w.spare = taken[:0]
		}
	}
}

// write keeps records, one transaction after the other. When one fails, so do the records behind it and those that were
// queued meanwhile: the next one to come tries again.
func (w *writer) write(records []*hub.Record) {
	for len(records) > 0 {
		n := batchOf(records)
		if err := w.commit(records[:n]); err != nil {
			behind := w.queue.take(nil) // before Done can have anyone try again
			w.fail(records, err)
			w.fail(behind, err)
			return
		}
		w.finishRecords(records[:n], nil)
		records = records[n:]
		w.syncIfDue()
	}
}

// batchOf returns how many of records go into one transaction.
func batchOf(records []*hub.Record) int {
	size := 0
	for i, r := range records {
		size += recordSize(r)
		if i == maxBatchRecords || i > 0 && size > maxBatchBytes {
			return i
		}
	}
	return len(records)
}

// commit keeps records, and what is owed from before, in one transaction.
func (w *writer) commit(records []*hub.Record) error {
	start := time.Now()
	if err := w.reopen(); err != nil {
		return err
	}
	if err := w.db.update(func(tx *bbolt.Tx) error { return w.apply(tx, records) }); err != nil {
		w.afterFault(err)
		return err
	}
	w.counts.committed(len(records), time.Since(start))
	w.clearDebts()
	w.arm()
	return nil
}

func (w *writer) apply(tx *bbolt.Tx, records []*hub.Record) error {
	b, err := newBatch(tx)
	if err != nil {
		return err
	}
	if err := w.debts.pay(b); err != nil {
		return err
	}
	for _, r := range records {
		if err := b.put(r); err != nil {
			return err
		}
	}
	w.counts.fileBytes.Store(tx.Size())
	return b.flush()
}

// finishRecords calls Done in the order of Put and gives their room in the queue back.
func (w *writer) finishRecords(records []*hub.Record, err error) {
	w.queue.release(records)
	for _, r := range records {
		if r.Done != nil {
			r.Done(err)
		}
	}
}

// fail gives up records.
func (w *writer) fail(records []*hub.Record, err error) {
	if len(records) == 0 {
		return
	}
	w.counts.failed.Add(uint64(len(records)))
	w.complain("store: cannot write; records are lost until the disk takes them again", err)
	if w.debts.empty() {
		if err := noteLoss(w.config.Path); err != nil {
			w.complain("store: cannot even note that positions are lost", err)
		}
	}
	w.debts.add(records)
	w.finishRecords(records, err)
}

// clearDebts takes back the note of fail once the file has caught up.
func (w *writer) clearDebts() {
	if w.debts.empty() || !w.debts.settle() {
		return
	}
	if err := forgetLoss(w.config.Path); err != nil {
		w.complain("store: cannot take back the note of a loss", err)
	}
}

// arm starts the time to the next sync, if commit has not synced.
func (w *writer) arm() {
	if w.config.Policy == Always {
		w.counts.syncs.Add(1)
		return
	}
	if !w.dirty {
		w.dirty = true
		w.due.Reset(w.config.SyncInterval)
	}
}

// syncIfDue is for a queue that never empties, and for a file that grows fast.
func (w *writer) syncIfDue() {
	if w.dirty && w.counts.fileBytes.Load() > w.synced+maxGrowth {
		w.due.Stop()
		w.sync()
		return
	}
	select {
	case <-w.due.C:
		w.sync()
	default:
	}
}

// sync brings what was committed to the disk. If that fails it is tried again after the next interval.
func (w *writer) sync() {
	w.dirty = false
	w.synced = w.counts.fileBytes.Load() // also if it fails: not at once again
	if w.db == nil {
		return
	}
	if err := w.db.sync(); err != nil {
		w.counts.syncFailures.Add(1)
		w.complain("store: cannot sync", err)
		w.afterFault(err)
		w.arm()
		return
	}
	w.counts.syncs.Add(1)
}

// afterFault lets go of a file that cannot be used any more.
func (w *writer) afterFault(err error) {
	if w.db != nil && errors.Is(err, errFault) {
		w.db.abandon()
		w.db = nil
	}
}

// reopen opens the file again after a fault.
func (w *writer) reopen() error {
	if w.db != nil {
		return nil
	}
	db, err := openDatabase(w.config)
	if err != nil {
		return err
	}
	w.db = db
	return nil
}

// finish pays what is owed, if it can, and closes the file.
func (w *writer) finish() error {
	var err error
	if !w.debts.empty() {
		err = w.commit(nil)
	}
	if w.db == nil {
		return err
	}
	return errors.Join(err, w.db.close())
}

// complain logs err, at most once in errorPause.
func (w *writer) complain(what string, err error) {
	now := w.config.now()
	if !w.logged.IsZero() && now.Sub(w.logged) < errorPause {
		return
	}
	w.logged = now
	w.config.Log.Error(what, "file", w.config.Path, "error", err, "failed_so_far", w.counts.failed.Load())
}
