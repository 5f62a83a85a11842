package frame

// Chunks is where a body stands that comes in chunks (RFC 9112 section 7.1). Its zero value is at the front of one. It
// holds no pointer, and copies nothing: a body that comes in pieces is looked at once as it comes, and put together
// by [AppendBody] when it is whole.
type Chunks struct {
	state chunkState
	line  uint16 // bytes of the line in hand, or of all trailers
	left  uint32 // of the chunk in hand, bytes that are still to come
	body  uint32 // bytes of all chunks so far, the one in hand included
	raw   uint32 // bytes looked at
}

type chunkState uint8

const (
	chunkSize    chunkState = iota // in the digits of a size
	chunkPad                       // in spaces behind them
	chunkExt                       // in extensions behind that
	chunkSizeEnd                   // before the line feed of that line
	chunkData                      // in the bytes of a chunk
	chunkDataCR                    // before the carriage return behind them
	chunkDataLF                    // before the line feed behind that
	chunkTrailer                   // at the front of a line behind the last chunk
	chunkField                     // in such a line
	chunkFieldLF                   // before its line feed
	chunkLastLF                    // before the line feed of the empty line that ends the body
)

const (
	maxChunkLine = 256      // bytes of a line with a size, and of all trailers
	chunkSlack   = 16 << 10 // bytes that are not the body's, besides as many as it has
)

// Scan looks at what has come of a body since the last call, and returns how much of it belongs to the body, and
// whether the body ends there. It refuses a body of more than limit bytes as soon as a chunk says so, and one of which
// too little is body.
func (c *Chunks) Scan(b []byte, limit int) (n int, whole bool, err *HTTPError) {
	for n < len(b) {
		_, used, whole, err := c.next(b[n:], limit)
		n += used
		if err != nil || whole {
			return n, whole, err
		}
	}
	return n, false, nil
}

// Size returns how many bytes have been looked at.
func (c *Chunks) Size() int { return int(c.raw) }

// AppendBody appends the body that raw holds in chunks, which Scan has found whole.
func AppendBody(dst, raw []byte) []byte {
	var c Chunks
	for len(raw) > 0 {
		data, used, whole, err := c.next(raw, maxLimit)
		if err != nil || whole {
			break
		}
		dst = append(dst, data...)
		raw = raw[used:]
	}
	return dst
}

// maxLimit is no limit: a body is counted in 32 bits.
const maxLimit = 1<<31 - 1

// next takes some bytes off the front of b: a piece of a chunk, which it returns, or a byte of what stands between.
func (c *Chunks) next(b []byte, limit int) (data []byte, n int, whole bool, err *HTTPError) {
	if c.state == chunkData {
		n = min(int(c.left), len(b))
		if c.left -= uint32(n); c.left == 0 {
			c.state = chunkDataCR
		}
		c.raw += uint32(n)
		return b[:n], n, false, nil
	}
	c.raw++
	if uint64(c.raw) > 2*uint64(c.body)+chunkSlack {
		return nil, 1, false, errChunkWaste
	}
	whole, err = c.step(b[0], limit)
	return nil, 1, whole, err
}

// step takes one byte that is not data.
func (c *Chunks) step(b byte, limit int) (whole bool, err *HTTPError) {
	switch c.state {
	case chunkSize:
		return false, c.sizeByte(b, limit)
	case chunkPad:
		return false, c.padByte(b)
	case chunkExt:
		return false, c.lineByte(b, chunkSizeEnd)
	case chunkSizeEnd:
		c.line = 0
		c.state = chunkData
		if c.left == 0 {
			c.state = chunkTrailer
		}
		return false, mustBe(b, '\n')
	case chunkDataCR:
		c.state = chunkDataLF
		return false, mustBe(b, '\r')
	case chunkDataLF:
		c.state = chunkSize
		return false, mustBe(b, '\n')
	case chunkTrailer:
		if b == '\r' {
			c.state = chunkLastLF
			return false, nil
		}
		c.state = chunkField
		if byteClass[b]&tokenByte == 0 {
			return false, errChunk
		}
		return false, c.lineByte(b, chunkFieldLF)
	case chunkField:
		return false, c.lineByte(b, chunkFieldLF)
	case chunkFieldLF:
		c.state = chunkTrailer
		return false, mustBe(b, '\n')
	}
	err = mustBe(b, '\n') // chunkLastLF
	return err == nil, err
}

// sizeByte takes a byte of a chunk's size, or what ends it.
func (c *Chunks) sizeByte(b byte, limit int) *HTTPError {
	digit := hexDigit(b)
	switch {
	case digit >= 0:
		c.line++
		c.left = c.left<<4 | uint32(digit)
		if c.line > 8 {
			return errChunk // more than anybody takes, or zeros in front of it
		}
		if c.left > maxLimit || int(c.body)+int(c.left) > limit {
			return ErrBodyTooBig
		}
		return nil
	case c.line == 0:
		return errChunk
	}
	c.body += c.left
	c.state = chunkPad
	return c.padByte(b)
}

// padByte takes a byte between a size and what may follow it.
func (c *Chunks) padByte(b byte) *HTTPError {
	switch b {
	case ';':
		c.state = chunkExt
	case '\r', ' ', '\t':
	default:
		return errChunk
	}
	return c.lineByte(b, chunkSizeEnd)
}

// lineByte takes a byte of a line whose end nobody asks about but for its place: next is the state behind its carriage return.
func (c *Chunks) lineByte(b byte, next chunkState) *HTTPError {
	c.line++
	switch {
	case b == '\r':
		c.state = next
	case byteClass[b]&textByte == 0 || c.line > maxChunkLine:
		return errChunk
	}
	return nil
}

func mustBe(b, want byte) *HTTPError {
	if b != want {
		return errChunk
	}
	return nil
}
