// Package client calls the HTTP API of a node from Go.
//
//	c := client.New("http://127.0.0.1:9000", client.Options{Key: key})
//	_, err := c.Publish(ctx, api.PublishRequest{Channel: "news", Data: json.RawMessage(`{"text":"hello"}`)})
//
// A negative answer is an [*api.Error], which errors.Is compares with those of package protocol. An HTTP status other
// than 200 is a [StatusError]. What fails is not tried again: that is for the caller to decide, who gives publications
// an idempotency key for it.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/seed4ac54ce5/edge/api"
)

// Client calls one node. Any goroutine may use it.
type Client struct {
	address string // without a slash at its end
	options Options
}

// Options says how to call.
type Options struct {
	Key         string
	HTTP        *http.Client // nil for http.DefaultClient; contexts bound the time of a call
	AnswerLimit int64        // bytes; 64 MiB
}

const defaultAnswerLimit = 64 << 20

// New returns a client of the node whose internal listener is at address, like http://127.0.0.1:9000.
func New(address string, o Options) *Client {
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.AnswerLimit <= 0 {
		o.AnswerLimit = defaultAnswerLimit
	}
	return &Client{strings.TrimSuffix(address, "/"), o}
}

// StatusError is an answer that is none of the API's: 401 for a wrong key, 413 for a request too large.
type StatusError struct {
	Status int
}

// Error returns the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("client: HTTP status %d %s", e.Status, http.StatusText(e.Status))
}

// ErrAnswerTooLarge says that an answer was over [Options.AnswerLimit]. What was asked for has happened.
var ErrAnswerTooLarge = errors.New("client: answer too large")

// Publish publishes in one room and returns where.
func (c *Client) Publish(ctx context.Context, r api.PublishRequest) (api.Position, error) {
	return call[api.Position](ctx, c, "publish", r)
}

// Broadcast publishes the same in many rooms. Those that refused it are errors in the result.
func (c *Client) Broadcast(ctx context.Context, r api.BroadcastRequest) (api.BroadcastResult, error) {
	return call[api.BroadcastResult](ctx, c, "broadcast", r)
}

// Subscribe puts clients into a room.
func (c *Client) Subscribe(ctx context.Context, r api.SubscribeRequest) error {
	return order(ctx, c, "subscribe", r)
}

// Unsubscribe takes clients out of a room.
func (c *Client) Unsubscribe(ctx context.Context, r api.UnsubscribeRequest) error {
	return order(ctx, c, "unsubscribe", r)
}

// Disconnect ends clients' conns.
func (c *Client) Disconnect(ctx context.Context, r api.DisconnectRequest) error {
	return order(ctx, c, "disconnect", r)
}

// Refresh changes how long clients may stay.
func (c *Client) Refresh(ctx context.Context, r api.RefreshRequest) error {
	return order(ctx, c, "refresh", r)
}

// Revoke makes tokens void.
func (c *Client) Revoke(ctx context.Context, r api.RevokeRequest) error {
	return order(ctx, c, "revoke", r)
}

// Presence returns who is in a room, by client id.
func (c *Client) Presence(ctx context.Context, room string) (map[string]api.ClientInfo, error) {
	result, err := call[api.PresenceResult](ctx, c, "presence", api.ChannelRequest{Channel: room})
	return result.Presence, err
}

// PresenceStats returns how many are in a room.
func (c *Client) PresenceStats(ctx context.Context, room string) (api.PresenceStatsResult, error) {
	return call[api.PresenceStatsResult](ctx, c, "presence_stats", api.ChannelRequest{Channel: room})
}

// History returns a part of a room's past, and its position.
func (c *Client) History(ctx context.Context, r api.HistoryRequest) (api.HistoryResult, error) {
	return call[api.HistoryResult](ctx, c, "history", r)
}

// RemoveHistory makes a room forget its past.
func (c *Client) RemoveHistory(ctx context.Context, room string) error {
	return order(ctx, c, "history_remove", api.ChannelRequest{Channel: room})
}

// Channels returns the rooms with clients in them whose names match a pattern, "" for all.
func (c *Client) Channels(ctx context.Context, pattern string) (map[string]api.ChannelInfo, error) {
	result, err := call[api.ChannelsResult](ctx, c, "channels", api.ChannelsRequest{Pattern: pattern})
	return result.Channels, err
}

// Info returns the figures of the nodes.
func (c *Client) Info(ctx context.Context) ([]api.NodeInfo, error) {
	result, err := call[api.InfoResult](ctx, c, "info", struct{}{})
	return result.Nodes, err
}

// RPC calls a function of the application that the node is part of.
func (c *Client) RPC(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	result, err := call[api.RPCResult](ctx, c, "rpc", api.RPCRequest{Method: method, Params: params})
	return result.Data, err
}

// order is call for methods whose result is empty.
func order(ctx context.Context, c *Client, method string, request any) error {
	_, err := call[struct{}](ctx, c, method, request)
	return err
}

// call returns the result of a method.
func call[R any](ctx context.Context, c *Client, method string, request any) (result R, err error) {
	var reply struct {
		Result *R         `json:"result"`
		Error  *api.Error `json:"error"`
	}
	if err := c.post(ctx, method, request, &reply); err != nil {
		return result, err
	}
	switch {
	case reply.Error != nil:
		return result, reply.Error
	case reply.Result == nil:
		return result, errNoAnswer
	}
	return *reply.Result, nil
}

// errNoAnswer says that whoever answered speaks something else.
var errNoAnswer = errors.New("client: answer without a result or an error")

// post sends a request to a method and reads the answer into reply.
func (c *Client) post(ctx context.Context, method string, request, reply any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("client: %s: %w", method, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address+api.Prefix+"/"+method, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("client: %s: %w", method, err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.options.Key) // which is not sent on to where a redirect leads
	answer, err := c.do(r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, reply); err != nil {
		return fmt.Errorf("client: answer to %s: %w", method, err)
	}
	return nil
}

// do returns the body of the answer to r, which has status 200.
func (c *Client) do(r *http.Request) ([]byte, error) {
	w, err := c.options.HTTP.Do(r)
	if err != nil {
		return nil, err // it names method and address
	}
	defer func() { _ = w.Body.Close() }()
	if w.StatusCode != http.StatusOK {
		return nil, &StatusError{w.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(w.Body, c.options.AnswerLimit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: answer: %w", err)
	case int64(len(body)) > c.options.AnswerLimit:
		return nil, ErrAnswerTooLarge
	}
	return body, nil
}
