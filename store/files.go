package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// What may stand beside the file of path.
const (
	checkpointSuffix = ".checkpoint"
	lostSuffix       = ".lost"
	damagedSuffix    = ".damaged-"
)

// ErrLocked means that another process has the file open.
var ErrLocked = errors.New("store: another process uses the file")

const (
	lockTimeout = time.Second // a predecessor may be about to end
	lockRetry   = 10 * time.Millisecond
)

// lockFile opens the file at path, makes it if there is none, and locks it for as long as it is open.
func lockFile(path string) (*os.File, error) {
	for deadline := time.Now().Add(lockTimeout); ; {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		err = lock(f, deadline)
		if err == nil && stillAt(f, path) {
			return f, nil
		}
		_ = f.Close() // nothing was written
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, path)
		}
	}
}

// lock waits until f is locked or the deadline is over.
func lock(f *os.File, deadline time.Time) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case err != syscall.EWOULDBLOCK && err != syscall.EINTR:
			return fmt.Errorf("store: lock: %w", err)
		case time.Now().After(deadline):
			return ErrLocked
		}
		time.Sleep(lockRetry)
	}
}

// stillAt reports whether f is the file at path: whoever held the lock before may have set it aside.
func stillAt(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}

// setAside renames the file at path, and the checkpoint that belongs to it, and returns the file's new name.
func setAside(path string, now time.Time) (string, error) {
	aside, err := freeName(path+damagedSuffix, now.Unix())
	if err != nil {
		return "", err
	}
	if err := os.Rename(path, aside); err != nil {
		return "", err
	}
	err = os.Rename(path+checkpointSuffix, aside+checkpointSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return aside, syncFolder(path)
}

// freeName returns prefix with the first number from n on under which there is no file.
func freeName(prefix string, n int64) (string, error) {
	for ; ; n++ {
		name := fmt.Sprint(prefix, n)
		_, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// syncFolder makes the names in path's folder last.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// noteLoss leaves the note that the file at path may lack positions that were given out. It needs no room on the
// disk beyond a name, and stays until rooms have new epochs or the file has caught up.
func noteLoss(path string) error {
	f, err := os.OpenFile(path+lostSuffix, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncFolder(path))
}

// lossNoted reports whether the note of noteLoss is there.
func lossNoted(path string) (bool, error) {
	_, err := os.Lstat(path + lostSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// forgetLoss takes the note away.
func forgetLoss(path string) error { return remove(path + lostSuffix) }

// remove deletes a file that may not be there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
