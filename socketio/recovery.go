package socketio

import (
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// Recovery says how clients that are cut off and return get back what they had.
type Recovery struct {
	MaxDisconnection time.Duration // after which nothing is left; 2 min
	Middlewares      bool          // the functions of Use are asked about those who return too
}

// trail is what recovery knows of a socket.
type trail struct {
	id        string
	recovered bool
}

// follow notes that s is about to join rooms.
func (io *IO) follow(s server.Socket, rooms []string) {}
