package frame

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// Answer is an HTTP answer that is whole.
type Answer struct {
	Status int
	Type   string // Content-Type; empty for none
	Header []byte // further header lines, each with its CRLF
	Body   []byte
	Close  bool // says that the conn ends behind it
	Head   bool // answers HEAD: without the body and its length (RFC 9110 sections 8.6 and 9.3.2)
}

// Append appends a's bytes (RFC 9112 section 6.3: one without a body by its status has no length either).
func (a *Answer) Append(dst []byte) []byte {
	dst = appendStatus(dst, a.Status)
	if a.Close {
		dst = append(dst, "Connection: close\r\n"...)
	}
	if a.Type != "" {
		dst = append(dst, "Content-Type: "...)
		dst = append(dst, a.Type...)
		dst = append(dst, "\r\n"...)
	}
	if a.Status != http.StatusNoContent && a.Status != http.StatusNotModified && !a.Head {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(a.Body)), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, a.Header...)
	dst = append(dst, "\r\n"...)
	if a.Head {
		return dst
	}
	return append(dst, a.Body...)
}

func appendStatus(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(status)...)
	return append(dst, "\r\n"...)
}

// AppendStreamHead appends the head of an answer whose body comes in chunks, for as long as the server likes: kind is its
// Content-Type, header are further lines.
func AppendStreamHead(dst []byte, kind string, header []byte) []byte {
	dst = appendStatus(dst, http.StatusOK)
	dst = append(dst, "Content-Type: "...)
	dst = append(dst, kind...)
	dst = append(dst, "\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"...)
	dst = append(dst, header...)
	return append(dst, "\r\n"...)
}

const (
	// Continue asks a client for the body that it has held back (RFC 9110 section 15.2.1).
	Continue = "HTTP/1.1 100 Continue\r\n\r\n"
	// LastChunk ends a body in chunks (RFC 9112 section 7.1).
	LastChunk = "0\r\n\r\n"
)

// AppendChunk appends b, which is not empty, as a chunk of a body.
func AppendChunk(dst, b []byte) []byte {
	dst = AppendChunkSize(dst, len(b))
	dst = append(dst, b...)
	return append(dst, "\r\n"...)
}

// AppendChunkSize appends what stands before a chunk of n bytes; CRLF follows it.
func AppendChunkSize(dst []byte, n int) []byte {
	dst = strconv.AppendUint(dst, uint64(n), 16)
	return append(dst, "\r\n"...)
}

// Coding is how an answer's body is compressed.
type Coding uint8

// The codings.
const (
	Identity Coding = iota // not at all
	Gzip
	Zlib // which HTTP calls deflate
)

// String returns the name for Content-Encoding.
func (c Coding) String() string { return [...]string{"identity", "gzip", "deflate"}[c] }

// SelectCoding returns the best of the codings in the first Accept-Encoding field of r (RFC 9110 section 12.5.3). Weights are
// not compared: what is not refused by one of 0 is taken, gzip first.
func SelectCoding(r *Request) Coding {
	best := Identity
	for l := list(r.Header("accept-encoding")); l.next(); {
		name := l.token()
		refused := len(name) == 0
		for l.space(); l.skip(';'); l.space() {
			key, value, ok := l.param()
			refused = refused || !ok || equalFold(key, "q") && isZero(value)
		}
		if !l.ended() {
			return Identity
		}
		switch {
		case refused:
		case equalFold(name, "gzip"):
			return Gzip
		case equalFold(name, "deflate"):
			best = Zlib
		}
	}
	return best
}

// isZero reports whether a weight is 0.
func isZero(q []byte) bool {
	for _, c := range q {
		if c != '0' && c != '.' {
			return false
		}
	}
	return true
}

// compressor is what the writers of both codings are.
type compressor interface {
	Write(b []byte) (int, error)
	Close() error
}

// packer is a pooled compressor that writes to a slice.
type packer struct {
	to  deflater // collects
	zip *gzip.Writer
	lib *zlib.Writer
}

var packers = sync.Pool{New: func() any { return new(packer) }}

// AppendPacked appends b as c has it.
func AppendPacked(dst []byte, c Coding, b []byte) []byte {
	if c == Identity {
		return append(dst, b...)
	}
	p := packers.Get().(*packer)
	p.to.out = dst
	w := p.writer(c)
	_, _ = w.Write(b) // writing to a slice does not fail
	_ = w.Close()
	dst, p.to.out = p.to.out, nil
	packers.Put(p)
	return dst
}

// writer returns p's compressor for a coding, ready for a new body.
func (p *packer) writer(c Coding) compressor {
	if c == Gzip {
		if p.zip == nil {
			p.zip, _ = gzip.NewWriterLevel(&p.to, gzip.BestSpeed) // the level is one
		}
		p.zip.Reset(&p.to)
		return p.zip
	}
	if p.lib == nil {
		p.lib, _ = zlib.NewWriterLevel(&p.to, zlib.BestSpeed)
	}
	p.lib.Reset(&p.to)
	return p.lib
}
