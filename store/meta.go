package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// errDamaged is what everything wraps that says: these bytes are not what was written there.
var errDamaged = errors.New("damaged")

// ErrVersion means that a newer program wrote the file.
var ErrVersion = errors.New("store: the file has a newer format than this program knows")

// The format of bbolt's two meta pages, the only pages it writes in place: transaction n goes to page n mod 2. All
// numbers of the file's pages are in the machine's byte order.
//
//	header    id(8) flags(2) count(2) overflow(4)
//	meta      magic(4) version(4) page size(4) flags(4) root page(8) sequence(8) freelist page(8) pages in use(8)
//	          transaction(8) FNV-1a of all before(8)
const (
	headerSize = 16
	metaSize   = 64

	boltMagic   = 0xED0CDAED
	boltVersion = 2
	noFreelist  = ^uint64(0)

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10
)

// meta names the pages of one transaction.
type meta struct {
	pageSize int64
	root     uint64
	freelist uint64
	end      uint64 // pages in use, free ones among them: no page of the transaction has this number or a higher one
	txid     uint64
	raw      [metaSize]byte
}

// parseMeta reads a meta; it wraps errDamaged if b does not hold one, and ErrVersion if it is of a later format.
func parseMeta(b []byte) (meta, error) {
	if len(b) < metaSize || binary.NativeEndian.Uint32(b) != boltMagic {
		return meta{}, fmt.Errorf("%w: no meta page", errDamaged)
	}
	h := fnv.New64a()
	_, _ = h.Write(b[:metaSize-8]) // never fails
	if binary.NativeEndian.Uint64(b[metaSize-8:]) != h.Sum64() {
		return meta{}, fmt.Errorf("%w: wrong checksum of a meta page", errDamaged)
	}
	if v := binary.NativeEndian.Uint32(b[4:]); v != boltVersion {
		return meta{}, fmt.Errorf("%w: bbolt format %d", ErrVersion, v)
	}
	m := meta{
		pageSize: int64(binary.NativeEndian.Uint32(b[8:])),
		root:     binary.NativeEndian.Uint64(b[16:]),
		freelist: binary.NativeEndian.Uint64(b[32:]),
		end:      binary.NativeEndian.Uint64(b[40:]),
		txid:     binary.NativeEndian.Uint64(b[48:]),
	}
	copy(m.raw[:], b)
	if !slices.Contains(pageSizes, m.pageSize) {
		return meta{}, fmt.Errorf("%w: pages of %d bytes", errDamaged, m.pageSize)
	}
	return m, nil
}

// page returns a meta page that holds m, for place 0 or 1.
func (m *meta) page(place uint64) []byte {
	b := make([]byte, m.pageSize)
	binary.NativeEndian.PutUint64(b, place)
	binary.NativeEndian.PutUint16(b[8:], flagMeta)
	copy(b[headerSize:], m.raw[:])
	return b
}

// readMeta reads the meta in the page at an offset of r.
func readMeta(r io.ReaderAt, at int64) (meta, error) {
	var b [metaSize]byte
	n, err := r.ReadAt(b[:], at+headerSize)
	if err != nil && err != io.EOF {
		return meta{}, err
	}
	return parseMeta(b[:n])
}

// pageSizes are those that bbolt may have used: powers of two, the machine's page size when the file was made.
var pageSizes = []int64{4 << 10, 1 << 10, 2 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10}

// readMetas reads both meta pages of r; err[i] says what is wrong with meta i.
func readMetas(r io.ReaderAt) (m [2]meta, err [2]error) {
	m[0], err[0] = readMeta(r, 0)
	sizes := pageSizes
	if err[0] == nil {
		sizes = []int64{m[0].pageSize}
	}
	for _, size := range sizes {
		m[1], err[1] = readMeta(r, size)
		if err[1] == nil && m[1].pageSize == size {
			return m, err
		}
	}
	if err[1] == nil {
		err[1] = fmt.Errorf("%w: second meta page in the wrong place", errDamaged)
	}
	return m, err
}
