package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed4ac54ce5/edge/socketio"
)

// chat is the application.
type chat struct {
	io *socketio.IO

	mu    sync.Mutex // guards what follows
	rooms map[string]*log
}

// log is what was said in a room.
type log struct {
	last    uint64 // number of the newest message
	message []message
}

// message is something that was said.
type message struct {
	Number uint64    `json:"number"` // from 1, in each room
	From   string    `json:"from"`
	Text   string    `json:"text"`
	Time   time.Time `json:"time"`
}

// Bounds of what people may do.
const (
	maxName    = 20
	maxRoom    = 20
	maxText    = 1000
	maxRooms   = 1000 // that are remembered
	maxHistory = 100  // messages of each
)

var (
	errName   = &socketio.Error{Message: "a name has 1 to 20 characters"}
	errRoom   = &socketio.Error{Message: "a room's name has 1 to 20 characters"}
	errText   = &socketio.Error{Message: "a message has 1 to 1000 characters"}
	errRooms  = &socketio.Error{Message: "there are too many rooms"}
	errNoRoom = &socketio.Error{Message: "you are in no room"}
)

// newChat has io serve the chat.
func newChat(io *socketio.IO) *chat {
	c := &chat{io: io, rooms: make(map[string]*log)}
	io.Use(c.name)
	io.On("join", c.join)
	io.On("message", c.say)
	io.On("typing", c.typing)
	io.On("presence", c.presence)
	io.On("history", c.history)
	io.OnConnect(c.back)
	io.OnDisconnect(c.leave)
	return c
}

// fits reports whether text has 1 to so many characters, of which one is no space.
func fits(text string, most int) bool {
	return strings.TrimSpace(text) != "" && len([]rune(text)) <= most
}

// name lets in everybody who has a name.
func (c *chat) name(h *socketio.Handshake) error {
	var auth struct{ Name string }
	if h.BindAuth(&auth) != nil || !fits(auth.Name, maxName) {
		return errName
	}
	h.User = auth.Name
	h.Data = map[string]any{"name": auth.Name}
	return nil
}

// nameOf returns the name that somebody has come with.
func nameOf(s *socketio.Socket) string {
	name, _ := s.Get("name").(string)
	return name
}

// roomOf returns the room that somebody is in, empty for none.
func roomOf(s *socketio.Socket) string {
	room, _ := s.Get("room").(string)
	return room
}

// join brings somebody into a room, out of the one before, and answers with what was said there and who is there.
func (c *chat) join(s *socketio.Socket, e *socketio.Event) error {
	var room string
	if e.Bind(&room) != nil || !fits(room, maxRoom) {
		return errRoom
	}
	if before := roomOf(s); before != "" && before != room {
		if err := s.Leave(before); err != nil {
			return err
		}
		_ = s.To(before).Emit("left", nameOf(s)) // no news for nobody
	}
	if err := s.Set("room", room); err != nil {
		return err
	}
	if err := s.Join(room); err != nil { // from here on, what is said comes by itself
		return err
	}
	_ = s.To(room).Emit("joined", nameOf(s))
	present, err := c.present(room)
	if err != nil {
		return err
	}
	return e.Ack(map[string]any{"room": room, "history": c.said(room, 0), "present": present})
}

// back tells a room of somebody who was cut off from it, and is in it again.
func (c *chat) back(s *socketio.Socket) {
	if room := roomOf(s); s.Recovered() && room != "" {
		_ = s.To(room).Emit("joined", nameOf(s))
	}
}

// say passes on what somebody says, and answers when it is on its way.
func (c *chat) say(s *socketio.Socket, e *socketio.Event) error {
	var text string
	room := roomOf(s)
	switch {
	case room == "":
		return errNoRoom
	case e.Bind(&text) != nil || !fits(text, maxText):
		return errText
	}
	m, err := c.add(room, message{From: nameOf(s), Text: text, Time: time.Now().UTC()})
	if err != nil {
		return err
	}
	return e.Ack(map[string]uint64{"number": m.Number})
}

// add numbers a message, remembers it and sends it to its room, in one order for everybody.
func (c *chat) add(room string, m message) (message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.rooms[room]
	if l == nil {
		if len(c.rooms) == maxRooms {
			return m, errRooms
		}
		l = new(log)
		c.rooms[room] = l
	}
	l.last++
	m.Number = l.last
	if l.message = append(l.message, m); len(l.message) > maxHistory {
		l.message = slices.Delete(l.message, 0, 1)
	}
	return m, c.io.To(room).Emit("message", m)
}

// said returns what was said in a room after a message.
func (c *chat) said(room string, after uint64) []message {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []message{}
	if l := c.rooms[room]; l != nil {
		for _, m := range l.message {
			if m.Number > after {
				all = append(all, m)
			}
		}
	}
	return all
}

// history answers with what was said after a message: what a page needs that was away for too long.
func (c *chat) history(s *socketio.Socket, e *socketio.Event) error {
	var after uint64
	_ = e.Bind(&after) // or all
	return e.Ack(c.said(roomOf(s), after))
}

// typing tells the others in the room. Whoever cannot take it at once need not know.
func (c *chat) typing(s *socketio.Socket, e *socketio.Event) error {
	var on bool
	if room := roomOf(s); room != "" && e.Bind(&on) == nil {
		return s.To(room).Volatile().Emit("typing", nameOf(s), on)
	}
	return nil
}

// presence answers with who is in the room.
func (c *chat) presence(s *socketio.Socket, e *socketio.Event) error {
	room := roomOf(s)
	if room == "" {
		return errNoRoom
	}
	present, err := c.present(room)
	if err != nil {
		return err
	}
	return e.Ack(present)
}

// present returns the names of those who are in a room, each once.
func (c *chat) present(room string) ([]string, error) {
	sockets, err := c.io.To(room).FetchSockets(context.Background())
	names := []string{}
	for _, s := range sockets {
		if name, ok := s.Data["name"].(string); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// leave tells the room of somebody who has gone. A page that is cut off may be back in a moment.
func (c *chat) leave(s *socketio.Socket, _ string) {
	if room := roomOf(s); room != "" {
		_ = c.io.To(room).Emit("left", nameOf(s))
	}
}
