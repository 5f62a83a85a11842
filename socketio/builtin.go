package socketio

import (
	"context"
	"encoding/json"

	"github.com/seed4ac54ce5/edge/server"
)

// Builtin names the events of [Namespace.UseBuiltin].
var Builtin = []string{"join", "leave", "publish", "presence", "history", "typing"}

// UseBuiltin has the node answer the events join, leave, publish, presence, history and typing, so that a chat needs no code. Its
// rooms must be channels (server.SocketIO.RoomsAsChannels): the options of those say who may do what. docs/socketio.md has
// what each takes and what it acknowledges with.
func (n *Namespace) UseBuiltin() {
	n.onBuiltin("join", n.builtinJoin)
	n.onBuiltin("leave", n.builtinLeave)
	n.onBuiltin("publish", n.builtinPublish)
	n.onBuiltin("presence", n.builtinPresence)
	n.onBuiltin("history", n.builtinHistory)
	n.onBuiltin("typing", n.builtinTyping)
}

// request is the one argument of a built-in event. In place of it the bare name of a room will do.
type request struct {
	Room    string                  `json:"room"`
	Event   string                  `json:"event"`
	Data    json.RawMessage         `json:"data"`
	Typing  *bool                   `json:"typing"`
	Limit   int                     `json:"limit"`
	Since   *server.HistoryPosition `json:"since"`
	Reverse bool                    `json:"reverse"`
}

// channel returns what the node calls the room.
func (r *request) channel(s *Socket) string { return channelOf(s.ns.name, r.Room) }

// Answers of built-in events. Each has ok, so that one look tells it from an error.
type (
	okAnswer struct {
		OK bool `json:"ok"` // true
	}
	joinAnswer struct {
		okAnswer
		Client string `json:"client"` // what others are shown of this one
		User   string `json:"user"`
	}
	publishAnswer struct {
		okAnswer
		position
	}
	presenceAnswer struct {
		okAnswer
		Clients []server.ClientInfo `json:"clients"`
	}
	historyAnswer struct {
		okAnswer
		Publications []server.HistoryPublication `json:"publications"`
		position
	}
	position struct {
		Offset uint64 `json:"offset,omitempty"`
		Epoch  string `json:"epoch,omitempty"`
	}
	errorAnswer struct {
		Error code `json:"error"`
	}
)

var fine = okAnswer{true}

// onBuiltin has f answer an event: with what it returns, or with its error as the other protocol has it.
func (n *Namespace) onBuiltin(event string, f func(context.Context, *Socket, *request) (any, error)) {
	n.On(event, func(s *Socket, e *Event) error {
		var r request
		err := readRequest(e, &r)
		var answer any
		if err == nil {
			answer, err = f(context.Background(), s, &r)
		}
		if err == nil {
			return e.Ack(answer)
		}
		return Answer(e, err)
	})
}

// readRequest reads the argument of a built-in event.
func readRequest(e *Event, r *request) error {
	arg := e.Arg(0)
	if len(arg.attachments) > 0 {
		return server.ErrBadRequest // other clients could not read it
	}
	if raw := arg.JSON(); raw[0] == '"' {
		if json.Unmarshal(raw, &r.Room) != nil {
			return server.ErrBadRequest
		}
	} else if json.Unmarshal(raw, r) != nil {
		return server.ErrBadRequest
	}
	if r.Room == "" {
		return server.ErrBadRequest
	}
	return nil
}

func (n *Namespace) builtinJoin(ctx context.Context, s *Socket, r *request) (any, error) {
	who, err := n.io.gate().SocketMayEnter(ctx, s.key, r.channel(s))
	if err != nil {
		return nil, err
	}
	return joinAnswer{fine, who.ID, who.User}, s.Join(r.Room)
}

func (n *Namespace) builtinLeave(_ context.Context, s *Socket, r *request) (any, error) {
	return fine, s.Leave(r.Room)
}

// The tag that says under which name clients of Socket.IO get a publication.
const eventTag = "event"

func (n *Namespace) builtinPublish(ctx context.Context, s *Socket, r *request) (any, error) {
	var o server.PublishOptions
	if r.Event != "" {
		if checkName(r.Event) != nil {
			return nil, server.ErrBadRequest
		}
		o.Tags = map[string]string{eventTag: r.Event}
	}
	result, err := n.io.gate().PublishBySocket(ctx, s.key, r.channel(s), r.Data, o)
	return publishAnswer{fine, position(result.Position)}, err
}

func (n *Namespace) builtinPresence(ctx context.Context, s *Socket, r *request) (any, error) {
	clients, err := n.io.gate().PresenceForSocket(ctx, s.key, r.channel(s))
	return presenceAnswer{fine, clients}, err
}

func (n *Namespace) builtinHistory(ctx context.Context, s *Socket, r *request) (any, error) {
	h, err := n.io.gate().HistoryForSocket(ctx, s.key, r.channel(s), server.HistoryOptions{Limit: r.Limit, Since: r.Since, Reverse: r.Reverse})
	return historyAnswer{fine, append([]server.HistoryPublication{}, h.Publications...), position(h.Position)}, err
}

func (n *Namespace) builtinTyping(ctx context.Context, s *Socket, r *request) (any, error) {
	return fine, n.io.gate().SocketTypes(ctx, s.key, r.channel(s), r.Typing == nil || *r.Typing)
}
