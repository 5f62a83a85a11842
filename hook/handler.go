package hook

import (
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// Fill sets the functions of to whose events have an endpoint, and leaves the others alone. It adds the headers that
// endpoints forward to those that the node keeps.
func (h *Hooks) Fill(to *server.Handler) {
	if h.Configured(Connect) {
		to.Connect = h.handleConnect
	}
	if h.Configured(Refresh) {
		to.Refresh = h.handleRefresh
	}
	if h.Configured(Subscribe) {
		to.Subscribe = h.handleSubscribe
	}
	if h.Configured(SubRefresh) {
		to.SubRefresh = h.handleSubRefresh
	}
	if h.Configured(Publish) {
		to.Publish = h.handlePublish
	}
	if h.Configured(RPC) {
		to.RPC = h.handleRPC
	}
	if h.Configured(Disconnect) {
		to.Disconnect = h.handleDisconnect
	}
	h.fillHeaders(to)
}

func (h *Hooks) fillHeaders(to *server.Handler) {
	for event, e := range h.endpoints[:SocketConnect] { // sockets have the whole header
		if e != nil && len(e.options.ForwardHeaders) > 0 {
			to.Headers = append(to.Headers, e.options.ForwardHeaders...)
			to.KeepHeaders = to.KeepHeaders || Event(event) != Connect
		}
	}
}

func originOf(c *server.Client) Origin {
	return Origin{Client: c.ID, User: c.User, Transport: c.Transport, Protocol: c.Protocol, Meta: c.Meta, Header: c.Header}
}

// timeOf returns a moment of a result; 0 is the zero time.
func timeOf(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

func (h *Hooks) handleConnect(r *server.ConnectRequest) (reply server.ConnectReply, err error) {
	v, err := h.Connect(h.running, &ConnectRequest{
		Origin:  Origin{Client: r.Client, Transport: r.Transport, Protocol: r.Protocol, Header: r.Header},
		Address: r.Address, Token: r.Token, Data: r.Data, Name: r.Name, Version: r.Version, Rooms: r.Rooms,
	})
	if err != nil {
		return reply, err
	}
	reply = server.ConnectReply{
		User: v.User, Info: v.Info, Data: v.Data, Meta: v.Meta, Capabilities: v.Caps, ExpireAt: timeOf(v.ExpireAt),
	}
	for i := range v.Subs {
		s := &v.Subs[i]
		reply.Subs = append(reply.Subs, server.Subscription{
			Room: s.Room, Info: s.Info, Data: s.Data, ExpireAt: timeOf(s.ExpireAt), Override: s.Override,
		})
	}
	return reply, nil
}

func (h *Hooks) handleRefresh(c server.Client) (reply server.RefreshReply, err error) {
	v, err := h.Refresh(h.running, &RefreshRequest{originOf(&c)})
	if err != nil {
		return reply, err
	}
	return server.RefreshReply{
		Expired: v.Expired, ExpireAt: timeOf(v.ExpireAt), Info: v.Info, Meta: v.Meta, Capabilities: v.Caps,
	}, nil
}

func (h *Hooks) handleSubscribe(c server.Client, r *server.SubscribeRequest) (reply server.SubscribeReply, err error) {
	v, err := h.Subscribe(h.running, &SubscribeRequest{Origin: originOf(&c), Room: r.Room, Token: r.Token, Data: r.Data})
	if err != nil {
		return reply, err
	}
	return server.SubscribeReply{Info: v.Info, Data: v.Data, ExpireAt: timeOf(v.ExpireAt), Override: v.Override}, nil
}

func (h *Hooks) handleSubRefresh(c server.Client, r *server.SubRefreshRequest) (reply server.SubRefreshReply, err error) {
	v, err := h.SubRefresh(h.running, &SubRefreshRequest{Origin: originOf(&c), Room: r.Room})
	if err != nil {
		return reply, err
	}
	return server.SubRefreshReply{Expired: v.Expired, ExpireAt: timeOf(v.ExpireAt), Info: v.Info}, nil
}

func (h *Hooks) handlePublish(c server.Client, r *server.PublishRequest) (reply server.PublishReply, err error) {
	v, err := h.Publish(h.running, &PublishRequest{Origin: originOf(&c), Room: r.Room, Data: r.Data})
	if err != nil {
		return reply, err
	}
	return server.PublishReply{Data: v.Data, PublishOptions: server.PublishOptions{
		IdempotencyKey: v.IdempotencyKey,
		Version:        v.Version,
		VersionEpoch:   v.VersionEpoch,
		Ephemeral:      v.SkipHistory,
		Tags:           v.Tags,
	}}, nil
}

func (h *Hooks) handleRPC(c server.Client, r *server.RPCRequest) ([]byte, error) {
	v, err := h.RPC(h.running, &RPCRequest{Origin: originOf(&c), Method: r.Method, Data: r.Data})
	if err != nil {
		return nil, err
	}
	return v.Data, nil
}

func (h *Hooks) handleDisconnect(c server.Client, why server.Disconnect) {
	h.Disconnect(&DisconnectEvent{Origin: originOf(&c), Why: why})
}
