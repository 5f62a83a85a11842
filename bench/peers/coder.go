package main

import (
	"context"
	"io"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// coderConn has a goroutine that reads. The library lets anybody write at any time.
type coderConn struct {
	ws   *websocket.Conn
	echo bool
	at   place[*coderConn]
}

func serveCoder(l net.Listener) error {
	rooms := newHall(deliverCoder)
	return serveHTTP(l, func(w http.ResponseWriter, r *http.Request, echo bool) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			return // the client has been told
		}
		ws.SetReadLimit(-1)
		go (&coderConn{ws: ws, echo: echo}).serve(rooms)
	})
}

// deliverCoder frames push for each member: the library has nothing to share.
func deliverCoder(members map[*coderConn]struct{}, push []byte) {
	for c := range members {
		_ = c.ws.Write(context.Background(), websocket.MessageText, push) // a broken socket is its reader's business
	}
}

// serve reads c until it ends. The library answers pings and the closing handshake.
func (c *coderConn) serve(rooms *hall[*coderConn]) {
	defer func() { _ = c.ws.CloseNow() }()
	defer func() { c.at.room.remove(c) }()
	for {
		kind, r, err := c.ws.Reader(context.Background())
		if err != nil || c.message(rooms, kind, r) != nil {
			return
		}
	}
}

func (c *coderConn) message(rooms *hall[*coderConn], kind websocket.MessageType, r io.Reader) error {
	b := borrow()
	defer buffers.Put(b)
	if _, err := b.ReadFrom(r); err != nil {
		return err
	}
	answer := b.Bytes()
	if !c.echo {
		answer = rooms.obey(c, &c.at, answer, nil)
	}
	if len(answer) == 0 {
		return nil
	}
	return c.ws.Write(context.Background(), kind, answer)
}
