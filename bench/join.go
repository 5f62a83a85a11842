package bench

import (
	"fmt"
	"strconv"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// The ids of a connection's first commands. Later ones count on for each driver.
const (
	connectID   = 1
	subscribeID = 2
	personalID  = 3
)

// clientName is how the flooder's sessions call themselves.
var clientName = []byte("flood")

// upgraded reads the answer to the upgrade at the front of b and returns its size, 0 if there is more to come
// or nothing to be had.
func (d *driver) upgraded(c *netpoll.Conn, p *peer, b []byte) int {
	var response frame.Response
	n, err := frame.ParseResponse(b, 0, d.run.requestOf(p.number).asked, &response)
	switch {
	case err != nil:
		d.drop(c, p, "upgrade: "+err.Error())
		return 0
	case n == 0:
		return 0
	case response.Status != 101:
		d.wait = response.RetryAfter
		d.drop(c, p, "upgrade: HTTP status "+strconv.Itoa(response.Status))
		return 0
	}
	p.stage = joining
	switch d.run.options.Protocol {
	case Centrifuge:
		d.join(p)
	case EchoProtocol:
		d.arrive(p)
		d.stand(c, p)
	} // in Socket.IO the server speaks first
	return n
}

// arrive begins the life of a connection to a server that knows no rooms.
func (d *driver) arrive(p *peer) {
	switch play := d.play.(type) {
	case *mixPlay:
		play.enter(p.number)
	case *stormPlay:
		play.judge(play.member(p.number), false, false)
	}
}

// join sends connect and, unless p is a publisher's, subscribe in one message, as SDKs do.
func (d *driver) join(p *peer) {
	if m, ok := d.play.(*mixPlay); ok {
		m.enter(p.number)
		d.text = protocol.JSON.AppendConnect(d.text[:0], connectID, d.run.connectRequest(p.number))
		p.owed = 1 + m.ask(p.number)
		d.out = frame.AppendMasked(d.out, d.key(), frame.OpText, d.text, false)
		return
	}
	d.text = protocol.JSON.AppendConnect(d.text[:0], connectID, d.run.connectRequest(p.number))
	p.owed = connectID
	if !d.run.isPublisher(p.number) {
		d.text = append(d.text, '\n')
		room := d.run.roomName(d.run.roomOf(p.number))
		if d.run.options.Scenario == Echo {
			room = d.run.personalRoom(p.number)
		}
		request := protocol.SubscribeRequest{Channel: room}
		if s, ok := d.play.(*stormPlay); ok {
			s.ask(p.number, &request)
		}
		d.text = protocol.JSON.AppendSubscribe(d.text, subscribeID, &request)
		p.owed = subscribeID
		if d.run.options.Personal {
			d.text = append(d.text, '\n')
			d.text = protocol.JSON.AppendSubscribe(d.text, personalID, &protocol.SubscribeRequest{Channel: d.run.personalRoom(p.number)})
			p.owed = personalID
		}
	}
	d.out = frame.AppendMasked(d.out, d.key(), frame.OpText, d.text, false)
}

// tokenLife is how long a connection's token is good: longer than any run.
const tokenLife = 24 * time.Hour

// connectRequest is how connection number i introduces itself.
func (r *run) connectRequest(i uint32) *protocol.ConnectRequest {
	request := &protocol.ConnectRequest{Name: clientName}
	if r.options.TokenSecret != "" {
		signer := auth.Signer{Secret: r.options.TokenSecret}
		token, err := signer.Connect(auth.ConnectClaims{Identity: auth.Identity{User: "flood-" + strconv.FormatUint(uint64(i), 10), Expiry: time.Now().Add(tokenLife)}})
		if err != nil {
			panic(err) // the options have been checked
		}
		request.Token = []byte(token)
	}
	return request
}

// joined counts a reply that p waits for.
func (d *driver) joined(c *netpoll.Conn, p *peer, r *protocol.Reply) {
	if r.Kind == protocol.ReplyError {
		what := "connect"
		if r.ID != connectID {
			what = "subscribe"
		}
		d.drop(c, p, fmt.Sprintf("%s: error %d %+q", what, r.Code, r.Message))
		return
	}
	if p.owed--; p.owed == 0 {
		d.stand(c, p)
	}
}

// closeLabel is how a close frame is counted.
func closeLabel(code uint16, reason []byte) string {
	if len(reason) == 0 {
		return strconv.Itoa(int(code))
	}
	return strconv.Itoa(int(code)) + " " + strconv.QuoteToASCII(string(reason))
}
