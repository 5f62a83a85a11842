package server

import (
	"context"
	"hash/maphash"
	"net"
	"os"
	"slices"
	"time"

	"github.com/seed4ac54ce5/edge/api"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// API returns the node for package api to serve. Like all orders to a node it is not for Handlers that are NonBlocking.
func (s *Server) API() api.Node { return apiNode{s} }

// apiNode is a node as the HTTP API sees it.
type apiNode struct{ s *Server }

func (n apiNode) Publish(ctx context.Context, room string, data []byte, o api.PublishOptions) (api.Position, error) {
	r, err := n.s.Publish(ctx, room, data, PublishOptions{
		IdempotencyKey: o.IdempotencyKey,
		Version:        o.Version,
		VersionEpoch:   o.VersionEpoch,
		Ephemeral:      o.SkipHistory,
		Tags:           o.Tags,
	})
	return api.Position(r.Position), err
}

// nobody is the id of no client.
const nobody = "nobody"

// targetOf returns t as the node has it: a session's id is a second name of one client.
func (n apiNode) targetOf(t api.Target) Target {
	if t.Session == "" {
		return Target{t.User, t.Client}
	}
	var space scratch
	client := nobody
	if conn, ok := n.s.secrets.parse(&space, []byte(t.Session)); ok {
		client = string(n.s.ids.append(nil, &space, conn))
	}
	if t.Client != "" && t.Client != client {
		client = nobody
	}
	return Target{t.User, client}
}

func (n apiNode) Subscribe(ctx context.Context, t api.Target, s api.Subscription) error {
	return n.s.Subscribe(ctx, n.targetOf(t), Subscription{
		Room:         s.Room,
		Info:         s.Info,
		Data:         s.Data,
		ExpireAt:     s.ExpireAt,
		Override:     overrideOf(&s.Override),
		RecoverSince: (*Position)(s.RecoverSince),
	})
}

// overrideOf returns o as tokens have it.
func overrideOf(o *api.Override) auth.Override {
	return auth.Override{
		Presence:           choiceOf(o.Presence),
		JoinLeave:          choiceOf(o.JoinLeave),
		ForcePushJoinLeave: choiceOf(o.ForcePushJoinLeave),
		ForcePositioning:   choiceOf(o.ForcePositioning),
		ForceRecovery:      choiceOf(o.ForceRecovery),
	}
}

func choiceOf(v *bool) auth.Choice {
	switch {
	case v == nil:
		return auth.AsRoom
	case *v:
		return auth.On
	}
	return auth.Off
}

func (n apiNode) Unsubscribe(ctx context.Context, t api.Target, room string) error {
	if _, err := n.s.namespaceOf([]byte(room)); err != nil {
		return err
	}
	return n.s.Unsubscribe(ctx, n.targetOf(t), room)
}

func (n apiNode) Disconnect(ctx context.Context, t api.Target, except []string, why protocol.Disconnect) error {
	stays := n.connsOf(except)
	return n.s.forEach(ctx, n.targetOf(t), func(l *loop, c *netpoll.Conn, ss *session) {
		if !stays[uint64(l.net.ID(c))] {
			l.disconnect(c, ss, why)
		}
	})
}

// connsOf returns the conns of clients by their ids.
func (n apiNode) connsOf(clients []string) map[uint64]bool {
	var space scratch
	conns := make(map[uint64]bool)
	for _, id := range clients {
		if conn, ok := n.s.ids.parse(&space, []byte(id)); ok {
			conns[conn] = true
		}
	}
	return conns
}

func (n apiNode) Refresh(ctx context.Context, t api.Target, r api.Refresh) error {
	if r.Expired || !r.ExpireAt.IsZero() && !time.Now().Before(r.ExpireAt) {
		return n.Disconnect(ctx, t, nil, protocol.DisconnectExpired)
	}
	return n.s.forEach(ctx, n.targetOf(t), func(l *loop, c *netpoll.Conn, ss *session) {
		if r.Info != nil {
			l.setInfo(c, ss, r.Info)
		}
		l.refreshByServer(c, ss, r.ExpireAt)
	})
}

func (n apiNode) Revoke(ctx context.Context, r api.Revocation) error { return n.s.Revoke(ctx, r) }

func (n apiNode) Presence(_ context.Context, room string) ([]api.ClientInfo, error) {
	ns, err := n.s.namespaceOf([]byte(room))
	switch {
	case err != nil:
		return nil, err
	case !ns.Presence:
		return nil, protocol.ErrNotAvailable
	}
	var clients []api.ClientInfo
	var space scratch
	for _, a := range n.s.hub.Presence([]byte(room), maxPresent) {
		who := parseInfo(a.Info)
		who.Client = n.s.ids.append(nil, &space, a.ID)
		clients = append(clients, *clientInfoOf(&who))
	}
	return clients, nil
}

func clientInfoOf(who *protocol.ClientInfo) *api.ClientInfo {
	return &api.ClientInfo{
		User:     string(who.User),
		Client:   string(who.Client),
		ConnInfo: who.ConnInfo,
		ChanInfo: who.ChanInfo,
	}
}

func (n apiNode) PresenceStats(_ context.Context, room string) (clients, users int, err error) {
	return n.s.PresenceStats(room)
}

func (n apiNode) History(_ context.Context, room string, o api.HistoryOptions) (api.History, error) {
	ns, refusal := n.s.namespaceOf([]byte(room))
	switch {
	case refusal != nil:
		return api.History{}, refusal
	case !ns.history():
		return api.History{}, protocol.ErrNotAvailable
	}
	request := hub.HistoryRequest{Limit: o.Limit, Reverse: o.Reverse}
	if o.Since != nil {
		request.Since = &hub.Position{Offset: o.Since.Offset, Epoch: parseEpoch([]byte(o.Since.Epoch))}
	}
	top, past, err := n.s.hub.History(ns.id, []byte(room), request)
	switch err {
	case nil:
		return historyOf(top, past), nil
	case hub.ErrEpoch:
		return api.History{}, protocol.ErrUnrecoverablePosition
	}
	return api.History{}, protocol.ErrNotAvailable // switched off by a reload
}

func historyOf(top hub.Position, past []*hub.Past) api.History {
	h := api.History{Position: api.Position(positionOf(top))}
	for _, p := range past {
		pub := api.Publication{Data: p.Data(), Offset: p.Offset()}
		if about := p.Info(); len(about) > 0 {
			who := parseInfo(about)
			pub.Info = clientInfoOf(&who)
		}
		for key, value := range p.Tags().All() {
			if pub.Tags == nil {
				pub.Tags = make(map[string]string)
			}
			pub.Tags[string(key)] = string(value)
		}
		h.Publications = append(h.Publications, pub)
	}
	return h
}

func (n apiNode) RemoveHistory(_ context.Context, room string) error { return n.s.RemoveHistory(room) }

func (n apiNode) Rooms(ctx context.Context, match func(string) bool) (map[string]int, error) {
	rooms := make(map[string]int)
	for room, clients := range n.s.hub.Rooms() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if match(room) {
			rooms[room] = clients
		}
	}
	return rooms, nil
}

// Info costs as much as there are clients: the loops go through them between their turns.
func (n apiNode) Info(ctx context.Context) ([]api.NodeInfo, error) {
	seed := maphash.MakeSeed()
	byLoop := make([][]uint64, len(n.s.loops)) // hashes of the clients' users
	err := n.s.visitAll(ctx, visitSlice, func(l *loop, _ *netpoll.Conn, ss *session) {
		l.user = l.users.appendUser(l.user[:0], ss.who)
		users := &byLoop[l.net.Number()]
		*users = append(*users, maphash.Bytes(seed, l.user))
	})
	if err != nil {
		return nil, err
	}
	users := slices.Concat(byLoop...)
	clients := len(users)
	slices.Sort(users)
	rooms, subscriptions := n.s.hub.Count()
	return []api.NodeInfo{{
		UID:         n.s.uid(),
		Name:        n.s.name(),
		Version:     n.s.config.Version,
		NumClients:  clients,
		NumUsers:    len(slices.Compact(users)),
		NumChannels: rooms,
		NumSubs:     subscriptions,
		Uptime:      int64(time.Since(started).Seconds()),
	}}, nil
}

// uid returns the id of this life of the node: that of the client on conn 0, which there is not.
func (s *Server) uid() string {
	var space scratch
	return string(s.ids.append(nil, &space, 0))
}

// name tells the node from others that people run: by its host and its internal port.
func (s *Server) name() string {
	host, _ := os.Hostname() // without one the port has to do
	_, port, _ := net.SplitHostPort(s.InternalAddress())
	return host + "_" + port
}
