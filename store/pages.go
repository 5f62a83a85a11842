package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	elementSize = 16
	bucketFlag  = 1       // of a leaf element whose value is a bucket
	bucketSize  = 16      // root page(8) sequence(8); an inline bucket's page follows
	maxKeySize  = 1 << 15 // bbolt's
	maxDepth    = 32      // of a tree with at least two keys a page, far beyond any file
)

// walker checks that every page that a meta reaches is in the file and makes sense, so that bbolt, which maps the file
// and trusts it, can neither fault nor lose its way. It reads with pread(2) and takes no size from the file that
// the file's own size does not bound. The sums of values are not its business.
//
//	branch page   header, then for each child:  position(4) key size(4) page(8)
//	leaf page     header, then for each key:    flags(4) position(4) key size(4) value size(4)
//	freelist      header, then the pages' numbers; if count is 0xffff their number comes first
//
// A position counts from its own element; a value follows its key.
type walker struct {
	r     io.ReaderAt
	meta  meta
	pages uint64   // in the file
	seen  []uint64 // a bit for each page of the file
	head  []byte   // one page, of the leaf being read
}

// checkPages returns nil if all of m is in r, a file of size bytes. It wraps errDamaged unless reading failed.
func checkPages(r io.ReaderAt, size int64, m meta) error {
	pages := uint64(size / m.pageSize)
	w := &walker{r: r, meta: m, pages: pages, seen: make([]uint64, pages/64+1), head: make([]byte, m.pageSize)}
	if err := w.tree(m.root, bounds{}, true, 0); err != nil {
		return err
	}
	if m.freelist == noFreelist {
		return nil
	}
	return w.freelist()
}

// bounds are what the keys of a page must keep to: from low on, and below high. nil is no bound.
type bounds struct{ low, high []byte }

// span is a stretch of the file that begins with a page header: a page with those it overflows into, or the page
// inside the value of a small bucket.
type span struct {
	r     io.ReaderAt
	name  uint64 // number of the page, for errors
	at    int64
	size  int64
	head  []byte // its first bytes
	flags uint16
	count int
}

// bytes returns n bytes from off on, good until the next call.
func (s *span) bytes(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > s.size || n > s.size-off {
		return nil, fmt.Errorf("%w: page %d: contents beyond its end", errDamaged, s.name)
	}
	if off+n <= int64(len(s.head)) {
		return s.head[off : off+n], nil
	}
	b := make([]byte, n)
	return b, readFull(s.r, b, s.at+off)
}

// element returns the fields of element i.
func (s *span) element(i int) ([]byte, error) {
	return s.bytes(headerSize+int64(i)*elementSize, elementSize)
}

// key returns the key of element i.
func (s *span) key(i int, pos, size uint32) ([]byte, error) {
	if size == 0 || size > maxKeySize {
		return nil, fmt.Errorf("%w: page %d: key of %d bytes", errDamaged, s.name, size)
	}
	return s.bytes(headerSize+int64(i)*elementSize+int64(pos), int64(size))
}

// readFull fills b from r; where the file ends, that is damage.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		return fmt.Errorf("%w: the file ends at byte %d", errDamaged, at+int64(n))
	}
	return err
}

// page reads page id and marks it and its overflow as used.
func (w *walker) page(id uint64, head []byte) (*span, error) {
	if id < 2 || id >= w.meta.end || id >= w.pages {
		return nil, fmt.Errorf("%w: page %d of %d in use and %d in the file", errDamaged, id, w.meta.end, w.pages)
	}
	at := int64(id) * w.meta.pageSize
	if err := readFull(w.r, head, at); err != nil {
		return nil, err
	}
	if own := binary.NativeEndian.Uint64(head); own != id {
		return nil, fmt.Errorf("%w: page %d calls itself %d", errDamaged, id, own)
	}
	last := id + uint64(binary.NativeEndian.Uint32(head[12:]))
	if last >= w.meta.end || last >= w.pages {
		return nil, fmt.Errorf("%w: page %d goes on to page %d of %d", errDamaged, id, last, w.pages)
	}
	for p := id; p <= last; p++ {
		if !w.mark(p) {
			return nil, fmt.Errorf("%w: page %d is used twice", errDamaged, p)
		}
	}
	return newSpan(w.r, id, at, int64(last-id+1)*w.meta.pageSize, head), nil
}

func newSpan(r io.ReaderAt, name uint64, at, size int64, head []byte) *span {
	return &span{
		r: r, name: name, at: at, size: size, head: head,
		flags: binary.NativeEndian.Uint16(head[8:]),
		count: int(binary.NativeEndian.Uint16(head[10:])),
	}
}

// mark reports whether p had not been marked before.
func (w *walker) mark(p uint64) bool {
	word, bit := p/64, uint64(1)<<(p%64)
	if w.seen[word]&bit != 0 {
		return false
	}
	w.seen[word] |= bit
	return true
}

// tree checks the tree under page id; its values are buckets if it is the root, and only then.
func (w *walker) tree(id uint64, within bounds, root bool, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: page %d: the tree is too deep", errDamaged, id)
	}
	s, err := w.page(id, w.head)
	if err != nil {
		return err
	}
	switch s.flags {
	case flagLeaf:
		return w.leaf(s, within, root)
	case flagBranch:
		return w.branch(s, within, root, depth)
	}
	return fmt.Errorf("%w: page %d is no part of a tree", errDamaged, id)
}

// child is one element of a branch page.
type child struct {
	key  []byte
	page uint64
}

func (w *walker) branch(s *span, within bounds, root bool, depth int) error {
	children, err := s.children(within)
	if err != nil {
		return err
	}
	for i, c := range children {
		b := bounds{c.key, within.high}
		if i+1 < len(children) {
			b.high = children[i+1].key
		}
		if err := w.tree(c.page, b, root, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// children copies the elements of a branch page, for the walker's buffer serves its children next.
func (s *span) children(within bounds) ([]child, error) {
	if s.count == 0 {
		return nil, fmt.Errorf("%w: page %d has no children", errDamaged, s.name)
	}
	var all []child
	o := order{within: within}
	for i := range s.count {
		e, err := s.element(i)
		if err != nil {
			return nil, err
		}
		c := child{page: binary.NativeEndian.Uint64(e[8:])}
		key, err := s.key(i, binary.NativeEndian.Uint32(e), binary.NativeEndian.Uint32(e[4:]))
		if err != nil {
			return nil, err
		}
		if !o.follows(key) {
			return nil, fmt.Errorf("%w: page %d: keys out of order", errDamaged, s.name)
		}
		c.key = bytes.Clone(key)
		all = append(all, c)
	}
	return all, nil
}

// order checks that keys rise and keep to their bounds.
type order struct {
	within bounds
	last   []byte
	begun  bool
}

func (o *order) follows(key []byte) bool {
	rises := !o.begun || bytes.Compare(o.last, key) < 0
	o.begun = true
	o.last = append(o.last[:0], key...)
	return rises && bytes.Compare(key, o.within.low) >= 0 && (o.within.high == nil || bytes.Compare(key, o.within.high) < 0)
}

// leafElement is one key of a leaf page and where its value is.
type leafElement struct {
	key       []byte
	valueAt   int64 // in the span
	valueSize int64
	bucket    bool
}

func (s *span) leafElement(i int) (leafElement, error) {
	b, err := s.element(i)
	if err != nil {
		return leafElement{}, err
	}
	flags, pos := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
	keySize, valueSize := binary.NativeEndian.Uint32(b[8:]), binary.NativeEndian.Uint32(b[12:])
	key, err := s.key(i, pos, keySize)
	if err != nil {
		return leafElement{}, err
	}
	e := leafElement{key: key, valueSize: int64(valueSize), bucket: flags&bucketFlag != 0}
	e.valueAt = headerSize + int64(i)*elementSize + int64(pos) + int64(keySize)
	if flags > bucketFlag || e.valueAt+e.valueSize > s.size {
		return leafElement{}, fmt.Errorf("%w: page %d: no such value", errDamaged, s.name)
	}
	return e, nil
}

// leaf checks a leaf page and, if it belongs to the root, the buckets in it.
func (w *walker) leaf(s *span, within bounds, root bool) error {
	var buckets []uint64
	o := order{within: within}
	for i := range s.count {
		e, err := s.leafElement(i)
		if err != nil {
			return err
		}
		if !o.follows(e.key) || e.bucket != root {
			return fmt.Errorf("%w: page %d: keys out of order or of the wrong kind", errDamaged, s.name)
		}
		if !root {
			continue
		}
		page, err := w.bucket(s, e)
		if err != nil {
			return err
		}
		if page != 0 {
			buckets = append(buckets, page)
		}
	}
	for _, page := range buckets {
		if err := w.tree(page, bounds{}, false, 0); err != nil {
			return err
		}
	}
	return nil
}

// bucket returns the root page of the bucket in e, or checks the page that it has inside and returns 0.
func (w *walker) bucket(s *span, e leafElement) (uint64, error) {
	head, err := s.bytes(e.valueAt, min(e.valueSize, w.meta.pageSize))
	if err != nil {
		return 0, err
	}
	if len(head) < bucketSize {
		return 0, fmt.Errorf("%w: page %d: half a bucket", errDamaged, s.name)
	}
	if page := binary.NativeEndian.Uint64(head); page != 0 {
		return page, nil
	}
	inline := head[bucketSize:]
	if len(inline) < headerSize {
		return 0, fmt.Errorf("%w: page %d: half a page in a bucket", errDamaged, s.name)
	}
	in := newSpan(s.r, s.name, s.at+e.valueAt+bucketSize, e.valueSize-bucketSize, inline)
	if in.flags != flagLeaf {
		return 0, fmt.Errorf("%w: page %d: no leaf in a bucket", errDamaged, s.name)
	}
	return 0, w.leaf(in, bounds{}, false)
}

// freelist checks that no page is both free and in use.
func (w *walker) freelist() error {
	s, err := w.page(w.meta.freelist, w.head)
	if err != nil {
		return err
	}
	if s.flags != flagFreelist {
		return fmt.Errorf("%w: page %d is no freelist", errDamaged, s.name)
	}
	first, count := int64(headerSize), int64(s.count)
	if count == 0xffff {
		b, err := s.bytes(first, 8)
		if err != nil {
			return err
		}
		first, count = first+8, int64(min(binary.NativeEndian.Uint64(b), w.meta.end))
	}
	return w.free(s, first, count)
}

// freeStep is how many numbers of free pages are read at a time.
const freeStep = 512

func (w *walker) free(s *span, at, count int64) error {
	last := uint64(1)
	for count > 0 {
		n := min(count, freeStep)
		b, err := s.bytes(at, n*8)
		if err != nil {
			return err
		}
		for ; len(b) > 0; b = b[8:] {
			id := binary.NativeEndian.Uint64(b)
			if id <= last || id >= w.meta.end || id < w.pages && !w.mark(id) {
				return fmt.Errorf("%w: page %d is free and in use, or is none", errDamaged, id)
			}
			last = id
		}
		at, count = at+n*8, count-n
	}
	return nil
}
