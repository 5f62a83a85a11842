package api

import (
	"context"
	"encoding/base64"
	"encoding/json"

	"github.com/seed4ac54ce5/edge/protocol"
)

func (h *Handler) publish(ctx context.Context, r *PublishRequest) (any, error) {
	data, err := dataOf(r.Data, r.B64Data)
	if err != nil {
		return nil, err
	}
	return h.publishTo(ctx, r.Channel, data, &r.PublishOptions)
}

func (h *Handler) broadcast(ctx context.Context, r *BroadcastRequest) (any, error) {
	data, err := dataOf(r.Data, r.B64Data)
	switch {
	case err != nil:
		return nil, err
	case len(r.Channels) == 0:
		return nil, protocol.ErrBadRequest
	case len(r.Channels) > h.options.BatchLimit:
		return nil, protocol.ErrLimitExceeded
	}
	responses := make([]PublishResponse, len(r.Channels))
	each(len(r.Channels), maxParallel, func(i int) {
		err := guard(func() (err error) {
			responses[i].Result, err = h.publishTo(ctx, r.Channels[i], data, &r.PublishOptions)
			return err
		})
		if err != nil {
			responses[i] = PublishResponse{Error: h.refusal("broadcast", err)}
		}
	})
	return BroadcastResult{responses}, nil
}

func (h *Handler) publishTo(ctx context.Context, room string, data []byte, o *PublishOptions) (*Position, error) {
	if room == "" {
		return nil, protocol.ErrBadRequest
	}
	at, err := h.node.Publish(ctx, room, data, *o)
	return &at, err
}

// dataOf returns what a publication carries, which it must.
func dataOf(data json.RawMessage, b64 string) ([]byte, error) {
	value, err := valueOf(data, b64)
	if err == nil && value == nil {
		return nil, protocol.ErrBadRequest
	}
	return value, err
}

// valueOf returns the bytes that b64 stands for, or else those of data, nil for neither. What claims to be JSON must be
// what clients can read: a publication that is not ends the conns of those who speak nothing else.
func valueOf(data json.RawMessage, b64 string) ([]byte, error) {
	if b64 != "" {
		value, err := base64.StdEncoding.DecodeString(b64)
		if err != nil {
			return nil, protocol.ErrBadRequest
		}
		return value, nil
	}
	if data != nil && !protocol.ValidJSON(data) {
		return nil, protocol.ErrBadRequest
	}
	return data, nil
}
