package server

import (
	"bytes"
	"slices"
	"time"

	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// connect opens a session, if the client may have one.
func (l *loop) connect(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	switch {
	case len(l.farewells) > maxFarewells:
		l.counts.Limited[metrics.LimitPool]++
		l.refuseCommand(c, s, cmd.ID, protocol.ErrTooManyRequests)
	case len(cmd.Connect.Token) > 0 && (l.access().keyed || l.server.handler.Connect == nil):
		l.connectWithToken(c, s, cmd)
	case l.server.handler.Connect != nil && l.ambient(s, &cmd.Connect):
		l.counts.Connects[metrics.ConnectRefused]++
		l.reject(c, metrics.RejectOrigin)
		l.disconnect(c, s, protocol.DisconnectPermissionDenied)
	case l.server.handler.Connect != nil:
		l.askConnect(c, s, cmd)
	case l.server.config.Development:
		l.welcome(c, s, cmd.ID, &cmd.Connect, &ConnectReply{})
	case !l.access().Anonymous:
		l.counts.Connects[metrics.ConnectNoToken]++
		l.reject(c, metrics.RejectNoToken)
		l.end(c, s, protocol.DisconnectBadRequest.Code, protocol.DisconnectBadRequest.Reason)
	default:
		l.welcome(c, s, cmd.ID, &cmd.Connect, &ConnectReply{})
	}
}

// ambient reports whether a client has no more to show than cookies, which some page may have made its browser send: nothing says
// which page, or that it is a browser.
func (l *loop) ambient(s *session, r *protocol.ConnectRequest) bool {
	return len(r.Token) == 0 && s.has(flagNoOrigin) && l.fields.wants("Cookie")
}

// askConnect has the application decide.
func (l *loop) askConnect(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	id, r := cmd.ID, cmd.Connect
	r.Subs = bytes.Clone(r.Subs)
	req := l.requestOf(c, s, &r)
	run := func() (ConnectReply, error) { return l.server.handler.Connect(req) }
	then := func(c *netpoll.Conn, s *session, v ConnectReply) {
		s.set(flagByApplication)
		l.welcome(c, s, id, &r, &v)
	}
	gone := func(v ConnectReply) { // the application has let it in, so it is told of the end
		who := Client{ID: req.Client, User: v.User, Info: v.Info, Protocol: req.Protocol, Transport: req.Transport, Meta: v.Meta}
		if l.server.handler.KeepHeaders {
			who.Header = req.Header
		}
		l.farewell(l.goodbye(who, protocol.DisconnectConnectionClosed))
	}
	askOr(l, c, s, id, run, then, gone)
}

// requestOf is what the application is told of a client that wants to connect.
func (l *loop) requestOf(c *netpoll.Conn, s *session, r *protocol.ConnectRequest) *ConnectRequest {
	req := &ConnectRequest{
		Client:    string(l.clientID(c)),
		Protocol:  s.protocol(),
		Transport: s.transport().String(),
		Address:   l.addressOf(c, s),
		Header:    headerOf(l.fields.byConn[l.net.ID(c)]),
		Token:     bytes.Clone(r.Token),
		Data:      bytes.Clone(r.Data),
		Name:      string(r.Name),
		Version:   string(r.Version),
	}
	for room := range s.encoding().Subs(&l.decoder, r) {
		req.Rooms = append(req.Rooms, string(room))
	}
	return req
}

// welcome opens the session, and counts whether it stands.
func (l *loop) welcome(c *netpoll.Conn, s *session, id uint32, r *protocol.ConnectRequest, v *ConnectReply) {
	result := metrics.ConnectRefused
	if l.begin(c, s, id, r, v) {
		result = metrics.ConnectOK
	}
	l.counts.Connects[result]++
}

// begin opens the session. It reports false if that has come to its limits, or has something for the client that it cannot read:
// it is closed then.
func (l *loop) begin(c *netpoll.Conn, s *session, id uint32, r *protocol.ConnectRequest, v *ConnectReply) bool {
	s.state = stateReady
	if !l.login(c, s, v) {
		return false
	}
	if !l.suits(c, s, v.Data) {
		return false
	}
	subs := l.firstSubs(c, s, r, v)
	if s.state == stateClosing {
		return false // one of them is not for this client
	}
	result := protocol.ConnectResult{
		Client:  l.clientID(c),
		Version: l.server.config.Version,
		Data:    v.Data,
		Subs:    subs,
	}
	if s.stream() != nil {
		result.Session, result.Node = l.secretOf(c), l.server.nodeID
	}
	s.expires = l.momentOf(v.ExpireAt)
	l.setAge(c)
	if !s.has(flagByApplication) {
		result.Expires, result.TTL = ttl(v.ExpireAt)
	}
	if every := l.server.config.PingInterval; every > 0 {
		if !s.has(flagFramePing) {
			result.Ping, result.Pong = uint32(every/time.Second), true
		}
		l.setHeartbeat(c, s, every/2+time.Duration(l.random.Int64N(int64(every/2))))
	} else {
		l.net.StopTimer(c)
		l.aimTimer(c, s)
	}
	l.replies = s.encoding().AppendConnectReply(l.reply(s), id, &result)
	return true
}

// login makes a session that of whoever has been let in. It reports false if that user has too many: it is closed then.
func (l *loop) login(c *netpoll.Conn, s *session, v *ConnectReply) bool {
	s.set(flagConnected)
	ticket, verdict := l.server.admission.AdmitUser(v.User)
	s.who = l.users.login(c.Slot(), []byte(v.User), v.Info, []byte(v.token), ticket)
	l.setCapabilities(l.net.ID(c), v.Capabilities)
	if v.granted != 0 {
		l.granted[l.net.ID(c)] = v.granted
	}
	l.attach(l.net.ID(c), v.Meta)
	if verdict.Admitted() {
		return true
	}
	l.reject(c, metrics.RejectUserConnections)
	l.disconnect(c, s, protocol.DisconnectConnectionLimit)
	return false
}

// firstSubs makes the server-side subscriptions that a session begins with: the application's, which recover if the
// client says from where, and the client's own wishes.
func (l *loop) firstSubs(c *netpoll.Conn, s *session, r *protocol.ConnectRequest, v *ConnectReply) (made []protocol.ConnectSub) {
	subs := v.Subs
	if room := l.access().Personal.of(v.User); room != "" {
		subs = append(slices.Clip(subs), Subscription{Room: room})
	}
	if len(subs) == 0 && len(r.Subs) == 0 {
		return nil
	}
	if len(subs) > l.limits.rooms {
		l.disconnect(c, s, protocol.DisconnectChannelLimit)
		return nil
	}
	l.recoverable = l.limits.queue
	for i := range subs {
		sub := &subs[i]
		ns, err := l.room([]byte(sub.Room))
		if err != nil || l.rosters.Subscribed(&s.subs, []byte(sub.Room)) {
			continue
		}
		e := l.serverEntry(c, s, ns, sub, l.stateOf(s, r, sub.Room))
		made = l.enterByServer(c, s, &e, made)
	}
	if l.server.handler.Subscribe != nil {
		return made // what clients wish for is the application's to decide, room by room
	}
	return l.subscribeWishes(c, s, r, made)
}

// stateOf returns what a client's connect says about a room.
func (l *loop) stateOf(s *session, r *protocol.ConnectRequest, room string) *protocol.SubscribeRequest {
	for name, state := range s.encoding().Subs(&l.decoder, r) {
		if string(name) == room {
			return state
		}
	}
	return &protocol.SubscribeRequest{}
}

// way returns how a session is connected, for the application: the transports of Socket.IO's clients are one, as they change.
func (s *session) way() string {
	if s.wire.isSocket() {
		return "socketio"
	}
	return s.transport().String()
}

// clientOf returns who c is, for the application.
func (l *loop) clientOf(c *netpoll.Conn, s *session) Client {
	more := l.attachments[l.net.ID(c)]
	return Client{
		ID:        string(l.clientID(c)),
		User:      string(l.users.appendUser(nil, s.who)),
		Info:      l.users.appendInfo(nil, s.who),
		Protocol:  s.protocol(),
		Transport: s.way(),
		Meta:      bytes.Clone(more.meta),
		Header:    headerOf(more.fields),
	}
}

// clientID returns c's id on the wire, good until the next call.
func (l *loop) clientID(c *netpoll.Conn) []byte {
	l.idText = l.ids.append(l.idText[:0], &l.idSpace, uint64(l.net.ID(c)))
	return l.idText
}

// leave gives back what s owns on this loop besides its slot, and tells rooms and application that it has gone.
func (l *loop) leave(c *netpoll.Conn, s *session, why protocol.Disconnect) {
	l.leaveEngine(c, s, reasonOf(why.Code))
	if !s.early() {
		l.partials.drop(&s.partial)
	}
	if s.wire == wireEvents {
		l.audiences.drop(&s.midway)
	}
	l.midway.drop(&s.midway)
	if !s.has(flagConnected) {
		l.dropAttachment(l.net.ID(c))
		return
	}
	s.clear(flagConnected)
	delete(l.unserved, l.net.ID(c))
	l.stopTyping(c, s, "")
	l.forgive(l.net.ID(c), nil)
	l.dropChanInfo(l.net.ID(c), nil)
	l.dropSubExpiry(l.net.ID(c), nil)
	l.dropSubToken(l.net.ID(c), nil)
	delete(l.capabilities, l.net.ID(c))
	delete(l.granted, l.net.ID(c))
	l.rosters.LeaveAll(&s.subs)
	l.forget(l.net.ID(c), nil)
	l.sayGoodbye(c, s, why)
	l.dropAttachment(l.net.ID(c))
	if ticket := l.users.logout(s.who); ticket != 0 {
		l.server.admission.ReleaseUser(ticket)
	}
	s.who = 0
}

// sayGoodbye tells the application of the end of a conn, once what is out for it is back.
func (l *loop) sayGoodbye(c *netpoll.Conn, s *session, why protocol.Disconnect) {
	if l.server.handler.Disconnect == nil {
		return
	}
	bye := l.goodbye(l.clientOf(c, s), why)
	if k := l.calls[l.net.ID(c)]; k != nil {
		k.after = bye
	} else {
		l.farewell(bye)
	}
}

// goodbye is the application's last call for a client; nil if it does not want one.
func (l *loop) goodbye(who Client, why protocol.Disconnect) func() {
	h := l.server.handler.Disconnect
	if h == nil {
		return nil
	}
	return func() {
		var err error
		defer func() {
			if err != nil {
				l.server.report(fault{what: err.Error()})
			}
		}()
		defer l.server.contain(&err)
		h(who, why)
	}
}
