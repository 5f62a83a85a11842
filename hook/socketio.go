package hook

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/netip"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/socketio"
)

// SocketRequest is a client of Socket.IO's in a namespace, at its door, with an event, or at its end. Origin has the socket's id.
type SocketRequest struct {
	Origin
	Namespace string
	Address   netip.AddrPort // at the door; the zero value if that is not known
	Auth      []byte         // likewise: what the client says of itself, a JSON object

	Event       string            // its name
	Args        []json.RawMessage // with {"_placeholder":true,"num":i} for Attachments[i]
	Attachments [][]byte
	Ack         bool // the client asks for an acknowledgement

	Reason string   // at the end
	Rooms  []string // likewise: those that it was in
}

// SocketResult is what an application does about it.
type SocketResult struct {
	User string // at the door: who the client is, unless a token has said so
	Info []byte // likewise: JSON, shown to others as conn_info

	Ack        socketio.Args // what the client gets if it asks for an acknowledgement
	Emits      []Emit
	Joins      []string
	Leaves     []string
	Disconnect bool // the socket ends
}

// Emit is an event for sockets of the same namespace.
type Emit struct {
	To     []string // rooms; all sockets if there are none
	Except []string
	Event  string
	Args   socketio.Args
}

// wireSocket is a SocketResult as it is sent.
type wireSocket struct {
	User    string            `json:"user"`
	Info    json.RawMessage   `json:"info"`
	B64Info string            `json:"b64info"`
	Ack     []json.RawMessage `json:"ack"`
	Emits   []struct {
		To     []string          `json:"to"`
		Except []string          `json:"except"`
		Event  string            `json:"event"`
		Args   []json.RawMessage `json:"args"`
	} `json:"emits"`
	Joins       []string `json:"joins"`
	Leaves      []string `json:"leaves"`
	Disconnect  bool     `json:"disconnect"`
	Attachments []string `json:"attachments"` // base64
}

var errEmit = errors.New("an emit without an event")

func (w *wireSocket) result() (*SocketResult, error) {
	info, err := infoOf(w.Info, w.B64Info)
	if err != nil {
		return nil, err
	}
	var attachments [][]byte
	for _, text := range w.Attachments {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, errBase64
		}
		attachments = append(attachments, data)
	}
	r := &SocketResult{
		User: w.User, Info: info, Ack: socketio.NewArgs(w.Ack, attachments),
		Joins: w.Joins, Leaves: w.Leaves, Disconnect: w.Disconnect,
	}
	for _, e := range w.Emits {
		if e.Event == "" {
			return nil, errEmit
		}
		r.Emits = append(r.Emits, Emit{To: e.To, Except: e.Except, Event: e.Event, Args: socketio.NewArgs(e.Args, attachments)})
	}
	return r, nil
}

func (r *SocketRequest) wire() *wireRequest {
	return &wireRequest{
		User: &r.User, Namespace: r.Namespace, data: r.Auth, address: r.Address,
		Event: r.Event, Args: r.Args, Attachments: r.Attachments, Ack: r.Ack, Reason: r.Reason, Rooms: r.Rooms,
	}
}

// SocketConnect asks whether a client may enter a namespace, and as whom.
func (h *Hooks) SocketConnect(r *SocketRequest) (*SocketResult, error) {
	return ask(h.running, h.endpoints[SocketConnect], &r.Origin, r.wire(), (*wireSocket).result)
}

// SocketEvent has a client's event dealt with.
func (h *Hooks) SocketEvent(r *SocketRequest) (*SocketResult, error) {
	return ask(h.running, h.endpoints[SocketEvent], &r.Origin, r.wire(), (*wireSocket).result)
}

// SocketDisconnect queues the news that a socket has ended, and does not wait. It reports whether there was room.
func (h *Hooks) SocketDisconnect(r *SocketRequest) bool {
	return h.tell(SocketDisconnect, &r.Origin, r.wire())
}

// What a socket that backends hear of has of ours.
const (
	keyUser  = "hook.user"  // who it is
	keyFirst = "hook.first" // *SocketResult: what is to be done when it has entered
)

// ServeSockets has the node's gate decide about the clients of a namespace, as [socketio.Namespace.UseTokens] does, and the
// backends of the events SocketConnect, SocketEvent and SocketDisconnect do the rest, where they have an endpoint. A client without
// a token that the gate would refuse is for the backend to let in. Events for which own is true are not forwarded; own may be nil.
func (h *Hooks) ServeSockets(n *socketio.Namespace, own func(event string) bool) {
	n.Use(h.admitSocket)
	if h.Configured(SocketConnect) {
		n.OnConnect(h.welcomeSocket)
	}
	if h.Configured(SocketEvent) {
		n.OnAny(func(s *socketio.Socket, e *socketio.Event) error {
			if own != nil && own(e.Name) {
				return nil
			}
			return h.forward(s, e)
		})
	}
	if h.Configured(SocketDisconnect) {
		n.OnDisconnect(h.bye)
	}
}

// originOfSocket returns whose event it is.
func originOfSocket(id, user string) Origin {
	return Origin{Client: id, User: user, Transport: "socketio", Protocol: "json"}
}

// admitSocket decides about a client at the door.
func (h *Hooks) admitSocket(at *socketio.Handshake) error {
	err := at.Admit()
	if h.Configured(SocketConnect) && (err == nil || errors.Is(err, server.ErrUnauthorized)) {
		err = h.askAtDoor(at)
	}
	if err != nil {
		return err
	}
	if at.User != "" && (h.Configured(SocketEvent) || h.Configured(SocketDisconnect)) {
		setData(at, keyUser, at.User)
	}
	return nil
}

// askAtDoor has the backend decide about a client that has no token, or a good one.
func (h *Hooks) askAtDoor(at *socketio.Handshake) error {
	from := originOfSocket(at.ID, at.User)
	from.Header = at.Header
	r, err := h.SocketConnect(&SocketRequest{Origin: from, Namespace: at.Namespace, Address: at.Address, Auth: at.Auth})
	if err != nil {
		return socketio.Refusal(forClient(err))
	}
	if at.User == "" {
		at.User = r.User
	}
	if r.Info != nil {
		at.Info = r.Info
	}
	at.Rooms = append(at.Rooms, r.Joins...)
	if len(r.Emits) > 0 || r.Disconnect {
		setData(at, keyFirst, &SocketResult{Emits: r.Emits, Disconnect: r.Disconnect})
	}
	return nil
}

func setData(at *socketio.Handshake, key string, value any) {
	if at.Data == nil {
		at.Data = make(map[string]any)
	}
	at.Data[key] = value
}

// welcomeSocket does what is to be done when a socket has entered.
func (h *Hooks) welcomeSocket(s *socketio.Socket) {
	if r, ok := s.Get(keyFirst).(*SocketResult); ok {
		_ = s.Set(keyFirst, nil) // or it has gone
		_ = r.apply(s)           // likewise
	}
}

// forward has the backend deal with an event.
func (h *Hooks) forward(s *socketio.Socket, e *socketio.Event) error {
	r, err := h.SocketEvent(requestOf(s, e))
	var end server.Disconnect
	switch {
	case errors.As(err, &end):
		s.Disconnect(true)
		return nil
	case err != nil:
		return socketio.Answer(e, forClient(err))
	}
	if err := r.apply(s); err != nil {
		return err
	}
	return e.Ack(r.Ack.Any()...)
}

// forClient returns what a client hears of err. Why there was no answer is counted, and not for it.
func forClient(err error) error {
	if f := (*Failure)(nil); errors.As(err, &f) {
		return errOpen
	}
	return err
}

func requestOf(s *socketio.Socket, e *socketio.Event) *SocketRequest {
	r := &SocketRequest{Origin: originOfSocket(s.ID(), userOf(s)), Namespace: s.Namespace().Name(), Event: e.Name, Ack: e.WantsAck()}
	for _, arg := range e.Args() {
		r.Args = append(r.Args, arg.JSON())
	}
	r.Attachments = e.Attachments()
	return r
}

// userOf returns who a socket's client is.
func userOf(s *socketio.Socket) string {
	user, _ := s.Get(keyUser).(string)
	return user
}

// apply does what the application wants, in the order of the fields.
func (r *SocketResult) apply(s *socketio.Socket) error {
	var errs []error
	if len(r.Joins) > 0 {
		errs = append(errs, s.Join(r.Joins...))
	}
	if len(r.Leaves) > 0 {
		errs = append(errs, s.Leave(r.Leaves...))
	}
	for _, e := range r.Emits {
		errs = append(errs, s.Namespace().To(e.To...).Except(e.Except...).Emit(e.Event, e.Args.Any()...))
	}
	if r.Disconnect {
		s.Disconnect(false)
	}
	return errors.Join(errs...)
}

// bye tells the backend of a socket that has gone.
func (h *Hooks) bye(s *socketio.Socket, reason string) {
	h.SocketDisconnect(&SocketRequest{
		Origin: originOfSocket(s.ID(), userOf(s)), Namespace: s.Namespace().Name(), Reason: reason, Rooms: s.Rooms()[1:],
	})
}
