package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/seed4ac54ce5/edge/server"
)

// gate is what a *server.Server knows of who may do what.
type gate interface {
	Admit(*server.ConnectRequest) (server.ConnectReply, error)
	SocketMayEnter(ctx context.Context, of server.Socket, room string) (server.Client, error)
	PublishBySocket(ctx context.Context, by server.Socket, room string, data []byte, o server.PublishOptions) (server.PublishResult, error)
	SocketTypes(ctx context.Context, by server.Socket, room string, on bool) error
	PresenceForSocket(ctx context.Context, by server.Socket, room string) ([]server.ClientInfo, error)
	HistoryForSocket(ctx context.Context, by server.Socket, room string, o server.HistoryOptions) (server.History, error)
}

// gate returns the node as far as it knows.
func (io *IO) gate() gate { return io.node().(gate) }

// UseTokens has the node's own gate decide about clients that wish to enter, as it does about those of the other protocol: by the
// token in their auth, {"token":"…"}, by Handler.Connect, or by what the configuration says of clients without a token. A session
// ends with its token, and when that is revoked: the client comes back by itself, with the token that its auth function gives
// it then. Who is refused gets a connect_error whose data is {"code":…,"message":…}, as the other protocol has them.
func (n *Namespace) UseTokens() { n.Use((*Handshake).Admit) }

// Admit is what [Namespace.UseTokens] asks of each client, for functions that decide more. It sets User, Info and Rooms: those of
// the rooms that a token names which are rooms of this namespace.
func (h *Handshake) Admit() error {
	var auth struct {
		Token string          `json:"token"`
		Data  json.RawMessage `json:"data"`
	}
	if h.BindAuth(&auth) != nil {
		return Refusal(server.ErrBadRequest)
	}
	grant, err := h.io.gate().Admit(&server.ConnectRequest{
		Client: h.ID, Protocol: "json", Transport: "socketio", Address: h.Address, Header: h.Header,
		Token: []byte(auth.Token), Data: auth.Data, Name: "socket.io",
	})
	if err != nil {
		return Refusal(err)
	}
	h.Grant, h.User, h.Info = &grant, grant.User, grant.Info
	for i := range grant.Subs {
		if room, ok := roomIn(h.Namespace, grant.Subs[i].Room); ok && !slices.Contains(h.Rooms, room) {
			h.Rooms = append(h.Rooms, room)
		}
	}
	return nil
}

// code is what the other protocol says of what went wrong.
type code struct {
	Code    uint32 `json:"code"`
	Message string `json:"message"`
}

// codeOf returns that of an error; false for one that is not for clients.
func codeOf(err error) (code, bool) {
	var (
		refusal *server.Error
		end     server.Disconnect
	)
	switch {
	case errors.As(err, &refusal):
		return code{refusal.Code, refusal.Message}, true
	case errors.As(err, &end):
		return code{uint32(end.Code), end.Reason}, true
	case errors.Is(err, server.ErrRoomLimit):
		return code{106, "limit exceeded"}, true
	}
	return code{100, "internal server error"}, false
}

// channelOf returns what the other protocol calls a room whose namespace is mapped.
func channelOf(namespace, room string) string {
	if namespace == "/" {
		return room
	}
	return namespace[1:] + ":" + room
}

// roomIn is the way back: the room of a namespace that is a channel.
func roomIn(namespace, channel string) (room string, ok bool) {
	if namespace == "/" {
		return channel, true
	}
	return strings.CutPrefix(channel, namespace[1:]+":")
}
