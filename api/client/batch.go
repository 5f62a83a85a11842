package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed4ac54ce5/edge/api"
)

// Batch is several requests that go out as one. It is built and sent by one goroutine, once.
//
//	b := c.NewBatch()
//	at := b.Publish(api.PublishRequest{Channel: "news", Data: data})
//	who := b.PresenceStats("news")
//	if err := b.Send(ctx); err != nil { … }
//	position, err := at.Get()
type Batch struct {
	// Parallel has the node run the requests in no order.
	Parallel bool

	client   *Client
	commands []map[string]any
	takers   []func(entry map[string]json.RawMessage)
}

// NewBatch returns an empty batch.
func (c *Client) NewBatch() *Batch { return &Batch{client: c} }

// Reply is what will have come of one request of a batch.
type Reply[R any] struct {
	result R
	err    error
}

// ErrNotSent is what there is to [Reply.Get] before the batch has been answered.
var ErrNotSent = errors.New("client: batch has not been answered")

// Get returns the result or the error.
func (r *Reply[R]) Get() (R, error) { return r.result, r.err }

// Publish adds a publication in one room.
func (b *Batch) Publish(r api.PublishRequest) *Reply[api.Position] {
	return add[api.Position](b, "publish", r)
}

// Broadcast adds one in many rooms.
func (b *Batch) Broadcast(r api.BroadcastRequest) *Reply[api.BroadcastResult] {
	return add[api.BroadcastResult](b, "broadcast", r)
}

// Subscribe adds clients to be put into a room.
func (b *Batch) Subscribe(r api.SubscribeRequest) *Reply[struct{}] {
	return add[struct{}](b, "subscribe", r)
}

// Unsubscribe adds clients to be taken out of a room.
func (b *Batch) Unsubscribe(r api.UnsubscribeRequest) *Reply[struct{}] {
	return add[struct{}](b, "unsubscribe", r)
}

// Disconnect adds clients whose conns are to end.
func (b *Batch) Disconnect(r api.DisconnectRequest) *Reply[struct{}] {
	return add[struct{}](b, "disconnect", r)
}

// Refresh adds clients whose stay is to change.
func (b *Batch) Refresh(r api.RefreshRequest) *Reply[struct{}] {
	return add[struct{}](b, "refresh", r)
}

// Revoke adds tokens to be void.
func (b *Batch) Revoke(r api.RevokeRequest) *Reply[struct{}] {
	return add[struct{}](b, "revoke", r)
}

// Presence adds the question who is in a room.
func (b *Batch) Presence(room string) *Reply[api.PresenceResult] {
	return add[api.PresenceResult](b, "presence", api.ChannelRequest{Channel: room})
}

// PresenceStats adds the question how many.
func (b *Batch) PresenceStats(room string) *Reply[api.PresenceStatsResult] {
	return add[api.PresenceStatsResult](b, "presence_stats", api.ChannelRequest{Channel: room})
}

// History adds the question for a room's past.
func (b *Batch) History(r api.HistoryRequest) *Reply[api.HistoryResult] {
	return add[api.HistoryResult](b, "history", r)
}

// RemoveHistory adds a room that is to forget its past.
func (b *Batch) RemoveHistory(room string) *Reply[struct{}] {
	return add[struct{}](b, "history_remove", api.ChannelRequest{Channel: room})
}

// Channels adds the question for rooms by a pattern.
func (b *Batch) Channels(pattern string) *Reply[api.ChannelsResult] {
	return add[api.ChannelsResult](b, "channels", api.ChannelsRequest{Pattern: pattern})
}

// Info adds the question for the nodes' figures.
func (b *Batch) Info() *Reply[api.InfoResult] {
	return add[api.InfoResult](b, "info", struct{}{})
}

// RPC adds a call of the application's function.
func (b *Batch) RPC(method string, params json.RawMessage) *Reply[api.RPCResult] {
	return add[api.RPCResult](b, "rpc", api.RPCRequest{Method: method, Params: params})
}

// add puts a request at the end of b.
func add[R any](b *Batch, method string, request any) *Reply[R] {
	reply := &Reply[R]{err: ErrNotSent}
	b.commands = append(b.commands, map[string]any{method: request})
	b.takers = append(b.takers, func(entry map[string]json.RawMessage) { reply.take(method, entry) })
	return reply
}

// take reads the answer to a request of method.
func (r *Reply[R]) take(method string, entry map[string]json.RawMessage) {
	if refusal, ok := entry["error"]; ok {
		e := new(api.Error)
		if r.err = json.Unmarshal(refusal, e); r.err == nil {
			r.err = e
		}
		return
	}
	result, ok := entry[method]
	if !ok {
		r.err = errNoAnswer
		return
	}
	if r.err = json.Unmarshal(result, &r.result); r.err != nil {
		r.err = fmt.Errorf("client: answer to %s: %w", method, r.err)
	}
}

// Send sends b. Its error is that of the batch: then no reply has come. Errors of single requests are in their replies.
func (b *Batch) Send(ctx context.Context) error {
	request := map[string]any{"commands": b.commands, "parallel": b.Parallel}
	var answer struct {
		Replies []map[string]json.RawMessage `json:"replies"`
	}
	if len(b.commands) == 0 {
		return nil
	}
	if err := b.client.post(ctx, "batch", request, &answer); err != nil {
		return err
	}
	if len(answer.Replies) != len(b.takers) {
		return fmt.Errorf("client: %d replies to a batch of %d", len(answer.Replies), len(b.takers))
	}
	for i, take := range b.takers {
		take(answer.Replies[i])
	}
	return nil
}
