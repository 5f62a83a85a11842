package frame

import (
	"bufio"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// A compressed message is a DEFLATE stream cut before the four bytes that end a flush (RFC 7692 section 7.2.1).
// Before inflating they are put back, and an empty final block behind them lets the stream end by itself.
const (
	flushTail   = "\x00\x00\xff\xff"
	finalBlock  = "\x01\x00\x00\xff\xff"
	inflateTail = flushTail + finalBlock
)

// forgetCodes is the head of a block that fails at its first code length, which repeats the one before it; behind it the
// decoder has no literal codes save that of a repetition (RFC 1951 section 3.2.7).
const forgetCodes = "\x05\x00\x02\x00"

// InflateInto inflates the compressed message src into the room that dst has behind its bytes, at most limit bytes
// of it. fits is false if the message is larger than that room but not known to be larger than limit: dst is then
// returned as it was, and Inflate can do it where time and memory matter less. src is not changed.
//
// A message of more than limit bytes is ErrTooBig, seen when the byte after limit comes out; a stream that is
// corrupt, cut short or followed by something is an error of code 1007. A stream may end early, with a final block
// (BFINAL, RFC 7692 section 7.2.3.4), but then nothing except the one zero byte of that section may follow. No bytes
// at all are an empty message.
func InflateInto(dst, src []byte, limit int) (out []byte, fits bool, err *CloseError) {
	z := inflaters.Get().(*inflater)
	defer z.free()
	return z.inflateInto(dst, src, limit)
}

// Inflate inflates the compressed message src and appends it to dst. What does not fit into the room behind dst is
// inflated twice: to count it, without keeping it, and then into one slice of the right size. So no message costs
// more memory than it has bytes, and one that is too big costs none. The errors are those of InflateInto.
func Inflate(dst, src []byte, limit int) ([]byte, *CloseError) {
	z := inflaters.Get().(*inflater)
	defer z.free()
	out, fits, err := z.inflateInto(dst, src, limit)
	if fits || err != nil {
		return out, err
	}
	size, err := z.measure(src, limit)
	if err != nil {
		return dst, err
	}
	out, _, err = z.inflateInto(append(make([]byte, 0, len(dst)+size), dst...), src, size)
	return out, err
}

// inflater is a pooled DEFLATE decoder, 40-odd KiB: all there is of it, as no conn keeps one.
//
// Its window cannot be read past what the message has written. But where a block has an empty code in place of codes, which
// is corrupt if it is used, the decoder goes on with the codes that it had (klauspost/compress v1.20.3): the literal
// codes would tell a peer which bytes the message of another was made of, and how often, so they are forgotten after each.
// The distance codes stay, as they can only pick among the peer's own bytes: a few corrupt streams are taken for messages.
type inflater struct {
	source source
	buf    *bufio.Reader // over source; the decoder is faster on this type than on one that it does not know
	flate  decoder       // over buf
	next   [1]byte
	size   counter
}

// decoder is what the decoder of the flate package can do.
type decoder interface {
	io.Reader
	io.WriterTo
	flate.Resetter
}

var inflaters = sync.Pool{New: func() any {
	z := new(inflater)
	z.buf = bufio.NewReader(&z.source)
	z.flate = flate.NewReader(z.buf).(decoder)
	return z
}}

// reset begins to inflate the message p, which tail ends.
func (z *inflater) reset(p []byte, tail string) {
	z.source = source{p: p, tail: tail}
	z.buf.Reset(&z.source)
	_ = z.flate.Reset(z.buf, nil) // has an error in its signature for others of its kind
}

// free puts z back; it forgets the message, and the codes that it was in.
func (z *inflater) free() {
	z.reset(nil, forgetCodes)
	_, _ = z.flate.Read(z.next[:])
	z.source = source{}
	inflaters.Put(z)
}

func (z *inflater) inflateInto(dst, src []byte, limit int) (out []byte, fits bool, err *CloseError) {
	if len(src) == 0 {
		return dst, true, nil // not a stream, but what else could it mean
	}
	z.reset(src, inflateTail)
	room := min(cap(dst)-len(dst), limit)
	end := len(dst) + room
	for n := len(dst); ; {
		p := dst[n:end:end]
		if n == end {
			p = z.next[:] // the message may end here, and one byte will tell
		}
		m, readErr := z.flate.Read(p)
		switch {
		case n == end && m > 0 && room == limit:
			return dst, false, ErrTooBig
		case n == end && m > 0:
			return dst, false, nil
		}
		n += m
		if readErr != nil {
			if !z.ended(readErr, src) {
				return dst, false, errDeflate
			}
			return dst[:n], true, nil
		}
	}
}

// measure returns the size of the message that src inflates to.
func (z *inflater) measure(src []byte, limit int) (int, *CloseError) {
	z.reset(src, inflateTail)
	z.size = counter{limit: limit}
	_, err := z.flate.WriteTo(&z.size)
	if err == nil {
		err = io.EOF // as Read says it
	}
	switch {
	case z.size.n > limit:
		return 0, ErrTooBig
	case !z.ended(err, src):
		return 0, errDeflate
	}
	return z.size.n, nil
}

// ended reports whether the decoder, which has stopped with err, did so where the message src may end: behind the
// tail, or at a final block in src's last byte or in the last but one, if the last is zero.
func (z *inflater) ended(err error, src []byte) bool {
	if err != io.EOF {
		return false
	}
	switch left := len(z.source.p) + len(z.source.tail) + z.buf.Buffered(); left {
	case 0, len(inflateTail):
		return true
	case len(inflateTail) + 1:
		return src[len(src)-1] == 0
	}
	return false
}

// source reads a message and then its tail.
type source struct {
	p    []byte
	tail string
}

func (s *source) Read(b []byte) (int, error) {
	n := copy(b, s.p)
	s.p = s.p[n:]
	m := copy(b[n:], s.tail)
	s.tail = s.tail[m:]
	if n+m == 0 {
		return 0, io.EOF
	}
	return n + m, nil
}

// counter is a writer that counts to a little past its limit.
type counter struct{ n, limit int }

func (c *counter) Write(p []byte) (int, error) {
	if c.n += len(p); c.n > c.limit {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// Deflate compresses the message src as agreed in p, which must be, and appends it to dst (RFC 7692 section 7.2.1).
// Each message stands alone. 1 KiB of JSON takes several microseconds and becomes about a quarter: worth it once per
// publication, not once per conn.
func Deflate(dst, src []byte, p DeflateParams) []byte {
	pool := &deflaters[p.WindowBits-minWindowBits]
	d, _ := pool.Get().(*deflater)
	if d == nil {
		d = newDeflater(p.WindowBits)
	}
	dst = d.deflate(dst, src)
	pool.Put(d)
	return dst
}

// deflaters are the compressors at rest, by window.
var deflaters [maxWindowBits - minWindowBits + 1]sync.Pool

// deflater is a pooled compressor, about 1 MiB, that writes to a slice.
type deflater struct {
	flate *flate.Writer
	out   []byte
}

// newDeflater returns a compressor that never refers back further than 1<<bits bytes. The largest window is what
// any DEFLATE has, so there the fastest level will do.
func newDeflater(bits uint8) *deflater {
	d := new(deflater)
	var err error
	if bits == maxWindowBits {
		d.flate, err = flate.NewWriter(d, flate.BestSpeed)
	} else {
		d.flate, err = flate.NewWriterWindow(d, 1<<bits)
	}
	if err != nil {
		panic("frame: " + err.Error()) // bits is out of range
	}
	return d
}

func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

// deflate appends src compressed to dst, without the tail of the flush. Writing to a slice does not fail.
func (d *deflater) deflate(dst, src []byte) []byte {
	d.out = dst
	d.flate.Reset(d)
	_, _ = d.flate.Write(src)
	_ = d.flate.Flush()
	dst, d.out = d.out[:len(d.out)-len(flushTail)], nil
	return dst
}
