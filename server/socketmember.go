package server

import (
	"bytes"
	"slices"
	"strings"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// enterRoom makes a session a member of a hub room that is no channel. One that is a member stays so.
func (l *loop) enterRoom(c *netpoll.Conn, s *session, room []byte) {
	_, _ = l.rosters.Subscribe(hub.NewMember(c.Slot(), s.form(false)), &s.subs, l.server.socketRooms.id, room, nil) // hub.ErrSubscribed changes nothing
}

// exitRoom ends what enterRoom and enterChannel begin.
func (l *loop) exitRoom(c *netpoll.Conn, s *session, room []byte) {
	if l.rosters.Unsubscribe(&s.subs, room) {
		l.stopTyping(c, s, string(room))
		l.forget(l.net.ID(c), room)
	}
}

// joinRoom puts the session's socket i into a room.
func (l *loop) joinRoom(c *netpoll.Conn, s *session, i uint32, room string) error {
	r := &l.server.socketRooms
	k := l.sockets.records.At(i)
	namespace := l.sockets.spaces[k.space].name
	if err := r.check(namespace, room); err != nil {
		return err
	}
	if room == l.idOf(Socket{l.net.ID(c), k.serial}) {
		return nil // it is in that from the beginning
	}
	name := r.hubRoom(namespace, room)
	switch {
	case l.rosters.Subscribed(&s.subs, name):
		return nil
	case l.roomCount(s) >= l.server.config.SocketIO.Limits.Rooms:
		return ErrRoomLimit
	case r.mapped[namespace]:
		return l.enterChannel(c, s, name)
	}
	l.enterRoom(c, s, name)
	return nil
}

// roomCount returns how many rooms a session is in, without those that are its namespaces.
func (l *loop) roomCount(s *session) int {
	n := s.subs.Len()
	for i := l.engineOf(s).sockets; i != 0; i = l.sockets.records.At(i).next {
		k := l.sockets.records.At(i)
		if k.has(socketJoined) {
			n--
		}
		if k.has(socketRenamed) {
			n--
		}
	}
	return n
}

// enterChannel makes a session a member of a room that clients of the other protocol have too. Whether it may is the
// application's to say.
func (l *loop) enterChannel(c *netpoll.Conn, s *session, room []byte) error {
	ns, err := l.room(room)
	switch {
	case err != nil:
		return err
	case ns.durable:
		return protocol.ErrNotAvailable
	}
	e := entry{room: room, ns: ns}
	if ns.Presence {
		l.who = l.appendAttendee(l.who[:0], s, nil)
		l.user = l.users.appendUser(l.user[:0], s.who)
		e.request.As = hub.Attendee{ID: uint64(l.net.ID(c)), User: l.user, Info: l.who}
	}
	member := hub.NewMember(c.Slot(), s.form(ns.JoinLeave && ns.ForcePushJoinLeave))
	_, _ = l.rosters.Subscribe(member, &s.subs, ns.id, room, &e.request)
	return nil
}

// idOf returns the id that a socket's client knows.
func (l *loop) idOf(k Socket) string {
	if id, ok := l.sockets.names[k]; ok {
		return id
	}
	return l.server.SocketID(k)
}

// roomsOf returns the rooms of a session in a namespace, without that of its socket's id.
func (l *loop) roomsOf(s *session, namespace string) (rooms []string) {
	own := ""
	if i := l.socketIn(s, []byte(namespace)); i != 0 && l.sockets.records.At(i).has(socketRenamed) {
		own = l.sockets.names[Socket{l.engineOf(s).owner, l.sockets.records.At(i).serial}]
	}
	for name := range l.rosters.Rooms(&s.subs) {
		of, room, ok := l.server.socketRooms.split([]byte(name))
		if ok && string(of) == namespace && len(room) > 0 && string(room) != own {
			rooms = append(rooms, strings.Clone(string(room)))
		}
	}
	return rooms
}

// deliverSocket writes what a room has for a session of Socket.IO.
func (l *loop) deliverSocket(c *netpoll.Conn, m hub.Member, wire []byte, pubs []*hub.Publication) (kept bool) {
	id := uint64(l.net.ID(c))
	for _, p := range pubs {
		if p.Volatile || p.Except == id || p.Before != nil {
			l.deliverEach(c, m, pubs)
			return false
		}
	}
	return l.sendWire(c, l.sessions.At(m.Slot()), wire)
}

// deliverEach writes those of pubs that are for c at this moment.
func (l *loop) deliverEach(c *netpoll.Conn, m hub.Member, pubs []*hub.Publication) {
	s := l.sessions.At(m.Slot())
	for _, p := range pubs {
		if p.Except == uint64(l.net.ID(c)) || p.Volatile && !l.engineReady(c, s) || l.inAny(s, p.Before) {
			continue
		}
		if wire := l.wire(p, m.Form()); len(wire) > 0 && l.sendWire(c, s, wire) {
			p.Keep()
		}
	}
}

// inAny reports whether a session is in one of some hub rooms.
func (l *loop) inAny(s *session, rooms [][]byte) bool {
	return slices.ContainsFunc(rooms, func(room []byte) bool { return l.rosters.Subscribed(&s.subs, room) })
}

// isArray reports whether data may be the payload of an event or an acknowledgement.
func isArray(data []byte) bool { return bytes.HasPrefix(data, []byte{'['}) }
