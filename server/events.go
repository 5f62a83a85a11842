package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/protocol"
)

// Server-sent events for those who know no protocol, such as a browser's own EventSource or curl: a token and rooms in the
// query, publications as events. Inside it is a session like the others, for which we say the commands. The id of an event
// is where the client stands in all of its rooms, in their order in the query, so that the one id that a browser
// gives back in Last-Event-ID when it returns is enough to recover them all.

// streamEvents is what is to be known of these streams. What all clients share of an event is all but its id; the rest is made for
// each: see writeEvents.
var streamEvents = streaming{
	transport: metrics.SSE,
	kind:      typeEvents,
	first:     ":\n\n",
	ping:      frame.AppendChunk(nil, []byte(":\n\n")),
	encode:    func(dst []byte, _ *Server, p *hub.Publication) []byte { return appendEvent(dst, p) },
	replies:   (*loop).appendEvents,
}

// appendEvent appends what all clients share of an event, with the empty line at its end; nothing for who comes and goes.
func appendEvent(dst []byte, p *hub.Publication) []byte {
	if p.Kind != hub.PubData {
		return dst
	}
	for key, value := range p.Tags.All() {
		if string(key) == tagEvent {
			dst = appendEventName(dst, string(value))
		}
	}
	return appendLines(dst, p.Data)
}

// tagEvent is the tag of a publication that names its event.
const tagEvent = "event"

// appendEventName appends the line that names an event. No client could be told a name with line ends: that is left out.
func appendEventName(dst []byte, name string) []byte {
	if name == "" || strings.ContainsAny(name, "\r\n\x00") {
		return dst
	}
	return append(append(append(dst, eventLine...), name...), '\n')
}

const eventLine = "event: "

// appendLines appends data, each of its lines for itself (HTML standard, section 9.2.6), and the empty line that ends an event.
func appendLines(dst, data []byte) []byte {
	for {
		end := bytes.IndexAny(data, "\r\n")
		if end < 0 {
			break
		}
		dst = append(append(append(dst, "data: "...), data[:end]...), '\n')
		next := end + 1
		if data[end] == '\r' && next < len(data) && data[next] == '\n' {
			next++
		}
		data = data[next:]
	}
	dst = append(append(dst, "data: "...), data...)
	return append(dst, "\n\n"...)
}

// writeEvents writes publications to a client, each with the id that is where it stands then.
func (l *loop) writeEvents(c *netpoll.Conn, pubs []*hub.Publication) {
	s := l.sessions.At(c.Slot())
	a := l.audiences.table[s.midway]
	l.chunk = l.chunk[:0]
	for _, p := range pubs {
		if shared := l.wire(p, s.wire.form()); len(shared) > 0 {
			if p.Position != (hub.Position{}) {
				a = l.audiences.own(s.midway)
			}
			l.chunk = a.appendTo(l.chunk, p.Room, p.Position, shared)
		}
	}
	if len(l.chunk) == 0 {
		return
	}
	l.counts.PayloadOut += uint64(len(l.chunk))
	l.events = l.endChunk(l.events[:0])
	l.write(c, l.events)
	l.events = trim(l.events)
}

// appendTo appends an event of a room that stands at a position behind it: its id, its name if it has none and the client has asked
// for several rooms, and what all share of it.
func (a *audience) appendTo(dst, room []byte, at hub.Position, shared []byte) []byte {
	i := slices.IndexFunc(a.rooms, func(r audienceRoom) bool { return r.name == string(room) })
	if i >= 0 && at != (hub.Position{}) {
		a.rooms[i].at = at
		dst = a.appendID(dst)
	}
	if len(a.rooms) > 1 && !bytes.HasPrefix(shared, []byte(eventLine)) {
		dst = appendEventName(dst, string(room))
	}
	return append(dst, shared...)
}

// appendID appends the line with where the client stands: epoch:offset for each room, with commas between, and nothing for a room
// that keeps no positions.
func (a *audience) appendID(dst []byte) []byte {
	dst = append(dst, "id: "...)
	for i := range a.rooms {
		if i > 0 {
			dst = append(dst, ',')
		}
		if at := a.rooms[i].at; at != (hub.Position{}) {
			dst = append(appendEpoch(dst, at.Epoch), ':')
			dst = strconv.AppendUint(dst, at.Offset, 10)
		}
	}
	return append(dst, '\n')
}

// standing reads what appendID has written, of so many rooms; nil for anything else.
func standing(id []byte, rooms int) []hub.Position {
	parts := bytes.Split(id, []byte{','})
	if len(parts) != rooms {
		return nil
	}
	all := make([]hub.Position, rooms)
	for i, part := range parts {
		if len(part) == 0 {
			continue
		}
		epoch, offset, _ := bytes.Cut(part, []byte{':'})
		n, err := strconv.ParseUint(string(offset), 10, 64)
		at := parseEpoch(epoch)
		if err != nil || at == 0 || at == foreignEpoch {
			return nil
		}
		all[i] = hub.Position{Epoch: at, Offset: n}
	}
	return all
}

// serveEvents makes the conn a stream of events of the rooms that the query names.
func (l *loop) serveEvents(c *netpoll.Conn, s *session, r *httpRequest, q *query) {
	a := audience{}
	for _, room := range q.rooms {
		named := func(has audienceRoom) bool { return has.name == string(room) }
		if len(room) > 0 && !slices.ContainsFunc(a.rooms, named) {
			a.rooms = append(a.rooms, audienceRoom{name: string(room)})
		}
		if len(a.rooms) > l.limits.rooms {
			break // a query has room for thousands, and each is held against all before it
		}
	}
	if len(a.rooms) == 0 || len(a.rooms) > l.limits.rooms {
		l.refuse(c, s, errRooms)
		return
	}
	last := r.Header("last-event-id")
	a.returned = len(last) > 0
	commands := a.commands(q.token, standing(last, len(a.rooms)))
	if !l.startStream(c, s, r, wireEvents) {
		return
	}
	s.midway = l.audiences.take(&a)
	l.firstCommands(c, s, commands)
}

var errRooms = &frame.HTTPError{Status: http.StatusBadRequest, Reason: "neither commands nor rooms, or too many"}

// firstRoom is the id of the command for the first room; that for connect is the one before.
const firstRoom = 2

// commands are what a client that knew the protocol would say.
func (a *audience) commands(token []byte, since []hub.Position) []byte {
	out := protocol.JSON.AppendConnect(nil, firstRoom-1, &protocol.ConnectRequest{Token: token, Name: []byte("eventsource")})
	for i := range a.rooms {
		r := protocol.SubscribeRequest{Channel: []byte(a.rooms[i].name), Positioned: true, Recoverable: true, Recover: a.returned}
		if since != nil && since[i] != (hub.Position{}) {
			r.Epoch, r.Offset = appendEpoch(nil, since[i].Epoch), since[i].Offset
		} else if a.returned {
			r.Epoch = []byte("?") // no room's
		}
		out = protocol.JSON.AppendSubscribe(append(out, '\n'), uint32(firstRoom+i), &r)
	}
	return out
}

// eventReply is what these clients get to know of a reply or a push.
type eventReply struct {
	ID      int
	Error   *eventError
	Connect *struct {
		Client string `json:"client"`
	}
	Subscribe *struct {
		Epoch        string
		Offset       uint64
		Recovered    bool
		Publications []eventPublication
	}
	Push *struct {
		Channel                 string
		Pub                     *eventPublication
		Message                 *struct{ Data json.RawMessage }
		Disconnect, Unsubscribe *eventEnd
	}
}

type eventError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

type eventEnd struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// refusedNews is a room that a client does not get, or without one the whole stream.
type refusedNews struct {
	Room string `json:"room,omitempty"`
	eventError
}

// endedNews is a room that a client is no longer in.
type endedNews struct {
	Room string `json:"room"`
	eventEnd
}

type eventPublication struct {
	Data   json.RawMessage
	Offset uint64
	Tags   map[string]string
}

// appendEvents appends replies and pushes, a line each, as events.
func (l *loop) appendEvents(s *session, dst, replies []byte) []byte {
	a := l.audiences.table[s.midway]
	l.chunk = l.chunk[:0]
	for line := range bytes.SplitSeq(replies, []byte{'\n'}) {
		var r eventReply
		if json.Unmarshal(line, &r) == nil { // they are our own
			if r.Subscribe != nil && r.Subscribe.Epoch != "" {
				a = l.audiences.own(s.midway)
			}
			l.chunk = a.appendReply(l.chunk, &r)
		}
	}
	if len(l.chunk) == 0 {
		return dst
	}
	return l.endChunk(dst)
}

// appendReply appends one.
func (a *audience) appendReply(dst []byte, r *eventReply) []byte {
	room := r.ID - firstRoom
	of := ""
	if room >= 0 && room < len(a.rooms) {
		of = a.rooms[room].name
	}
	switch {
	case r.Error != nil:
		return appendNews(dst, "refused", refusedNews{of, *r.Error})
	case r.Connect != nil:
		return appendNews(dst, "connected", r.Connect)
	case r.Subscribe != nil && of != "":
		return a.appendSubscribed(dst, &a.rooms[room], r)
	case r.Push == nil:
		return dst
	case r.Push.Pub != nil:
		return a.appendPublication(dst, r.Push.Channel, hub.Position{}, r.Push.Pub)
	case r.Push.Message != nil:
		return appendLines(appendEventName(dst, "message"), r.Push.Message.Data)
	case r.Push.Disconnect != nil:
		return appendNews(dst, "disconnect", r.Push.Disconnect)
	case r.Push.Unsubscribe != nil:
		return appendNews(dst, "unsubscribed", endedNews{r.Push.Channel, *r.Push.Unsubscribe})
	}
	return dst
}

// appendSubscribed appends what a room has for a client that comes in, and where it stands then.
func (a *audience) appendSubscribed(dst []byte, room *audienceRoom, r *eventReply) []byte {
	sub := r.Subscribe
	epoch := parseEpoch([]byte(sub.Epoch))
	for i := range sub.Publications {
		p := &sub.Publications[i]
		dst = a.appendPublication(dst, room.name, hub.Position{Epoch: epoch, Offset: p.Offset}, p)
	}
	if epoch != 0 {
		room.at = hub.Position{Epoch: epoch, Offset: max(sub.Offset, room.at.Offset)}
		dst = a.appendID(dst)
	}
	news := struct {
		Room      string `json:"room"`
		Recovered *bool  `json:"recovered,omitempty"` // to one who has said where it stood
	}{Room: room.name}
	if a.returned {
		news.Recovered = &sub.Recovered
	}
	return appendNews(dst, "subscribed", news)
}

func (a *audience) appendPublication(dst []byte, room string, at hub.Position, p *eventPublication) []byte {
	shared := appendLines(appendEventName(nil, p.Tags[tagEvent]), p.Data)
	return a.appendTo(dst, []byte(room), at, shared)
}

// appendNews appends an event of our own.
func appendNews(dst []byte, name string, about any) []byte {
	data, err := json.Marshal(about)
	if err != nil {
		panic(err) // it is text and numbers
	}
	return appendLines(appendEventName(dst, name), data)
}
