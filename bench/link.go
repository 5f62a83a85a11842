package bench

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The protocol between a coordinator and its workers is JSON, an object a line. First they see whether they
// understand and may trust each other:
//
//	coordinator  greeting  its version, a nonce
//	worker       hello     its version, a nonce, proof that it has the key
//	coordinator  welcome   once all are there: proof too, the options, which share; or why not
//
// From then on each sends a [message] when it has something to say.
const linkVersion = 4

// Limits of a line. A room counts with some four bytes.
const (
	helloLimit = 4 << 10
	lineLimit  = 64 << 20
	maxShared  = 4_000_000 // rooms
)

const (
	helloTimeout = 10 * time.Second // for the greeting and the hello
	linkPatience = time.Minute      // for a sign of life, and for one that is late at a step
)

type greeting struct {
	Version int    `json:"edge_flood"`
	Nonce   []byte `json:"nonce"`
}

type hello struct {
	greeting
	Name  string `json:"name"`
	Proof []byte `json:"proof"`
}

type welcome struct {
	Refused string   `json:"refused,omitempty"`
	Proof   []byte   `json:"proof,omitempty"`
	Worker  uint32   `json:"worker"`
	Options *Options `json:"options,omitempty"`
	Secret  bool     `json:"secret,omitempty"` // there is a --token-secret, which is not sent
	Base    timeBase `json:"base"`
}

// proof shows who has the key, as the coordinator or as a worker, in answer to both nonces.
func proof(key, role string, coordinator, worker []byte) []byte {
	h := hmac.New(sha256.New, []byte(key))
	for _, part := range [][]byte{[]byte(role), coordinator, worker} {
		size := [4]byte{byte(len(part) >> 8), byte(len(part))}
		h.Write(size[:])
		h.Write(part)
	}
	return h.Sum(nil)
}

func newNonce() []byte {
	b := make([]byte, 16)
	rand.Read(b)
	return b
}

// link is one end of the connection between a coordinator and a worker.
type link struct {
	conn     net.Conn
	patience atomic.Int64 // nanoseconds that a message may take to come, 0 for any time
	in       *bufio.Reader

	writing sync.Mutex // one message at a time
}

func newLink(c net.Conn) *link { return &link{conn: c, in: bufio.NewReaderSize(c, 4<<10)} }

// send writes v as one line. Any goroutine.
func (l *link) send(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.conn.SetWriteDeadline(time.Now().Add(linkPatience)); err != nil {
		return err
	}
	_, err = l.conn.Write(append(line, '\n'))
	return err
}

// close ends l. What is under way is lost.
func (l *link) close() { hangUp(l.conn) }

func hangUp(c net.Conn) { _ = c.Close() } // there is nothing that could be done about it

// hurry makes the other's next message, and all after it, come within d.
func (l *link) hurry(d time.Duration) {
	l.patience.Store(int64(d))
	_ = l.conn.SetReadDeadline(time.Now().Add(d)) // one that is closed says so when it is read
}

var errLine = errors.New("bench: line is too long")

// line reads up to limit bytes and a line feed.
func (l *link) line(limit int) (line []byte, err error) {
	for {
		part, err := l.in.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return nil, errLine
		}
		line = append(line, part...)
		if err == nil || !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// receive reads a message. What is in it and not known is an error.
func (l *link) receive(v any) error {
	if p := l.patience.Load(); p > 0 {
		if err := l.conn.SetReadDeadline(time.Now().Add(time.Duration(p))); err != nil {
			return err
		}
	}
	line, err := l.line(lineLimit)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// receiveHello reads what is sent before either knows who the other is.
func (l *link) receiveHello(v any) error {
	line, err := l.line(helloLimit)
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}

// MarshalJSON writes the counters in their order.
func (p progress) MarshalJSON() ([]byte, error) { return json.Marshal(p.all()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (p *progress) UnmarshalJSON(b []byte) error {
	var numbers []uint64
	if err := json.Unmarshal(b, &numbers); err != nil {
		return err
	}
	counters := p.all()
	if len(numbers) != len(counters) {
		return fmt.Errorf("bench: %d counters; want %d", len(numbers), len(counters))
	}
	for i, n := range numbers {
		*counters[i] = n
	}
	return nil
}
