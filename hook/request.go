package hook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"

	"github.com/seed4ac54ce5/edge/server"
)

// Origin is whose event it is. Slices may be nil.
type Origin struct {
	Client    string // the session's id
	User      string // empty for an anonymous one, and at connect
	Transport string // "websocket" if empty
	Protocol  string // of the client: "json" (if empty) or "protobuf"
	Meta      []byte // what the connect result or the token has attached, JSON
	// Header is the header of the handshake request, never one that a connect command brings. Only what
	// Endpoint.ForwardHeaders names leaves the node.
	Header http.Header
}

// ConnectRequest is a client at the door.
type ConnectRequest struct {
	Origin
	Address netip.AddrPort // where it comes from; the zero value if that is not known
	Token   []byte
	Data    []byte
	Name    string   // of the SDK
	Version string   // likewise
	Rooms   []string // that it wishes to be put into
}

// RefreshRequest is a client whose time has come.
type RefreshRequest struct{ Origin }

// SubscribeRequest is a client that wants to enter a room.
type SubscribeRequest struct {
	Origin
	Room  string
	Token []byte
	Data  []byte
}

// PublishRequest is a client's publication.
type PublishRequest struct {
	Origin
	Room string
	Data []byte
}

// RPCRequest is a client's call.
type RPCRequest struct {
	Origin
	Method string
	Data   []byte
}

// SubRefreshRequest is a subscriber whose time has come.
type SubRefreshRequest struct {
	Origin
	Room string
}

// DisconnectEvent is the end of a client.
type DisconnectEvent struct {
	Origin
	Why server.Disconnect
}

// wireRequest is the body of a request: the fields that every one has, and those of one event or another.
type wireRequest struct {
	Client    string          `json:"client"`
	Transport string          `json:"transport"`
	Protocol  string          `json:"protocol"`
	Encoding  string          `json:"encoding"`
	User      *string         `json:"user,omitempty"` // present everywhere but at connect
	Channel   string          `json:"channel,omitempty"`
	Method    string          `json:"method,omitempty"`
	Token     string          `json:"token,omitempty"`
	Meta      json.RawMessage `json:"meta,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	B64Data   []byte          `json:"b64data,omitempty"`
	Name      string          `json:"name,omitempty"`
	Version   string          `json:"version,omitempty"`
	Channels  []string        `json:"channels,omitempty"`
	Address   string          `json:"address,omitempty"`
	Code      uint16          `json:"code,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Reconnect *bool           `json:"reconnect,omitempty"` // whether clients come back after Code

	Namespace   string            `json:"namespace,omitempty"`
	Event       string            `json:"event,omitempty"`
	Args        []json.RawMessage `json:"args,omitempty"`
	Attachments [][]byte          `json:"attachments,omitempty"`
	Ack         bool              `json:"ack,omitempty"` // the client asks for an acknowledgement
	Rooms       []string          `json:"rooms,omitempty"`

	data    []byte         // what becomes Data or B64Data
	address netip.AddrPort // and Address
}

func (r *ConnectRequest) wire() *wireRequest {
	return &wireRequest{
		Token: string(r.Token), data: r.Data, Name: r.Name, Version: r.Version, Channels: r.Rooms, address: r.Address,
	}
}

func (r *RefreshRequest) wire() *wireRequest { return &wireRequest{User: &r.User} }

func (r *SubscribeRequest) wire() *wireRequest {
	return &wireRequest{User: &r.User, Channel: r.Room, Token: string(r.Token), data: r.Data}
}

func (r *PublishRequest) wire() *wireRequest {
	return &wireRequest{User: &r.User, Channel: r.Room, data: r.Data}
}

func (r *RPCRequest) wire() *wireRequest {
	return &wireRequest{User: &r.User, Method: r.Method, data: r.Data}
}

func (r *SubRefreshRequest) wire() *wireRequest { return &wireRequest{User: &r.User, Channel: r.Room} }

func (r *DisconnectEvent) wire() *wireRequest {
	reconnect := r.Why.Reconnect()
	return &wireRequest{User: &r.User, Code: r.Why.Code, Reason: r.Why.Reason, Reconnect: &reconnect}
}

// encode returns the body of r for e.
func (r *wireRequest) encode(e *endpoint, from *Origin) []byte {
	r.Client, r.Transport, r.Protocol = from.Client, from.Transport, from.Protocol
	orElse(&r.Transport, "websocket")
	orElse(&r.Protocol, "json")
	if e.options.IncludeMeta && json.Valid(from.Meta) {
		r.Meta = from.Meta
	}
	if e.options.IncludeAddress && r.address.IsValid() {
		r.Address = r.address.String()
	}
	r.pack(e.options.Binary)
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	_ = w.Encode(r) // such a struct always has a form
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// pack chooses the field for the client's data: what is not JSON goes as base64 even if the endpoint is not binary.
func (r *wireRequest) pack(binary bool) {
	r.Encoding = "json"
	if binary || len(r.data) > 0 && !json.Valid(r.data) {
		r.Encoding, r.B64Data = "binary", r.data
	} else {
		r.Data = r.data
	}
}
