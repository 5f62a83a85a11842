package socketio

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// Handshake is a client at the door of a namespace.
type Handshake struct {
	ID        string // of the socket that it will be
	Namespace string
	Auth      json.RawMessage // what the client says of itself, a JSON object; nil for nothing

	// The request that its session began with.
	Header  http.Header
	URL     string // its target, as /socket.io/?EIO=4&transport=websocket
	Address netip.AddrPort
	Secure  bool
	Issued  time.Time

	// What a function of [Namespace.Use] may set.
	User  string               // who it is: its connection counts as that user's, for limits, revocation and presence
	Info  []byte               // what others are shown of that user, any JSON value
	Grant *server.ConnectReply // what [server.Server.Admit] has let it in with; User and Info count before its own
	Rooms []string             // that the socket is in from the beginning
	Data  map[string]any       // of the socket: see [Socket.Set]

	io *IO
}

func newHandshake(r *server.SocketConnect) *Handshake {
	h := &Handshake{ID: r.ID, Namespace: r.Namespace, Auth: r.Auth}
	if r.Handshake != nil {
		h.Header = r.Handshake.Header
		h.URL = r.Handshake.URL
		h.Address = r.Handshake.Address
		h.Secure = r.Handshake.Secure
		h.Issued = r.Handshake.Issued
	}
	return h
}

// grant returns as whom the client comes in, nil for nobody.
func (h *Handshake) grant() *server.ConnectReply {
	if h.Grant == nil && h.User == "" && h.Info == nil {
		return nil
	}
	var all server.ConnectReply
	if h.Grant != nil {
		all = *h.Grant
		all.Subs, all.Data = nil, nil // they are rooms and data of another protocol's
	}
	if h.User != "" {
		all.User = h.User
	}
	if h.Info != nil {
		all.Info = h.Info
	}
	return &all
}

// Query returns what stands in the URL behind the question mark.
func (h *Handshake) Query() url.Values {
	_, query, _ := strings.Cut(h.URL, "?")
	values, _ := url.ParseQuery(query) // what it could read
	return values
}

// BindAuth decodes what the client says of itself into the variable that dst points to, which stays as it is if there is
// nothing.
func (h *Handshake) BindAuth(dst any) error {
	if h.Auth == nil {
		return nil
	}
	return json.Unmarshal(h.Auth, dst)
}

// MarshalJSON writes h as Node's servers do.
func (h *Handshake) MarshalJSON() ([]byte, error) {
	headers := make(map[string]string, len(h.Header))
	for name, values := range h.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	query := make(map[string]any)
	for name, values := range h.Query() {
		query[name] = values
		if len(values) == 1 {
			query[name] = values[0]
		}
	}
	address := "" // on a Unix socket
	if h.Address.IsValid() {
		address = h.Address.Addr().String()
	}
	auth := h.Auth
	if auth == nil {
		auth = json.RawMessage("{}")
	}
	p, err := encodeArgs([]any{map[string]any{
		"headers": headers,
		"time":    h.Issued.Format("Mon Jan 02 2006 15:04:05 GMT-0700 (MST)"),
		"address": address,
		"xdomain": h.Header.Get("Origin") != "",
		"secure":  h.Secure,
		"issued":  h.Issued.UnixMilli(),
		"url":     h.URL,
		"query":   query,
		"auth":    auth,
	}}, 0)
	if err != nil {
		return nil, err
	}
	return p.Data[1 : len(p.Data)-1], nil // without the brackets
}
