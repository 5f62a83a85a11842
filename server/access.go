package server

import (
	"bytes"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// Who may do what in a room, in the order in which the protocol asks.

// maySubscribe returns why a client may not enter a room by itself, nil if it may.
func (l *loop) maySubscribe(c *netpoll.Conn, s *session, ns *namespace, room []byte) *protocol.Error {
	switch {
	case l.grants(c, room, auth.MaySubscribe):
		return nil
	case room[0] == '$':
		return protocol.ErrPermissionDenied // private: it takes a token
	case l.spaces().open:
		return nil
	case bytes.IndexByte(room, '#') >= 0:
		if ns.AllowUserLimitedChannels && userListed(room, l.users.appendUser(nil, s.who)) {
			return nil
		}
	case ns.AllowSubscribeForClient && (ns.AllowSubscribeForAnonymous || !l.users.anonymous(s.who)):
		return nil
	}
	return protocol.ErrPermissionDenied
}

// setCapabilities says what a client may do beyond the rooms' options.
func (l *loop) setCapabilities(id netpoll.ConnID, k auth.Capabilities) {
	if k.String() == "" {
		delete(l.capabilities, id)
	} else {
		l.capabilities[id] = &k
	}
}

// grants reports whether whoever let a client in has given it a right in a room.
func (l *loop) grants(c *netpoll.Conn, room []byte, right auth.Rights) bool {
	if len(l.capabilities) == 0 {
		return false
	}
	k := l.capabilities[l.net.ID(c)]
	return k != nil && k.Allow(string(room), right)
}

// userListed reports whether a user-limited room names the user: what follows its last # is a list of user ids with
// commas between.
func userListed(room, user []byte) bool {
	if len(user) == 0 {
		return false
	}
	list := room[bytes.LastIndexByte(room, '#')+1:]
	for id := range bytes.SplitSeq(list, []byte{','}) {
		if bytes.Equal(id, user) {
			return true
		}
	}
	return false
}

// permits is what a namespace lets its clients do of one kind: publish, ask for presence, ask for history.
type permits struct {
	client, subscriber, anonymous bool
	right                         auth.Rights // that a token may grant besides
}

func (n *namespace) publishing() permits {
	return permits{n.AllowPublishForClient, n.AllowPublishForSubscriber, n.AllowPublishForAnonymous, auth.MayPublish}
}

func (n *namespace) askingPresence() permits {
	return permits{n.AllowPresenceForClient, n.AllowPresenceForSubscriber, n.AllowPresenceForAnonymous, auth.MaySeePresence}
}

func (n *namespace) askingHistory() permits {
	return permits{n.AllowHistoryForClient, n.AllowHistoryForSubscriber, n.AllowHistoryForAnonymous, auth.MayReadHistory}
}

// permitted reports whether p lets s do it in a room.
func (l *loop) permitted(p permits, c *netpoll.Conn, s *session, room []byte) bool {
	if l.spaces().open || l.grants(c, room, p.right) {
		return true
	}
	if l.users.anonymous(s.who) && !p.anonymous {
		return false
	}
	return p.client || p.subscriber && l.rosters.Subscribed(&s.subs, room)
}

// mayAsk is permitted for what is in a room. A room that not everybody may enter tells only those who are in it.
func (l *loop) mayAsk(p permits, c *netpoll.Conn, s *session, room []byte) bool {
	if room[0] == '$' || bytes.IndexByte(room, '#') >= 0 {
		p.client, p.subscriber = false, p.client || p.subscriber
	}
	return l.permitted(p, c, s, room)
}

// spaces returns the namespaces as they are now.
func (l *loop) spaces() *namespaces { return l.server.spaces.Load() }

// room returns the namespace of a room that a client names, or the error that the name deserves.
func (l *loop) room(room []byte) (*namespace, *protocol.Error) {
	switch ns := l.spaces().of(room); {
	case ns == nil:
		return nil, protocol.ErrUnknownChannel
	case protocol.ValidName(room) != nil || !ns.fits(room):
		return nil, protocol.ErrBadRequest
	default:
		return ns, nil
	}
}

// fits reports whether a room's name keeps to the namespace's pattern.
func (n *namespace) fits(room []byte) bool {
	if n.pattern == nil {
		return true
	}
	_, rest, found := bytes.Cut(room, []byte{':'})
	if !found {
		rest = room
	}
	return n.pattern.Match(rest)
}
