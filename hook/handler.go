package hook

import (
	"context"
	"fmt"

	"github.com/seed4ac54ce5/edge/server"
)

// RefreshFunc is what a node asks when a client's time has come. Expired, or an error that is a [server.Disconnect],
// ends the client; after any other error the node asks again later, so that a backend that is down costs nobody a
// connection that stands. [Hooks.Refresh] is one.
type RefreshFunc func(context.Context, *RefreshRequest) (*RefreshResult, error)

// SubRefreshFunc is the same for a subscriber and its room. [Hooks.SubRefresh] is one.
type SubRefreshFunc func(context.Context, *SubRefreshRequest) (*SubRefreshResult, error)

// Fill sets the functions of to whose events have an endpoint, and leaves the others alone.
func (h *Hooks) Fill(to *server.Handler) {
	if h.Configured(Connect) {
		to.Connect = h.handleConnect
	}
	if h.Configured(Subscribe) {
		to.Subscribe = h.handleSubscribe
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
}

func originOf(c server.Client) Origin { return Origin{Client: c.ID, User: c.User} }

func (h *Hooks) handleConnect(r *server.ConnectRequest) (reply server.ConnectReply, err error) {
	v, err := h.Connect(h.running, &ConnectRequest{
		Origin: Origin{Client: r.Client}, Token: r.Token, Data: r.Data, Name: r.Name,
	})
	if err == nil {
		err = keep(Connect, wish{"expire_at", v.ExpireAt != 0})
	}
	if err != nil {
		return reply, err
	}
	reply = server.ConnectReply{User: v.User, Info: v.Info, Data: v.Data}
	for _, s := range v.Subs {
		if err := s.kept(Connect); err != nil {
			return server.ConnectReply{}, err
		}
		reply.Subs = append(reply.Subs, server.Subscription{Room: s.Room, Info: s.Info, Data: s.Data})
	}
	return reply, nil
}

func (h *Hooks) handleSubscribe(c server.Client, r *server.SubscribeRequest) (reply server.SubscribeReply, err error) {
	v, err := h.Subscribe(h.running, &SubscribeRequest{Origin: originOf(c), Room: r.Room, Data: r.Data})
	if err == nil {
		err = v.kept(Subscribe)
	}
	if err != nil {
		return reply, err
	}
	return server.SubscribeReply{Info: v.Info, Data: v.Data}, nil
}

func (h *Hooks) handlePublish(c server.Client, r *server.PublishRequest) (reply server.PublishReply, err error) {
	v, err := h.Publish(h.running, &PublishRequest{Origin: originOf(c), Room: r.Room, Data: r.Data})
	if err == nil {
		err = keep(Publish, wish{"skip_history", v.SkipHistory}, wish{"tags", len(v.Tags) > 0},
			wish{"idempotency_key", v.IdempotencyKey != ""}, wish{"version", v.Version != 0})
	}
	if err != nil {
		return reply, err
	}
	return server.PublishReply{Data: v.Data}, nil
}

func (h *Hooks) handleRPC(c server.Client, r *server.RPCRequest) ([]byte, error) {
	v, err := h.RPC(h.running, &RPCRequest{Origin: originOf(c), Method: r.Method, Data: r.Data})
	if err != nil {
		return nil, err
	}
	return v.Data, nil
}

func (h *Hooks) handleDisconnect(c server.Client, why server.Disconnect) {
	h.Disconnect(&DisconnectEvent{Origin: originOf(c), Why: why})
}

// wish is a field of a result and whether it asks for something.
type wish struct {
	field string
	asked bool
}

// keep returns an error for the first wish that a server.Handler has no place for: what the application relies on,
// such as an end in time, is refused rather than half obeyed. Fields that only grant more or save work, such as caps
// and delta, may be left out.
func keep(event Event, wishes ...wish) error {
	for _, w := range wishes {
		if w.asked {
			return fmt.Errorf("hook: %v: the node cannot do what %s of the result asks for", event, w.field)
		}
	}
	return nil
}

func (r *SubscribeResult) kept(event Event) error {
	return keep(event, wish{"expire_at", r.ExpireAt != 0}, wish{"override", r.Override != Override{}})
}
