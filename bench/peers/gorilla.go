package main

import (
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// gorillaConn has a goroutine that reads, and is written to by whoever has something for it. A goroutine and a
// channel for each writer, as in the library's chat example, would cost twice the memory and a switch for each
// delivery.
type gorillaConn struct {
	ws    *websocket.Conn
	write sync.Mutex // held by who writes
	echo  bool
	at    place[*gorillaConn]
}

// gorillaUpgrader has small buffers to read into, and to write from only those that are in use.
var gorillaUpgrader = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: new(sync.Pool)}

func serveGorilla(l net.Listener) error {
	rooms := newHall(deliverGorilla)
	return serveHTTP(l, func(w http.ResponseWriter, r *http.Request, echo bool) {
		ws, err := gorillaUpgrader.Upgrade(w, r, nil)
		if err != nil {
			return // the client has been told
		}
		go (&gorillaConn{ws: ws, echo: echo}).serve(rooms)
	})
}

// deliverGorilla makes the frame once for all.
func deliverGorilla(members map[*gorillaConn]struct{}, push []byte) {
	prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, push)
	if err != nil {
		return
	}
	for c := range members {
		c.write.Lock()
		_ = c.ws.WritePreparedMessage(prepared) // a broken socket is its reader's business
		c.write.Unlock()
	}
}

// serve reads c until it ends. The library answers pings and the closing handshake.
func (c *gorillaConn) serve(rooms *hall[*gorillaConn]) {
	defer func() { _ = c.ws.Close() }()
	defer func() { c.at.room.remove(c) }()
	for {
		kind, r, err := c.ws.NextReader()
		if err != nil || c.message(rooms, kind, r) != nil {
			return
		}
	}
}

func (c *gorillaConn) message(rooms *hall[*gorillaConn], kind int, r io.Reader) error {
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
	c.write.Lock()
	defer c.write.Unlock()
	return c.ws.WriteMessage(kind, answer)
}
