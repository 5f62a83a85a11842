//go:build faults

package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/seed4ac54ce5/edge/frame"
	"golang.org/x/sys/unix"
)

// client is one connection that speaks the JSON protocol. One goroutine reads it.
type client struct {
	conn  net.Conn
	r     *bufio.Reader
	pings atomic.Int64 // that have been answered
	deaf  bool         // pings are not answered
}

// option changes how a client connects.
type option func(*net.Dialer)

// from makes clients connect from the address number i of 127.0.0.0/8.
func from(i int) option {
	return func(d *net.Dialer) {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}
	}
}

// small makes clients whose sockets hold little.
func small(d *net.Dialer) {
	d.Control = func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10) })
		return errors.Join(err, failed)
	}
}

// large returns JSON of about so many bytes.
func large(bytes int) string { return `"` + strings.Repeat("x", bytes) + `"` }

// connectTo opens a TCP connection, in a namespace if it is not nil.
func connectTo(in *namespace, to netip.AddrPort, options ...option) (conn net.Conn, err error) {
	d := net.Dialer{Timeout: patience}
	for _, o := range options {
		o(&d)
	}
	in.do(func() { conn, err = d.Dial("tcp4", to.String()) })
	return conn, err
}

// upgrade makes a WebSocket of conn.
func upgrade(conn net.Conn, path string) (*client, error) {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "ws", Host: conn.RemoteAddr().String(), Path: path}
	r, _, err := ws.Dialer{ReadBufferSize: 1024, WriteBufferSize: 512}.Upgrade(conn, &u)
	if err != nil {
		return nil, err
	}
	if r == nil {
		r = bufio.NewReaderSize(conn, 1024)
	}
	return &client{conn: conn, r: r}, conn.SetDeadline(time.Time{})
}

// begin opens a session on conn: enter says its first commands. If that fails, conn is closed.
func begin(conn net.Conn, enter func(*client) error) (*client, error) {
	c, err := upgrade(conn, pathProtocol)
	if err == nil {
		err = enter(c)
	}
	if err != nil {
		_ = conn.Close()
	}
	return c, err
}

const (
	pathProtocol = "/connection/websocket"
	pathEcho     = "/echo"
)

// dial opens a WebSocket on a path.
func dial(in *namespace, to netip.AddrPort, path string, options ...option) (*client, error) {
	conn, err := connectTo(in, to, options...)
	if err != nil {
		return nil, err
	}
	c, err := upgrade(conn, path)
	if err != nil {
		_ = conn.Close()
	}
	return c, err
}

// dial opens a WebSocket to the node, which ends with the test.
func (n *node) dial(path string, options ...option) *client {
	n.t.Helper()
	c, err := dial(n.in, n.address, path, options...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.close)
	return c
}

// connect opens a session of the JSON protocol.
func (n *node) connect(options ...option) *client {
	n.t.Helper()
	c := n.dial(pathProtocol, options...)
	if _, err := c.ask(`{"id":1,"connect":{}}`); err != nil {
		n.t.Fatal(err)
	}
	return c
}

// member opens a session in a room.
func (n *node) member(room string, options ...option) *client {
	n.t.Helper()
	c := n.connect(options...)
	if _, err := c.ask(subscribe(2, room)); err != nil {
		n.t.Fatal(err)
	}
	return c
}

func subscribe(id int, room string) string {
	return fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q}}`, id, room)
}

// resubscribe is subscribe for who has seen a position of the room, if epoch says that there was any.
func resubscribe(id int, room, epoch string, offset uint64) string {
	if epoch == "" {
		return subscribe(id, room)
	}
	return fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q,"recover":true,"epoch":%q,"offset":%d}}`, id, room, epoch, offset)
}

func publish(id int, room, data string) string {
	return fmt.Sprintf(`{"id":%d,"publish":{"channel":%q,"data":%s}}`, id, room, data)
}

func (c *client) close() { _ = c.conn.Close() } // twice is fine

// reset closes the connection with a reset.
func (c *client) reset() { reset(c.conn) }

func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0) // closed already is fine
	_ = conn.Close()
}

// say sends a text message.
func (c *client) say(text string) error {
	_, err := c.conn.Write(frame.AppendMasked(nil, [4]byte{1, 2, 3, 4}, frame.OpText, []byte(text), false))
	return err
}

// closed is how the other side has ended a session.
type closed struct {
	code   int
	reason string
}

func (e closed) Error() string { return fmt.Sprintf("closed with %d %s", e.code, e.reason) }

// codeOf returns the code of a close frame that ended a session, 0 if there was none.
func codeOf(err error) int {
	var e closed
	errors.As(err, &e)
	return e.code
}

// message returns the next message, and answers pings of either kind. A close frame is answered and is the error.
func (c *client) message() (string, error) {
	for {
		h, err := ws.ReadHeader(c.r)
		if err != nil {
			return "", err
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(c.r, payload); err != nil {
			return "", err
		}
		switch {
		case h.OpCode == ws.OpClose:
			code, reason := ws.ParseCloseFrameData(payload)
			_, _ = c.conn.Write(frame.AppendMaskedClose(nil, [4]byte{1, 2, 3, 4}, code, "")) // it may be gone
			return "", closed{int(code), reason}
		case h.OpCode == ws.OpPing:
			c.pings.Add(1)
			_, err = c.conn.Write(frame.AppendMasked(nil, [4]byte{1, 2, 3, 4}, frame.OpPong, payload, false))
		case h.OpCode == ws.OpPong:
		case string(payload) == "{}":
			c.pings.Add(1)
			if !c.deaf {
				err = c.say("{}")
			}
		default:
			return string(payload), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// reply is an answer or a push.
type reply struct {
	ID      int
	Error   *struct{ Code int }
	Connect *struct{ Client string }
	Present struct {
		Clients int `json:"num_clients"`
	} `json:"presence_stats"`
	History struct{ Publications []publication }
	Push    struct {
		Channel string
		Pub     *publication
	}
	Subscribe *struct {
		Epoch        string
		Offset       uint64
		Recovered    bool
		Publications []publication
	}
}

type publication struct {
	Data   json.RawMessage
	Offset uint64
}

// replies returns the next message, a reply for each of its lines.
func (c *client) replies() ([]reply, error) {
	text, err := c.message()
	if err != nil {
		return nil, err
	}
	var all []reply
	for line := range strings.Lines(text) {
		var r reply
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return nil, fmt.Errorf("%.100q: %w", line, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// ask sends a command and returns its answer, which must be no error. Pushes before it are passed over.
func (c *client) ask(command string) (reply, error) {
	r, err := c.askAny(command)
	if err == nil && r.Error != nil {
		err = fmt.Errorf("%.100s is answered with error %d", command, r.Error.Code)
	}
	return r, err
}

// askAny is ask for an answer that may be an error.
func (c *client) askAny(command string) (reply, error) {
	if err := c.conn.SetDeadline(time.Now().Add(hangUp)); err != nil {
		return reply{}, err
	}
	if err := c.say(command); err != nil {
		return reply{}, err
	}
	for {
		all, err := c.replies()
		if err != nil {
			return reply{}, err
		}
		for _, r := range all {
			if r.ID != 0 {
				return r, c.conn.SetDeadline(time.Time{})
			}
		}
	}
}

// rest reads to the end of the connection and returns what ended it.
func (c *client) rest() error {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for {
		if _, err := c.message(); err != nil {
			return err
		}
	}
}

// echoes sends a text to /echo and checks that it comes back.
func (c *client) echoes(text string) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := c.say(text); err != nil {
		return err
	}
	got, err := c.message()
	if err == nil && got != text {
		err = fmt.Errorf("the echo of %.100q is %.100q", text, got)
	}
	return err
}

// checkNeighbour fails the test unless a session that is opened now gets what it publishes.
func (n *node) checkNeighbour() {
	n.t.Helper()
	c := n.member("neighbour")
	defer c.close()
	if _, err := c.ask(publish(3, "neighbour", "1")); err != nil {
		n.t.Errorf("a neighbour's publish: %v", err)
	}
}

// watch keeps a session until the test ends, and fails it if the session ends before.
func watch(t testing.TB, c *client) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := c.message(); err != nil {
				select {
				case <-over:
				default:
					t.Errorf("a session that should stand: %v", err)
				}
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(over)
		c.close()
		<-done
	})
}
