package server

import (
	"slices"

	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// subToken is the id of the token that keeps a client in a room, so that the subscription ends when the token is revoked. Few
// subscriptions have one; the others cost nothing here.
type subToken struct{ room, id string }

// setSubToken says which token keeps a client in a room, in place of the one before; one without an id cannot be revoked.
func (l *loop) setSubToken(conn netpoll.ConnID, room []byte, id string) {
	l.dropSubToken(conn, room)
	if id != "" {
		l.subTokens[conn] = append(l.subTokens[conn], subToken{string(room), id})
	}
}

// dropSubToken forgets it: in one room, or with nil in all.
func (l *loop) dropSubToken(conn netpoll.ConnID, room []byte) {
	if len(l.subTokens) == 0 {
		return
	}
	left := slices.DeleteFunc(l.subTokens[conn], func(t subToken) bool { return room == nil || t.room == string(room) })
	if len(left) > 0 {
		l.subTokens[conn] = left
	} else {
		delete(l.subTokens, conn)
	}
}

// revokeSubToken ends what a client has by the subscription token with this id. SDKs ask their application for another.
func (l *loop) revokeSubToken(c *netpoll.Conn, s *session, id string) {
	for _, t := range slices.Clone(l.subTokens[l.net.ID(c)]) { // what ends leaves the list
		if t.id == id {
			l.invalidateSubscription(c, s, []byte(t.room))
		}
	}
}

// invalidateSubscription takes a client out of a room that its token does not let it into any more.
func (l *loop) invalidateSubscription(c *netpoll.Conn, s *session, room []byte) {
	if flags, _ := l.rosters.Flags(&s.subs, room); flags&subServerSide != 0 { // which its client has refreshed with the token
		l.disconnect(c, s, protocol.DisconnectStateInvalidated)
	} else {
		l.unsubscribeByServer(c, s, room, protocol.UnsubscribedStateInvalidated)
	}
}
