package server

import (
	"bytes"
	"encoding/json"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// The methods that the node answers itself. Their parameters and results are JSON.
const (
	methodPublish = "edge.publish" // publish, and learn offset and epoch
	methodAck     = "edge.ack"     // acknowledge a position of a durable room
	methodTyping  = "edge.typing"  // type, or stop
)

// rpc answers a client's call: one of the node's methods, or the application's.
func (l *loop) rpc(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	r := &cmd.RPC
	switch string(r.Method) {
	case methodPublish:
		l.rpcPublish(c, s, cmd.ID, r.Data)
	case methodAck:
		l.rpcAck(c, s, cmd.ID, r.Data)
	case methodTyping:
		l.rpcTyping(c, s, cmd.ID, r.Data)
	default:
		l.askRPC(c, s, cmd.ID, r)
	}
}

// askRPC has the application answer.
func (l *loop) askRPC(c *netpoll.Conn, s *session, id uint32, r *protocol.RPCRequest) {
	h := &l.server.handler
	if h.RPC == nil {
		l.replyError(s, id, protocol.ErrNotAvailable)
		return
	}
	who := l.clientOf(c, s)
	req := &RPCRequest{Method: string(r.Method), Data: bytes.Clone(r.Data)}
	ask(l, c, s, id, func() ([]byte, error) { return h.RPC(who, req) }, func(c *netpoll.Conn, s *session, data []byte) {
		if l.suits(c, s, data) {
			l.replyRPC(s, id, data)
		}
	})
}

func (l *loop) replyRPC(s *session, id uint32, data []byte) {
	l.replies = s.encoding().AppendRPCReply(l.reply(s), id, data)
}

// message hands over what a client sends without expecting an answer.
func (l *loop) send(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	h := &l.server.handler
	if h.Message == nil {
		l.disconnect(c, s, protocol.DisconnectNotAvailable)
		return
	}
	who, data := l.clientOf(c, s), bytes.Clone(cmd.Send.Data)
	run := func() (struct{}, error) { return struct{}{}, h.Message(who, data) }
	ask(l, c, s, 0, run, func(*netpoll.Conn, *session, struct{}) {})
}

// callOn is the parameters of the node's own methods.
type callOn struct {
	Channel   string          `json:"channel"`
	Data      json.RawMessage `json:"data"`
	Key       string          `json:"key"`
	Ephemeral bool            `json:"ephemeral"`
	Offset    uint64          `json:"offset"`
	Epoch     string          `json:"epoch"`
	Typing    bool            `json:"typing"`
}

// parameters reads them, and answers the call if they are no good.
func (l *loop) parameters(s *session, id uint32, data []byte) (p callOn, ok bool) {
	if json.Unmarshal(data, &p) != nil || p.Channel == "" {
		l.replyError(s, id, protocol.ErrBadRequest)
		return p, false
	}
	return p, true
}

// rpcPublish publishes as the publish command does, with what that has no fields for.
func (l *loop) rpcPublish(c *netpoll.Conn, s *session, id uint32, data []byte) {
	p, ok := l.parameters(s, id, data)
	if !ok {
		return
	}
	o := offer{id: id, rpc: true, room: []byte(p.Channel), data: p.Data, options: PublishOptions{Ephemeral: p.Ephemeral, Key: p.Key}}
	ns, err := l.checkPublish(c, s, &protocol.PublishRequest{Channel: o.room, Data: o.data})
	if err != nil {
		l.replyError(s, id, err)
		return
	}
	l.release(c, s, ns, o)
}

// appendPosition appends p as a JSON object, an empty one for none.
func appendPosition(dst []byte, p hub.Position) []byte {
	var at struct {
		Offset uint64 `json:"offset,omitempty"`
		Epoch  string `json:"epoch,omitempty"`
	}
	if p != (hub.Position{}) {
		at.Offset, at.Epoch = p.Offset, string(appendEpoch(nil, p.Epoch))
	}
	b, _ := json.Marshal(at) // such a struct always has a form
	return append(dst, b...)
}

// emptyObject is the result of a method that has nothing to say.
var emptyObject = []byte("{}")

// rpcAck acknowledges a position.
func (l *loop) rpcAck(c *netpoll.Conn, s *session, id uint32, data []byte) {
	p, ok := l.parameters(s, id, data)
	if !ok {
		return
	}
	ns, err := l.room([]byte(p.Channel))
	if err == nil {
		err = l.acknowledge(c, []byte(p.Channel), ns, hub.Position{Offset: p.Offset, Epoch: parseEpoch([]byte(p.Epoch))})
	}
	if err != nil {
		l.replyError(s, id, err)
		return
	}
	l.replyRPC(s, id, emptyObject)
}

// rpcTyping takes note of a typist.
func (l *loop) rpcTyping(c *netpoll.Conn, s *session, id uint32, data []byte) {
	p, ok := l.parameters(s, id, data)
	if !ok {
		return
	}
	ns, err := l.checkTyping(c, s, []byte(p.Channel))
	if err != nil {
		l.replyError(s, id, err)
		return
	}
	l.setTyping(c, s, p.Channel, ns, p.Typing)
	l.replyRPC(s, id, emptyObject)
}

// checkTyping returns the namespace of the room where a client types: it must be in it and may publish there.
func (l *loop) checkTyping(c *netpoll.Conn, s *session, room []byte) (*namespace, *protocol.Error) {
	if l.server.full.Load() > 0 {
		l.counts.Limited[metrics.LimitFanout]++
		return nil, protocol.ErrTooManyRequests
	}
	ns, err := l.room(room)
	switch {
	case err != nil:
		return nil, err
	case !l.rosters.Subscribed(&s.subs, room) || !l.permitted(ns.publishing(), c, s, room):
		return nil, protocol.ErrPermissionDenied
	}
	return ns, nil
}
