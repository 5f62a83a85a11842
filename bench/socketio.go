package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// socketIOPath is where a Socket.IO server is asked for.
const socketIOPath = "/socket.io/"

// Engine.IO's packets begin with a digit. A message's text is a packet of Socket.IO, which begins with one too.
const (
	engineOpen    = '0'
	engineClose   = '1'
	enginePing    = '2'
	enginePong    = '3'
	engineMessage = '4'
	engineNoop    = '6'

	socketConnect    = '0'
	socketDisconnect = '1'
	socketEvent      = '2'
	socketAck        = '3'
	socketRefusal    = '4'
)

// packet deals with one from a Socket.IO server.
func (d *driver) packet(c *netpoll.Conn, p *peer, b []byte) {
	if len(b) > 2 && b[0] == engineMessage && b[1] == socketEvent { // what comes in masses
		if rest, ok := bytes.CutPrefix(b[2:], d.run.dialect.namespace); ok {
			d.event(c, p, rest)
			return
		}
	}
	d.repeats.mixed = true
	switch {
	case len(b) > 1 && b[0] == engineMessage:
		d.message(c, p, b[1], b[2:])
	case len(b) == 1 && b[0] == enginePing:
		d.sendText([]byte{enginePong})
	case len(b) > 0 && b[0] == engineOpen:
		d.opens(c, p, b[1:])
	case len(b) == 1 && b[0] == engineClose:
		d.drop(c, p, "closed by a packet")
	case len(b) == 1 && b[0] == engineNoop:
	default:
		d.unexpected()
	}
}

func (d *driver) unexpected() { d.result.errors["packet that is not expected"]++ }

// opens begins a session, which b describes, by asking for the namespace.
func (d *driver) opens(c *netpoll.Conn, p *peer, b []byte) {
	if d.run.options.polls() && !d.named(c, p, jsonField(b, "sid")) {
		return
	}
	d.text = append(append(d.text[:0], engineMessage, socketConnect), d.run.dialect.namespace...)
	d.text = d.appendAuth(d.text, p.number)
	d.sendText(d.text)
}

// appendAuth appends what a connection shows at the door of the namespace: its token, and what it has to recover by.
func (d *driver) appendAuth(dst []byte, number uint32) []byte {
	auth := make(map[string]string)
	if token := d.run.connectRequest(number).Token; token != nil {
		auth["token"] = string(token)
	}
	if s, ok := d.play.(*stormPlay); ok && !d.run.isPublisher(number) {
		s.showPast(number, auth)
	}
	if len(auth) == 0 {
		return dst
	}
	text, err := json.Marshal(auth)
	if err != nil {
		panic(err) // strings have a form
	}
	return append(dst, text...)
}

// message deals with a packet of Socket.IO that is no event, b being what follows its type.
func (d *driver) message(c *netpoll.Conn, p *peer, kind byte, b []byte) {
	b, ok := bytes.CutPrefix(b, d.run.dialect.namespace)
	if !ok { // a connect or refusal without a payload has no comma
		b, ok = bytes.CutPrefix(b, bytes.TrimSuffix(d.run.dialect.namespace, []byte{','}))
	}
	switch {
	case !ok:
		d.unexpected()
	case kind == socketConnect:
		d.welcomed(c, p, b)
	case kind == socketAck:
		d.acknowledged(c, p, b)
	case kind == socketRefusal:
		d.drop(c, p, fmt.Sprintf("connect: %+q", b))
	case kind == socketDisconnect:
		d.drop(c, p, "disconnected from the namespace")
	default:
		d.unexpected()
	}
}

// event deals with one, b being what follows the namespace. Wherever among its arguments a publication stands, it begins with a stamp.
func (d *driver) event(c *netpoll.Conn, p *peer, b []byte) {
	data := stampIn(b)
	if data == nil && bytes.HasPrefix(b, d.run.dialect.publication) {
		data = b // a damaged one
	}
	if data != nil {
		d.published(p, data)
		return
	}
	d.repeats.mixed = true
	if m, ok := d.play.(*mixPlay); ok {
		m.other(p, b)
		return
	}
	d.unexpected()
}

// stampIn returns b from the first whole stamp on, nil if there is none.
func stampIn(b []byte) []byte {
	for {
		at := bytes.Index(b, []byte(stampStart))
		if at < 0 {
			return nil
		}
		b = b[at:]
		if _, _, err := parseStamp(b); err == nil {
			return b
		}
		b = b[len(stampStart):]
	}
}

// welcomed has p, which is in the namespace now, join its rooms. b is what the server says to it.
func (d *driver) welcomed(c *netpoll.Conn, p *peer, b []byte) {
	if p.stage != joining {
		d.unexpected()
		return
	}
	switch play := d.play.(type) {
	case *mixPlay:
		play.enter(p.number)
		p.owed = play.ask(p.number)
	case *stormPlay:
		if !d.run.isPublisher(p.number) && play.resumed(p, b) {
			break // it is in its room already
		}
		d.askFor(p)
	default:
		d.askFor(p)
	}
	if p.owed == 0 {
		d.stand(c, p)
	}
}

// askFor has a connection join the room that it is in, if it is a member, and the one that it has to itself.
func (d *driver) askFor(p *peer) {
	if d.run.isPublisher(p.number) || d.run.options.Scenario == Echo {
		return
	}
	d.sendJoin(subscribeID, d.run.roomName(d.run.roomOf(p.number)))
	p.owed = 1
	if d.run.options.Personal {
		d.sendJoin(personalID, d.run.personalRoom(p.number))
		p.owed = 2
	}
}

// sendJoin asks for a room.
func (d *driver) sendJoin(id uint32, room []byte) {
	d.text = d.run.dialect.appendEvent(d.text[:0], id, d.run.dialect.join, room, nil)
	d.sendText(d.text)
}

// acknowledged deals with the answer to an event, b being its number and arguments.
func (d *driver) acknowledged(c *netpoll.Conn, p *peer, b []byte) {
	id, n := uint64(0), 0
	for ; n < len(b) && n < 10 && '0' <= b[n] && b[n] <= '9'; n++ {
		id = id*10 + uint64(b[n]-'0')
	}
	d.reply = protocol.Reply{Kind: protocol.ReplyResult, ID: uint32(id), Data: b[n:]}
	if isRefusal(b[n:], &d.reply) {
		d.reply.Kind = protocol.ReplyError
	}
	d.heard(c, p, &d.reply)
}

// isRefusal reports whether the arguments of an acknowledgement say [{"error":{"code":…,"message":…}}], and reads that.
func isRefusal(b []byte, r *protocol.Reply) bool {
	if !bytes.HasPrefix(b, []byte(`[{"error":`)) {
		return false
	}
	var args []struct {
		Error struct {
			Code    uint32 `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(b, &args); err != nil {
		r.Message = b
		return true
	}
	r.Code, r.Message = args[0].Error.Code, []byte(args[0].Error.Message)
	return true
}

// jsonField returns the string that an object has under a name, nil if there is none. It is for ids, which need no quoting.
func jsonField(b []byte, name string) []byte {
	_, b, ok := bytes.Cut(b, []byte(`"`+name+`":"`))
	value, _, whole := bytes.Cut(b, []byte{'"'})
	if !ok || !whole {
		return nil
	}
	return value
}

// lastString returns the last argument of an event of which b is the end, if that is a string; nil if not.
func lastString(b []byte) []byte {
	b, ok := bytes.CutSuffix(b, []byte(`"]`))
	at := bytes.LastIndexByte(b, '"')
	if !ok || at < 1 || b[at-1] != ',' {
		return nil
	}
	return b[at+1:]
}

// appendID appends the number of an event that is to be acknowledged; 0 is none.
func appendID(dst []byte, id uint32) []byte {
	if id == 0 {
		return dst
	}
	return strconv.AppendUint(dst, uint64(id), 10)
}
