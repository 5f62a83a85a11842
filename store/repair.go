package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// finding is what the examination of a file came to.
type finding struct {
	meta   meta  // of the newest transaction that is whole
	faults error // why newer ones are passed over; nil if there is no sign of any
}

// errUnsynced is the fault of transactions that the kernel may have written in parts.
var errUnsynced = errors.New("the machine crashed: what came after the last sync cannot be trusted")

// examine looks for the newest transaction in r, a file of size bytes, all of which is there: one of synced, if there
// are any, or else one of the two that the meta pages name. The error wraps errDamaged if there is none, and ErrVersion if
// it is not for us to say.
func examine(r io.ReaderAt, size int64, synced []meta) (finding, error) {
	candidates, faults, err := findMetas(r)
	if err != nil {
		return finding{}, err
	}
	if len(synced) > 0 {
		faults = errors.Join(faults, errUnsynced)
	}
	for _, m := range slices.Concat(newestFirst(synced), newestFirst(candidates)) {
		err := checkPages(r, size, m)
		if err == nil {
			return finding{m, faults}, nil
		}
		if !errors.Is(err, errDamaged) {
			return finding{}, err
		}
		faults = errors.Join(faults, fmt.Errorf("transaction %d: %w", m.txid, err))
	}
	return finding{}, faults
}

func newestFirst(metas []meta) []meta {
	return slices.SortedFunc(slices.Values(metas), func(a, b meta) int { return cmp.Compare(b.txid, a.txid) })
}

// findMetas returns the metas of r that are whole, and what is wrong with the others.
func findMetas(r io.ReaderAt) (whole []meta, faults, err error) {
	metas, errs := readMetas(r)
	for i, e := range errs {
		switch {
		case e == nil:
			whole = append(whole, metas[i])
		case errors.Is(e, errDamaged):
			faults = errors.Join(faults, fmt.Errorf("meta page %d: %w", i, e))
		default:
			return nil, nil, e
		}
	}
	return whole, faults, nil
}

// repair makes what examine has found the newest transaction of f: both meta pages name it. A file that lost only
// free pages at its end gets them back.
func (found *finding) repair(f *os.File, size int64) error {
	if need := int64(found.meta.end) * found.meta.pageSize; size < need {
		if err := f.Truncate(need); err != nil {
			return err
		}
	}
	if found.faults == nil {
		return nil
	}
	for place := range uint64(2) {
		if _, err := f.WriteAt(found.meta.page(place), int64(place)*found.meta.pageSize); err != nil {
			return err
		}
	}
	return f.Sync()
}
