package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// A session that polls has one conn, which is that of its peer. A GET waits there for the server to say something. What the
// session has to say leaves in a POST: on the same conn between two GETs, as in joining and with pongs, so that an idle
// session takes one descriptor; or else on a second conn, which is opened for that and closed when it has had nothing to do
// for a while. There is one POST at a time, as Engine.IO wants.

// poll is what is known of a conn that carries HTTP, by slot. It holds no pointers.
type poll struct {
	id      [maxSessionID]byte // of the session; at its first conn
	idSize  uint8              // 0 before the session has one
	role    uint8
	doing   uint8
	posting bool   // one of the session's conns waits for the answer to a POST; at the first
	other   uint32 // slot of the session's other conn, noSlot for none
}

const (
	maxSessionID = 40
	noSlot       = 1<<32 - 1
)

// The roles of a conn.
const (
	noPoll uint8 = iota // it has nothing to do with any session
	firstConn
	secondConn
)

// What the answer is to that a conn waits for.
const (
	doesNothing uint8 = iota
	connects          // no request has been made
	opening           // the session's first GET
	getting
	posts
)

// secondRest is how long a second conn may have nothing to do. Servers close such conns, most of them after five seconds, which must not
// cross a POST.
const secondRest = 2 * time.Second

// separator stands between the packets of a body.
const separator = 0x1e

// appendPacket appends one to a body.
func appendPacket(dst, packet []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, separator)
	}
	return append(dst, packet...)
}

// pollRequest is a request in pieces, between which the session's id and the size of a body belong.
type pollRequest struct {
	get, post       []byte // up to the id
	getEnd, postEnd []byte // from there on; of a POST up to the size
	open            []byte // a session's first GET, whole
}

// newPollRequest makes those of a target, whose path has the query of Engine.IO.
func newPollRequest(t *target) pollRequest {
	path := t.path
	host := " HTTP/1.1\r\nHost: " + t.address + "\r\nAccept: */*\r\n"
	q := pollRequest{
		get: []byte("GET " + path + "&sid="), post: []byte("POST " + path + "&sid="),
		getEnd:  []byte(host + t.header + "\r\n"),
		postEnd: []byte(host + t.header + "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: "),
	}
	q.open = append([]byte("GET "+path), q.getEnd...)
	return q
}

// newPoll enters a conn.
func (d *driver) newPoll(slot uint32, role uint8, other uint32) *poll {
	for int(slot) >= len(d.polls) {
		d.polls = append(d.polls, poll{})
	}
	d.polls[slot] = poll{role: role, doing: connects, other: other}
	return &d.polls[slot]
}

// isSecond reports whether c is the second conn of a session.
func (d *driver) isSecond(c *netpoll.Conn) bool {
	return int(c.Slot()) < len(d.polls) && d.polls[c.Slot()].role == secondConn
}

// firstOf returns the conn that is the session's of c, nil if that is over.
func (d *driver) firstOf(c *netpoll.Conn) (*netpoll.Conn, *peer) {
	slot := c.Slot()
	if d.polls[slot].role == secondConn {
		slot = d.polls[slot].other
	}
	if first := d.loop.At(slot); first != nil && !first.Closing() && d.polls[slot].role == firstConn && d.peers[slot].stage != gone {
		return first, &d.peers[slot]
	}
	return nil, nil
}

// polled begins with a conn that can be written to: with the session, or with what waits for the second conn.
func (d *driver) polled(c *netpoll.Conn) {
	h := &d.polls[c.Slot()]
	if h.role == firstConn {
		h.doing = opening
		d.peers[c.Slot()].stage = upgrading
		d.transmit(c, d.run.requestOf(d.peers[c.Slot()].number).poll.open)
		return
	}
	h.doing = doesNothing
	if first, _ := d.firstOf(c); first != nil {
		d.pump(first)
	}
}

// named takes the id that the server has given a session.
func (d *driver) named(c *netpoll.Conn, p *peer, id []byte) bool {
	h := &d.polls[c.Slot()]
	switch {
	case p.stage != upgrading:
		d.unexpected()
		return false
	case len(id) == 0 || len(id) > maxSessionID:
		d.drop(c, p, fmt.Sprintf("open: a session id of %d bytes", len(id)))
		return false
	}
	p.stage = joining
	h.idSize = uint8(copy(h.id[:], id))
	return true
}

// receivedAnswer takes the answer to a request off the front of b.
func (d *driver) receivedAnswer(c *netpoll.Conn, b []byte) (used, need int) {
	first, p := d.firstOf(c)
	if first == nil {
		return len(b), 0
	}
	h := &d.polls[c.Slot()]
	if h.doing == doesNothing || h.doing == connects {
		d.drop(first, p, "poll: an answer to nothing")
		return len(b), 0
	}
	a, n, need, err := d.parseAnswer(b)
	switch {
	case err != nil:
		d.drop(first, p, "poll: "+err.Error())
		return len(b), 0
	case n == 0:
		return 0, need
	}
	d.out = d.out[:0]
	doing := h.doing
	h.doing = doesNothing
	d.took(c, first, p, doing, &a)
	if first.Closing() || p.stage == gone {
		return n, 0
	}
	if len(d.out) > 0 {
		d.write(first, d.out)
	} else {
		d.pump(first)
	}
	return n, 0
}

// took deals with the answer that c has brought.
func (d *driver) took(c, first *netpoll.Conn, p *peer, doing uint8, a *httpAnswer) {
	if doing == posts {
		d.polls[first.Slot()].posting = false
		if c != first {
			d.loop.SetTimer(c, secondRest)
		}
	}
	switch {
	case a.status != http.StatusOK:
		d.wait = a.retryAfter
		d.drop(first, p, fmt.Sprintf("poll: HTTP status %d %+q", a.status, a.body[:min(len(a.body), 80)]))
	case doing != posts:
		d.packets(first, p, a.body)
	case p.stage == leaving && len(d.waiting[first.Slot()]) == 0:
		d.end(p, "", netpoll.ClosedByPeer)
		d.loop.Close(first, netpoll.ClosedLocally)
		return
	}
	switch {
	case !a.last || first.Closing():
	case c == first:
		d.drop(first, p, "poll: the server closes connections behind its answers")
	default:
		d.rested(c)
	}
}

// packets deals with the packets of a body.
func (d *driver) packets(c *netpoll.Conn, p *peer, b []byte) {
	if n := d.repeated(p, b); n > 0 {
		b = bytes.TrimPrefix(b[n:], []byte{separator})
	}
	d.repeats.dues, d.repeats.mixed = d.repeats.dues[:0], false
	for whole := b; len(b) > 0 && p.stage != gone; {
		var packet []byte
		packet, b, _ = bytes.Cut(b, []byte{separator})
		if p.stage == leaving && len(packet) == 1 { // goodbye to our goodbye
			continue
		}
		d.play.message(c, p, packet)
		if len(b) == 0 {
			d.remember(p, whole)
		}
	}
}

// post has the packets of body leave, as soon as may be. c is the session's.
func (d *driver) post(c *netpoll.Conn, body []byte) {
	slot := c.Slot()
	if h := &d.polls[slot]; h.idSize > 0 && !h.posting && len(d.waiting[slot]) == 0 {
		if via := d.wayFor(c); via != nil {
			d.sendPost(via, c, body)
			d.pump(c)
			return
		}
	}
	if c.Closing() {
		return // there was no way
	}
	d.waiting[slot] = appendPacket(d.waiting[slot], body)
	d.pump(c)
}

// pump makes the requests that may be made for c, which is a session's.
func (d *driver) pump(c *netpoll.Conn) {
	h, p := &d.polls[c.Slot()], &d.peers[c.Slot()]
	if h.idSize == 0 || p.stage == gone {
		return
	}
	if body := d.waiting[c.Slot()]; len(body) > 0 && !h.posting {
		if via := d.wayFor(c); via != nil {
			delete(d.waiting, c.Slot())
			d.sendPost(via, c, body)
		}
	}
	if h.doing == doesNothing && p.stage != leaving {
		h.doing = getting
		q := &d.run.requestOf(p.number).poll
		d.request = append(append(append(d.request[:0], q.get...), h.id[:h.idSize]...), q.getEnd...)
		d.transmit(c, d.request)
	}
}

// wayFor returns the conn that can take a POST for c now, nil if one is on its way.
func (d *driver) wayFor(c *netpoll.Conn) *netpoll.Conn {
	h := &d.polls[c.Slot()]
	switch {
	case h.other != noSlot && d.polls[h.other].doing == doesNothing:
		return d.loop.At(h.other)
	case h.other == noSlot && h.doing == doesNothing:
		return c
	case h.other == noSlot:
		d.dialSecond(c)
	}
	return nil
}

// sendPost posts for the session of first.
func (d *driver) sendPost(via, first *netpoll.Conn, body []byte) {
	h := &d.polls[first.Slot()]
	q := &d.run.requestOf(d.peers[first.Slot()].number).poll
	h.posting = true
	d.polls[via.Slot()].doing = posts
	if via != first {
		d.loop.StopTimer(via)
	}
	d.request = append(append(append(d.request[:0], q.post...), h.id[:h.idSize]...), q.postEnd...)
	d.request = strconv.AppendInt(d.request, int64(len(body)), 10)
	d.request = append(append(d.request, "\r\n\r\n"...), body...)
	d.transmit(via, d.request)
}

// dialSecond begins a session's second conn.
func (d *driver) dialSecond(c *netpoll.Conn) {
	p := &d.peers[c.Slot()]
	to, source := d.run.routes.of(p.number)
	id, err := d.loop.Dial(to.dial, source)
	if err != nil {
		d.drop(c, p, "poll: dial: "+plainError(err).Error())
		return
	}
	slot := id.Slot()
	number := p.number
	d.room(slot)
	d.peers[slot] = peer{number: number} // gone: all that happens is the first conn's
	d.newPoll(slot, secondConn, c.Slot())
	d.polls[c.Slot()].other = slot
	d.loop.SetTimer(d.loop.Conn(id), connectTimeout)
}

// rested closes a second conn that has had nothing to do, or gives up its session if it is no such.
func (d *driver) rested(c *netpoll.Conn) {
	first, p := d.firstOf(c)
	if h := &d.polls[c.Slot()]; h.doing == doesNothing {
		h.role = noPoll
		if first != nil {
			d.polls[first.Slot()].other = noSlot
		}
	} else if first != nil {
		d.drop(first, p, "poll: time-out of a second connection")
	}
	d.loop.Close(c, netpoll.ClosedLocally)
}

// unpoll forgets a conn that has closed, and reports whether that is all there is to do: it was not the session's.
func (d *driver) unpoll(c *netpoll.Conn, why netpoll.Reason) bool {
	slot := c.Slot()
	if int(slot) >= len(d.polls) {
		return false
	}
	h := d.polls[slot]
	d.polls[slot] = poll{other: noSlot}
	switch h.role {
	case firstConn:
		delete(d.waiting, slot)
		if h.other != noSlot {
			d.polls[h.other].role = noPoll
			d.loop.Close(d.loop.At(h.other), netpoll.ClosedLocally)
		}
		return false
	case secondConn:
		d.polls[h.other].other = noSlot
		if first := d.loop.At(h.other); first != nil && !first.Closing() && h.doing != doesNothing {
			d.drop(first, &d.peers[h.other], "poll: second connection: "+why.String())
		}
	}
	return true
}

// httpAnswer is one answer.
type httpAnswer struct {
	status     int
	retryAfter int
	last       bool // the server closes behind it
	body       []byte
}

var errHTTP = errors.New("an answer that cannot be read")

// parseAnswer reads the answer at the front of b and returns its size, or how many bytes it needs if that is known.
func (d *driver) parseAnswer(b []byte) (a httpAnswer, n, need int, err error) {
	var response frame.Response
	head, err := frame.ParseResponse(b, 0, nil, &response)
	if err != nil || head == 0 {
		return a, 0, 0, err
	}
	a.status, a.retryAfter = response.Status, response.RetryAfter
	if a.status < 200 {
		return a, 0, 0, errHTTP
	}
	length, chunked := -1, false
	for name, value := range response.All() {
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 || length > frameOptions.MaxMessage {
				return a, 0, 0, errHTTP
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("connection")):
			a.last = bytes.EqualFold(value, []byte("close"))
		}
	}
	switch {
	case chunked:
		d.body, n, err = appendChunks(d.body[:0], b[head:])
		if err != nil || n == 0 {
			return a, 0, 0, err
		}
		a.body = d.body
		return a, head + n, 0, nil
	case length < 0:
		return a, 0, 0, errHTTP
	case len(b) < head+length:
		return a, 0, head + length, nil
	}
	a.body = b[head : head+length]
	return a, head + length, 0, nil
}

// appendChunks appends the body that comes in chunks at the front of b (RFC 9112 section 7.1) and returns how many bytes of b that is, 0
// if there is more to come.
func appendChunks(dst, b []byte) (_ []byte, n int, err error) {
	for {
		line, rest, ok := bytes.Cut(b[n:], []byte("\r\n"))
		if !ok {
			return dst, 0, nil
		}
		digits, _, _ := bytes.Cut(line, []byte{';'})
		size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 26)
		if err != nil {
			return dst, 0, errHTTP
		}
		if len(rest) < int(size)+2 {
			return dst, 0, nil
		}
		n += len(line) + 2 + int(size) + 2
		if string(rest[size:size+2]) != "\r\n" { // trailers are not expected
			return dst, 0, errHTTP
		}
		if size == 0 {
			return dst, n, nil
		}
		dst = append(dst, rest[:size]...)
	}
}
