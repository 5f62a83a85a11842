package server

import (
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// maxRecovered is how many publications a client gets at once of a room's past.
const maxRecovered = 300

// An epoch of the hub is 48 bits; on the wire it is 8 characters.
const epochBytes = 6

func appendEpoch(dst []byte, epoch uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], epoch)
	return base64.RawURLEncoding.AppendEncode(dst, b[8-epochBytes:])
}

// foreignEpoch is the epoch of no room.
const foreignEpoch = 1 << 63

// parseEpoch returns the epoch that text stands for, 0 (any) for none.
func parseEpoch(text []byte) uint64 {
	if len(text) == 0 {
		return 0
	}
	var b [8]byte
	if len(text) != base64.RawURLEncoding.EncodedLen(epochBytes) {
		return foreignEpoch
	}
	if _, err := base64.RawURLEncoding.Decode(b[8-epochBytes:], text); err != nil {
		return foreignEpoch
	}
	if epoch := binary.BigEndian.Uint64(b[:]); epoch != 0 {
		return epoch
	}
	return foreignEpoch
}

// history answers with publications of a room's past, and its position.
func (l *loop) history(c *netpoll.Conn, s *session, cmd *protocol.Command) {
	r := &cmd.History
	if len(r.Channel) == 0 {
		l.disconnect(c, s, protocol.DisconnectBadRequest)
		return
	}
	past, top, err := l.historyOf(c, s, r)
	if err != nil {
		l.replyError(s, cmd.ID, err)
		return
	}
	if !l.readable(c, s, past) {
		return
	}
	result := protocol.HistoryResult{
		Publications: publicationsOf(past),
		Position:     protocol.Position{Offset: top.Offset, Epoch: appendEpoch(nil, top.Epoch)},
	}
	l.replies = s.encoding().AppendHistoryReply(l.reply(s), cmd.ID, &result)
}

// historyOf returns the part of a room's past that a client asks for, and the room's position.
func (l *loop) historyOf(c *netpoll.Conn, s *session, r *protocol.HistoryRequest) (past []*hub.Past, top hub.Position, refusal *protocol.Error) {
	ns, refusal := l.room(r.Channel)
	switch {
	case refusal != nil:
		return nil, top, refusal
	case !ns.history():
		return nil, top, protocol.ErrNotAvailable
	case !l.mayAsk(ns.askingHistory(), c, s, r.Channel):
		return nil, top, protocol.ErrPermissionDenied
	case r.Reverse && r.HasSince && r.Since.Offset == 0:
		return nil, top, protocol.ErrBadRequest
	}
	request := hub.HistoryRequest{Limit: int(r.Limit), Reverse: r.Reverse, Bytes: l.limits.queue}
	if request.Limit < 0 || request.Limit > maxRecovered {
		request.Limit = maxRecovered
	}
	if r.HasSince {
		request.Since = &hub.Position{Offset: r.Since.Offset, Epoch: parseEpoch(r.Since.Epoch)}
	}
	top, past, err := l.server.hub.History(ns.id, r.Channel, request)
	switch err {
	case nil:
		return past, top, nil
	case hub.ErrEpoch:
		return nil, top, protocol.ErrUnrecoverablePosition
	}
	return nil, top, protocol.ErrNotAvailable // switched off by a reload
}

// readable reports whether s's client can have past: what is not JSON cannot go to one that speaks nothing else, which
// is then closed.
func (l *loop) readable(c *netpoll.Conn, s *session, past []*hub.Past) bool {
	if s.has(flagProtobuf) || !slices.ContainsFunc(past, (*hub.Past).Opaque) {
		return true
	}
	l.disconnect(c, s, protocol.DisconnectInappropriateProtocol)
	return false
}

// suits is readable for what the application has for the client itself.
func (l *loop) suits(c *netpoll.Conn, s *session, data []byte) bool {
	if s.has(flagProtobuf) || len(data) == 0 || protocol.ValidJSON(data) {
		return true
	}
	l.disconnect(c, s, protocol.DisconnectInappropriateProtocol)
	return false
}

// publicationsOf returns the wire's view of past publications, nil for none.
func publicationsOf(past []*hub.Past) []protocol.Publication {
	if len(past) == 0 {
		return nil
	}
	pubs := make([]protocol.Publication, len(past))
	infos := make([]protocol.ClientInfo, len(past))
	for i, p := range past {
		fillPublication(&pubs[i], &infos[i], p)
	}
	return pubs
}

// publicationOf is publicationsOf for one.
func publicationOf(p *hub.Past) *protocol.Publication {
	pub, info := new(protocol.Publication), new(protocol.ClientInfo)
	fillPublication(pub, info, p)
	return pub
}

func fillPublication(pub *protocol.Publication, info *protocol.ClientInfo, p *hub.Past) {
	pub.Data, pub.Offset = p.Data(), p.Offset()
	for key, value := range p.Tags().All() {
		pub.Tags = append(pub.Tags, protocol.Tag{Key: key, Value: value})
	}
	if about := p.Info(); len(about) > 0 {
		*info = parseInfo(about)
		pub.Info = info
	}
}
