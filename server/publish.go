package server

import (
	"bytes"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// publish hands a client's publication to its room.
func (l *loop) publish(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	r := &cmd.Publish
	if len(r.Channel) == 0 {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	ns, err := l.checkPublish(c, s, r)
	if err != nil {
		l.replyError(s, cmd.ID, err)
		return
	}
	l.release(c, s, ns, offer{id: cmd.ID, room: r.Channel, data: r.Data})
}

// offer is a publication of a client on its way to a room.
type offer struct {
	id         uint32 // of the command
	rpc        bool   // it came as a call, whose result is the position
	changed    bool   // data is the application's
	room, data []byte
	options    PublishOptions
}

// release publishes o, when the application agrees if there is one to ask.
func (l *loop) release(c *netpoll.Conn, s *session, ns *namespace, o offer) {
	if l.server.handler.Publish == nil {
		l.put(c, s, ns, &o)
	} else {
		l.askPublish(c, s, ns, o)
	}
}

// askPublish has the application decide.
func (l *loop) askPublish(c *netpoll.Conn, s *session, ns *namespace, o offer) {
	o.room, o.data = bytes.Clone(o.room), bytes.Clone(o.data)
	who := l.clientOf(c, s)
	req := &PublishRequest{Room: string(o.room), Data: o.data}
	run := func() (PublishReply, error) { return l.server.handler.Publish(who, req) }
	ask(l, c, s, o.id, run, func(c *netpoll.Conn, s *session, v PublishReply) {
		if v.Data != nil {
			o.data, o.changed = v.Data, true
		}
		o.options = o.options.or(v.PublishOptions)
		l.put(c, s, ns, &o)
	})
}

// or returns how to publish what a client has asked for as o and its application as more: what the application says counts.
func (o PublishOptions) or(more PublishOptions) PublishOptions {
	more.Ephemeral = more.Ephemeral || o.Ephemeral
	orElse(&more.Key, o.Key)
	return more
}

// put publishes o. In a room whose history is on disk the answer follows when o is safe there; the conn goes on
// meanwhile.
func (l *loop) put(c *netpoll.Conn, s *session, ns *namespace, o *offer) {
	pub := hub.NewPublication()
	pub.Data = append(pub.Data, o.data...)
	pub.Info = l.appendPublisher(pub.Info, c, s, o.room)
	pub.Sender = uint64(l.net.ID(c))
	o.options.mark(pub)
	pub.Opaque = (o.changed || s.has(flagProtobuf)) && !protocol.ValidJSON(o.data)
	options := o.options.forHub()
	if ns.Store {
		options.Done = l.whenStored(l.net.ID(c), o.id, o.rpc)
	}
	result, err := l.server.hub.Publish(ns.id, o.room, pub, options)
	if err != hub.ErrStoring {
		l.answerPublish(s, o.id, o.rpc, result, err)
	}
}

// answerPublish tells a client what came of its publication.
func (l *loop) answerPublish(s *session, id uint32, rpc bool, r hub.Result, err error) {
	switch {
	case err != nil:
		l.replyError(s, id, publishError(err))
	case rpc:
		l.replyRPC(s, id, appendPosition(nil, r.Position))
	default:
		l.replies = s.encoding().AppendPublishReply(l.reply(s), id)
	}
}

// stored is a publication of a client that the store is done with.
type stored struct {
	conn   netpoll.ConnID
	id     uint32
	rpc    bool
	result hub.Result
	err    error
}

// whenStored brings the store's word back to the loop.
func (l *loop) whenStored(conn netpoll.ConnID, id uint32, rpc bool) func(hub.Result, error) {
	return func(r hub.Result, err error) {
		l.net.Send(netpoll.Post{Kind: postStored, Item: &stored{conn, id, rpc, r, err}})
	}
}

// finishStored answers a publication that is safe, or is not.
func (l *loop) finishStored(p *stored) {
	c := l.net.Conn(p.conn)
	if c == nil || c.Closing() {
		return
	}
	defer l.guard(c)
	l.answerPublish(l.sessions.At(c.Slot()), p.id, p.rpc, p.result, p.err)
	l.flush(c)
}

// checkPublish returns the namespace that takes a publication, or why it is not taken.
func (l *loop) checkPublish(c *netpoll.Conn, s *session, r *protocol.PublishRequest) (*namespace, *protocol.Error) {
	if l.server.full.Load() > 0 {
		l.counts.Limited[metrics.LimitFanout]++
		return nil, protocol.ErrTooManyRequests
	}
	if r.Data == nil {
		return nil, protocol.ErrBadRequest
	}
	ns, err := l.room(r.Channel)
	switch {
	case err != nil:
		return nil, err
	case r.Type != 0 || l.server.handler.Publish == nil && !l.permitted(ns.publishing(), c, s, r.Channel):
		return nil, protocol.ErrPermissionDenied
	case !ns.takes(r.Data):
		return nil, protocol.ErrBadRequest
	}
	return ns, nil
}

// takes reports whether data is of the form that the namespace asks for.
func (n *namespace) takes(data []byte) bool {
	switch n.PublicationDataFormat {
	case "json":
		return protocol.ValidJSON(data)
	case "json_object":
		return len(data) > 0 && bytes.TrimLeft(data, " \t\r\n")[0] == '{' && protocol.ValidJSON(data)
	}
	return true
}

// appendPublisher appends what rooms are told about a client that publishes.
func (l *loop) appendPublisher(dst []byte, c *netpoll.Conn, s *session, room []byte) []byte {
	info := protocol.ClientInfo{Client: l.clientID(c), ChanInfo: l.chanInfo(l.net.ID(c), room)}
	if s.who != 0 {
		l.user = l.users.appendUser(l.user[:0], s.who)
		l.who = l.users.appendInfo(l.who[:0], s.who)
		info.User, info.ConnInfo = l.user, l.who
	}
	return appendInfo(dst, &info)
}

// appendAttendee appends what rooms are told about a client that is in them: its id stands beside it.
func (l *loop) appendAttendee(dst []byte, s *session, chanInfo []byte) []byte {
	return appendInfo(dst, &protocol.ClientInfo{
		User:     l.users.appendUser(nil, s.who),
		ConnInfo: l.users.appendInfo(nil, s.who),
		ChanInfo: chanInfo,
	})
}
