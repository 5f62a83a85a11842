package server

import (
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// maxPresent is how many clients a list of a room names: a larger room's is a part, the newest. The numbers of
// presence_stats are of all.
const maxPresent = 1000

// presence answers who is in a room, or only how many.
func (l *loop) presence(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	room := cmd.Presence.Channel
	if cmd.Method == protocol.MethodPresenceStats {
		room = cmd.PresenceStats.Channel
	}
	if len(room) == 0 {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	if err := l.checkPresence(c, s, room); err != nil {
		l.replyError(s, cmd.ID, err)
		return
	}
	if cmd.Method == protocol.MethodPresenceStats {
		clients, users := l.server.hub.PresenceStats(room)
		result := protocol.PresenceStatsResult{Clients: uint32(clients), Users: uint32(users)}
		l.replies = s.encoding().AppendPresenceStatsReply(l.reply(s), cmd.ID, result)
		return
	}
	l.replies = s.encoding().AppendPresenceReply(l.reply(s), cmd.ID, l.present(room))
}

func (l *loop) checkPresence(c *netpoll.Conn, s *session, room []byte) *protocol.Error {
	ns, err := l.room(room)
	switch {
	case err != nil:
		return err
	case !ns.Presence:
		return protocol.ErrNotAvailable
	case !l.mayAsk(ns.askingPresence(), c, s, room):
		return protocol.ErrPermissionDenied
	}
	return nil
}

// present returns the clients in a room.
func (l *loop) present(room []byte) (clients []protocol.ClientInfo) {
	for _, a := range l.server.hub.Presence(room, maxPresent) {
		about := parseInfo(a.Info)
		about.Client = l.ids.append(nil, &l.idSpace, a.ID)
		clients = append(clients, about)
	}
	return clients
}

// setInfo changes what others are told of a client from now on, in the rooms that it is in too.
func (l *loop) setInfo(c *netpoll.Conn, s *session, info []byte) {
	s.who = l.users.setInfo(c.Slot(), s.who, info)
	l.amend(c, s)
}

// amend tells the rooms that a client is in what others are told of it now.
func (l *loop) amend(c *netpoll.Conn, s *session) {
	l.rosters.Amend(&s.subs, func(room string) []byte {
		l.who = l.appendAttendee(l.who[:0], s, l.chanInfo(l.net.ID(c), []byte(room)))
		return l.who
	})
}
