package server

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// client is a conn to a node, in the test's hands byte by byte. What it sends and reads is made and taken
// apart by others' code, never by the server's own.
type client struct {
	t    testing.TB
	conn *net.TCPConn
	in   *bufio.Reader
	tls  *tls.Conn // over conn, or nil
}

// dial connects to n's public address.
func (n *node) dial() *client {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.Addresses()[0])
	if err != nil {
		n.t.Fatal(err)
	}
	c := &client{t: n.t, conn: conn.(*net.TCPConn), in: bufio.NewReader(conn)}
	c.extend()
	return c
}

// extend gives c patience anew.
func (c *client) extend() {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		c.t.Error(err)
	}
}

// open returns a WebSocket at target.
func (n *node) open(target string, fields ...string) *client {
	n.t.Helper()
	c := n.dial()
	c.send([]byte(request(target, fields...)))
	if head := c.readHead(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		n.t.Fatalf("upgrade of %s: %q", target, head)
	}
	return c
}

func (c *client) close() { _ = c.conn.Close() } // twice is fine

// send writes b. That the server has closed the conn already is for the reader to find out.
func (c *client) send(b []byte) {
	var to io.Writer = c.conn
	if c.tls != nil {
		to = c.tls
	}
	if _, err := to.Write(b); err != nil && !isGone(err) {
		c.t.Errorf("write: %v", err)
	}
}

// isGone reports whether err says that the other end has closed.
func isGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

// readHead reads an HTTP head with the empty line that ends it, or what comes before the end of the stream.
func (c *client) readHead() string {
	var head strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// next reads one frame and describes it; the end of the stream is "EOF" or "reset".
func (c *client) next() string {
	f, end := c.frame()
	if end != "" {
		return end
	}
	return describe(f)
}

// frame reads one frame, for which it has patience anew. If there is none, end says why.
func (c *client) frame() (f ws.Frame, end string) {
	_ = c.conn.SetDeadline(time.Now().Add(patience)) // a conn that is closed says so below
	f, err := readFrame(c.in)
	switch {
	case err == nil:
		return f, ""
	case err == io.EOF:
		return f, "EOF"
	case isGone(err):
		return f, "reset"
	}
	return f, "error: " + err.Error()
}

// readFrame reads one frame of a size that is to be expected.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	if f.Header.Length > 64<<20 {
		return f, fmt.Errorf("a frame of %d bytes", f.Header.Length)
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// rest reads to the end of the stream and describes each frame.
func (c *client) rest() (frames []string) {
	for {
		switch s := c.next(); {
		case s == "EOF":
			return frames
		case s == "reset", strings.HasPrefix(s, "error"):
			return append(frames, s)
		default:
			frames = append(frames, s)
		}
	}
}

// describe returns f as rows write it: `text "Hello"`, `deflated binary "\xff"`, `close 1002`.
func describe(f ws.Frame) string {
	h := f.Header
	switch {
	case !h.Fin || h.Masked || h.Rsv != 0 && h.Rsv != 4:
		return fmt.Sprintf("unexpected header %+v", h)
	case h.Rsv == 4:
		whole, err := io.ReadAll(inflate(f.Payload))
		if err != nil {
			return "corrupt deflated frame: " + err.Error()
		}
		return "deflated " + said(h.OpCode, whole)
	case h.OpCode == ws.OpClose:
		return describeClose(f.Payload)
	}
	return said(h.OpCode, f.Payload)
}

// describeClose checks what every close frame of ours must keep to and returns its code, 1005 for none.
func describeClose(payload []byte) string {
	if len(payload) == 0 {
		return "close 1005"
	}
	code, reason := ws.ParseCloseFrameData(payload)
	if len(payload) == 1 || len(payload) > 125 || strings.ContainsFunc(reason, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Sprintf("bad close payload %q", payload)
	}
	return fmt.Sprintf("close %d", code)
}

// said describes a message; of a long one, its length and checksum.
func said(op ws.OpCode, payload []byte) string {
	name := map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary", ws.OpPing: "ping", ws.OpPong: "pong"}[op]
	if len(payload) > 400 {
		return fmt.Sprintf("%s of %d bytes %08x", name, len(payload), crc32.ChecksumIEEE(payload))
	}
	return fmt.Sprintf("%s %q", name, payload)
}

// inflate returns what the payload of a compressed message comes to (RFC 7692 section 7.2.2).
func inflate(payload []byte) io.Reader {
	return flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(flushTail+"\x01\x00\x00\xff\xff")))
}

// deflate compresses a message (RFC 7692 section 7.2.1).
func deflate(message string) string { return strings.TrimSuffix(flushed(message), flushTail) }

// flushTail is what each message's last flush ends with, and its frame does not.
const flushTail = "\x00\x00\xff\xff"

// flushed compresses messages that share a context, with all their tails.
func flushed(messages ...string) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err) // the level is one
	}
	for _, m := range messages {
		_, _ = io.WriteString(w, m) // to memory
		_ = w.Flush()
	}
	return b.String()
}

// someMask is a masking key without a zero byte.
var someMask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// masked returns a client's frame. b0 is its first byte as RFC 6455 section 5.2 draws it: FIN, RSV, opcode.
func masked(b0 byte, payload string) []byte { return maskedWith(someMask, b0, payload) }

func maskedWith(key [4]byte, b0 byte, payload string) []byte {
	var b bytes.Buffer
	h := ws.Header{Fin: b0&0x80 != 0, Rsv: b0 >> 4 & 7, OpCode: ws.OpCode(b0 & 15), Masked: true, Mask: key, Length: int64(len(payload))}
	_ = ws.WriteHeader(&b, h) // to memory
	body := []byte(payload)
	ws.Cipher(body, key, 0)
	b.Write(body)
	return b.Bytes()
}

// closing is a client's close frame.
func closing(code ws.StatusCode, reason string) []byte {
	return masked(0x88, string(ws.NewCloseFrameBody(code, reason)))
}

// The key of every request, and the proof that goes with it (RFC 6455 section 1.3).
const (
	someKey = "dGhlIHNhbXBsZSBub25jZQ=="
	proof   = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// request is the opening of a WebSocket at target, with further fields.
func request(target string, fields ...string) string {
	fields = append([]string{"Host: edge.test", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + someKey}, fields...)
	return "GET " + target + " HTTP/1.1\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
}

// ask sends a request to n's internal address and returns status and body.
func (n *node) ask(method, path string) (int, string) {
	n.t.Helper()
	r, err := http.NewRequest(method, "http://"+n.InternalAddress()+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	r.Close = true
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
