package main

import (
	"net"
	"net/http"

	"github.com/lxzan/gws"
)

// gwsHandler is what the library calls. Each connection has a goroutine that reads.
type gwsHandler struct {
	gws.BuiltinEventHandler
	rooms *hall[*gws.Conn]
}

// What a connection's session holds: that it echoes, or where it is.
const (
	gwsEcho  = "echo"
	gwsPlace = "place"
)

func serveGWS(l net.Listener) error {
	upgrader := gws.NewUpgrader(&gwsHandler{rooms: newHall(deliverGWS)}, &gws.ServerOption{ReadBufferSize: 1024})
	return serveHTTP(l, func(w http.ResponseWriter, r *http.Request, echo bool) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // the client has been told
		}
		if echo {
			c.Session().Store(gwsEcho, true)
		} else {
			c.Session().Store(gwsPlace, new(place[*gws.Conn]))
		}
		go c.ReadLoop()
	})
}

// deliverGWS makes the frame once for all; the library's queues write it.
func deliverGWS(members map[*gws.Conn]struct{}, push []byte) {
	b := gws.NewBroadcaster(gws.OpcodeText, push)
	for c := range members {
		_ = b.Broadcast(c) // a broken socket is its reader's business
	}
	_ = b.Close() // gives memory back when the last has been written; it has no error
}

// OnMessage answers one. Those of a connection come one after the other.
func (h *gwsHandler) OnMessage(c *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	at, ok := c.Session().Load(gwsPlace)
	if !ok {
		_ = c.WriteMessage(m.Opcode, m.Bytes())
		return
	}
	if answers := h.rooms.obey(c, at.(*place[*gws.Conn]), m.Bytes(), nil); len(answers) > 0 {
		_ = c.WriteMessage(gws.OpcodeText, answers)
	}
}

// OnClose forgets c. The library has answered the closing handshake.
func (h *gwsHandler) OnClose(c *gws.Conn, _ error) {
	if at, ok := c.Session().Load(gwsPlace); ok {
		at.(*place[*gws.Conn]).room.remove(c)
	}
}
