package api

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/seed4ac54ce5/edge/protocol"
)

func (h *Handler) presence(ctx context.Context, r *ChannelRequest) (any, error) {
	if r.Channel == "" {
		return nil, protocol.ErrBadRequest
	}
	clients, err := h.node.Presence(ctx, r.Channel)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]ClientInfo, len(clients))
	for _, c := range clients {
		c.Settle()
		byID[c.Client] = c
	}
	return PresenceResult{byID}, nil
}

func (h *Handler) presenceStats(ctx context.Context, r *ChannelRequest) (any, error) {
	if r.Channel == "" {
		return nil, protocol.ErrBadRequest
	}
	clients, users, err := h.node.PresenceStats(ctx, r.Channel)
	if err != nil {
		return nil, err
	}
	return PresenceStatsResult{clients, users}, nil
}

func (h *Handler) history(ctx context.Context, r *HistoryRequest) (any, error) {
	if r.Channel == "" || r.Reverse && r.Since != nil && r.Since.Offset == 0 {
		return nil, protocol.ErrBadRequest
	}
	past, err := h.node.History(ctx, r.Channel, r.HistoryOptions)
	if err != nil {
		return nil, err
	}
	result := HistoryResult{make([]Publication, 0, len(past.Publications)), past.Epoch, past.Offset}
	for _, p := range past.Publications {
		p.Settle()
		result.Publications = append(result.Publications, p)
	}
	return result, nil
}

func (h *Handler) historyRemove(ctx context.Context, r *ChannelRequest) (any, error) {
	if r.Channel == "" {
		return nil, protocol.ErrBadRequest
	}
	return done(h.node.RemoveHistory(ctx, r.Channel))
}

func (h *Handler) channels(ctx context.Context, r *ChannelsRequest) (any, error) {
	match, err := compileGlob(r.Pattern)
	if err != nil {
		return nil, protocol.ErrBadRequest
	}
	rooms, err := h.node.Rooms(ctx, match)
	if err != nil {
		return nil, err
	}
	result := ChannelsResult{make(map[string]ChannelInfo, len(rooms))}
	for room, clients := range rooms {
		result.Channels[room] = ChannelInfo{clients}
	}
	return result, nil
}

func (h *Handler) info(ctx context.Context, _ *struct{}) (any, error) {
	nodes, err := h.node.Info(ctx)
	if err != nil {
		return nil, err
	}
	return InfoResult{nodes}, nil
}

// errResult says that an application has broken its side of [Options.RPC].
var errResult = errors.New("api: the result of the application's function is not JSON")

func (h *Handler) rpc(ctx context.Context, r *RPCRequest) (any, error) {
	switch {
	case r.Method == "":
		return nil, protocol.ErrBadRequest
	case h.options.RPC == nil:
		return nil, protocol.ErrMethodNotFound
	}
	data, err := h.options.RPC(ctx, r.Method, r.Params)
	if err != nil {
		return nil, err
	}
	if data != nil && !protocol.ValidJSON(data) {
		return nil, errResult
	}
	return RPCResult{data}, nil
}

// Settle moves what is no JSON to where it can be told in base64.
func (p *Publication) Settle() {
	p.Data, p.B64Data = settled(p.Data)
	if p.Info != nil {
		info := *p.Info
		info.Settle()
		p.Info = &info
	}
}

// Settle does the same.
func (c *ClientInfo) Settle() {
	c.ConnInfo, c.B64ConnInfo = settled(c.ConnInfo)
	c.ChanInfo, c.B64ChanInfo = settled(c.ChanInfo)
}

func settled(value json.RawMessage) (raw json.RawMessage, other []byte) {
	if len(value) == 0 || protocol.ValidJSON(value) {
		return value, nil
	}
	return nil, value
}
