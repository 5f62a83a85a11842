package server

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/seed4ac54ce5/edge/hub"
)

// The sockets of a namespace, and those in one of its rooms, are the members of hub rooms. No client of the other protocol can
// name these, as no namespace of rooms may have their name:
//
//	socketio:/chat         all of the namespace /chat
//	socketio:/chat,lobby   its room lobby
//
// A namespace whose rooms are channels has its rooms under the names of these in place of the second.
const socketNamespace = "socketio"

const socketPrefix = socketNamespace + ":"

// maxRoomName is the size of a room's name, in bytes, and maxNamespaceName that of a namespace's.
const (
	maxRoomName      = 1024
	maxNamespaceName = 512
)

// What is wrong with a room for a socket.
var (
	ErrRoomName    = errors.New("server: the name of a room is 1 to 1024 bytes")
	ErrRoomLimit   = errors.New("server: the session is in as many rooms as it may")
	ErrNotForRooms = errors.New("server: what a room that is a channel cannot carry")
	ErrPacket      = errors.New("server: packet without a JSON array")
)

// socketRooms knows how rooms of sockets are called in the hub. Set before Run.
type socketRooms struct {
	id     hub.Namespace   // of those that are no channels
	mapped map[string]bool // namespaces whose rooms are channels
}

// newSocketRooms returns those of a node that serves Socket.IO as c has it.
func newSocketRooms(c *SocketIO, id hub.Namespace) socketRooms {
	r := socketRooms{id: id, mapped: make(map[string]bool)}
	if c != nil {
		for _, name := range c.RoomsAsChannels {
			r.mapped[name] = true
		}
	}
	return r
}

// openSocketRooms gives the rooms of sockets a namespace of the hub.
func (s *Server) openSocketRooms() {
	id := hub.Namespace(len(s.namespaceIDs))
	s.namespaceIDs[socketNamespace] = id
	s.hub.SetOptions(id, hub.Options{Ordered: true})
	s.socketRooms = newSocketRooms(s.config.SocketIO, id)
}

// channelsOfSockets returns the namespaces of rooms that sockets are in too.
func (s *Server) channelsOfSockets(all *namespaces) map[*namespace]bool {
	shared := make(map[*namespace]bool)
	if s.config.SocketIO == nil {
		return shared
	}
	for _, name := range s.config.SocketIO.RoomsAsChannels {
		if name == "/" {
			shared[all.without] = true
		} else if n := all.byName[strings.TrimPrefix(name, "/")]; n != nil {
			shared[n] = true
		}
	}
	return shared
}

// checkChannels returns what is wrong with the namespaces whose rooms are channels.
func (c *SocketIO) checkChannels() error {
	for _, name := range c.RoomsAsChannels {
		rest, ok := strings.CutPrefix(name, "/")
		if !ok || rest == socketNamespace || rest != "" && !validNamespace.MatchString(rest) {
			return fmt.Errorf("%w: socket.io rooms_as_channels %q: write / or / and the name of a namespace of rooms", ErrConfig, name)
		}
	}
	return nil
}

// all returns the hub room of a whole namespace.
func (r *socketRooms) all(namespace string) []byte { return []byte(socketPrefix + namespace) }

// hubRoom returns the hub room of a room.
func (r *socketRooms) hubRoom(namespace, room string) []byte {
	switch {
	case !r.mapped[namespace]:
		return []byte(socketPrefix + namespace + "," + room)
	case namespace == "/":
		return []byte(room)
	}
	return []byte(namespace[1:] + ":" + room)
}

// split returns of which namespace a hub room is, and which of its rooms: "" for all of the namespace. ok is false for one that
// has no sockets in it.
func (r *socketRooms) split(hubRoom []byte) (namespace, room []byte, ok bool) {
	if name, found := bytes.CutPrefix(hubRoom, []byte(socketPrefix)); found {
		namespace, room, _ = bytes.Cut(name, []byte{','})
		return namespace, room, true
	}
	if prefix, room, found := bytes.Cut(hubRoom, []byte{':'}); found && r.mapped["/"+string(prefix)] {
		return append([]byte{'/'}, prefix...), room, true
	}
	return []byte{'/'}, hubRoom, r.mapped["/"]
}

// check returns why a socket of the namespace cannot be in a room of this name.
func (r *socketRooms) check(namespace, room string) error {
	if len(room) == 0 || len(room) > maxRoomName {
		return ErrRoomName
	}
	if prefix, _, found := strings.Cut(room, ":"); found && namespace == "/" && r.mapped["/"] && (prefix == socketNamespace || r.mapped["/"+prefix]) {
		return ErrRoomName // it is another namespace's, or all of one
	}
	return nil
}
