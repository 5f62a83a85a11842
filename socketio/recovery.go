package socketio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// Recovery gives clients that are cut off and return what they had: their id, rooms and data, and what they missed. Not for
// namespaces whose rooms are channels, which have histories of their own.
type Recovery struct {
	MaxDisconnection time.Duration // after which nothing is left; 2 min
	Middlewares      bool          // functions of Use are asked about those who return too
	LogBytes         int           // of the events that a namespace remembers; 16 MiB
	Sessions         int           // that have gone and may return; 100,000
}

const (
	defaultMaxDisconnection = 2 * time.Minute
	defaultLogBytes         = 16 << 20
	defaultSessions         = 100_000
	takeoverTimeout         = 10 * time.Second // for the end of the socket that a client has come from
)

// withDefaults returns r with defaults for what is 0, or nil.
func (r *Recovery) withDefaults() *Recovery {
	if r == nil {
		return nil
	}
	c := *r
	if c.MaxDisconnection <= 0 {
		c.MaxDisconnection = defaultMaxDisconnection
	}
	if c.LogBytes <= 0 {
		c.LogBytes = defaultLogBytes
	}
	if c.Sessions <= 0 {
		c.Sessions = defaultSessions
	}
	return &c
}

// recoverable are the reasons for which a socket goes that may return.
var recoverable = map[string]bool{
	"transport error":      true,
	"transport close":      true,
	"forced close":         true,
	"ping timeout":         true,
	"server shutting down": true,
	"forced server close":  true,
}

// trail is what recovery knows of a socket.
type trail struct {
	space     *Namespace // nil of a session that was read from disk
	name      string     // of the namespace
	id        string
	pid       string // its private id, by which the client returns
	recovered bool
	grant     *server.ConnectReply // as whom it came in
	since     uint64               // offset that it began at
	rooms     map[string]uint64    // those that it has joined, by the offset then; guarded by the state's lock
	release   func()               // lets the namespace's journal go on; may be called more than once
}

// session is a socket that has gone and may return. It counts as one in its namespace, unless it was read from disk.
type session struct {
	trail *trail
	rooms map[string]uint64
	data  map[string]any
	ended time.Time
	read  bool // from disk, where the grant is not
}

// sessions are the sockets of an application by their private ids, with recovery.
type sessions struct {
	mu     sync.Mutex
	live   map[string]server.Socket
	ending map[string]chan struct{} // closed at the end of a live one that somebody waits for
	gone   map[string]*session
	queue  []*session // of gone, in the order in which they went; some have returned since
	timer  *time.Timer
}

// credentials is what a client that returns says.
type credentials struct {
	PID    string `json:"pid"`
	Offset string `json:"offset"`
}

// newPrivateID returns an id of 20 characters.
func newPrivateID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // does not fail
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (all *sessions) init() {
	all.live = make(map[string]server.Socket)
	all.ending = make(map[string]chan struct{})
	all.gone = make(map[string]*session)
}

// giveJournal gives n a journal if it is to have one, under mu, when the node is open. Events stay for as long as a client may
// be away, and before that may have been cut off without anybody noticing: whatever is older a client that comes back has.
func (io *IO) giveJournal(n *Namespace) {
	r := io.options.Recovery
	if r == nil || n.match != nil || slices.Contains(io.mapped, n.name) {
		return
	}
	n.journal = &journal{name: n.name, keep: r.MaxDisconnection + io.unnoticed, limit: r.LogBytes, now: time.Now}
	if io.recorder == nil {
		return
	}
	if err := n.journal.read(io.recorder, n.name); err != nil {
		io.log.Error("socket.io events are lost", "namespace", n.name, "error", err)
	}
	n.journal.recorder = io.recorder
	n.journal.failed = func(err error) { io.log.Error("socket.io events are not kept", "error", err) }
}

// follow notes that s is about to join rooms.
func (io *IO) follow(n *Namespace, s server.Socket, rooms []string) {
	if n.journal == nil {
		return
	}
	position := n.journal.position()
	io.states.visit(s, func(st *state) {
		if st.trail == nil {
			return
		}
		for _, room := range rooms {
			if _, ok := st.trail.rooms[room]; !ok {
				st.trail.rooms[room] = position
			}
		}
		io.recordLive(st)
	})
}

// unfollow notes that s leaves rooms.
func (io *IO) unfollow(n *Namespace, s server.Socket, rooms []string) {
	if n.journal == nil {
		return
	}
	io.states.visit(s, func(st *state) {
		for _, room := range rooms {
			if st.trail != nil && room != st.trail.id {
				delete(st.trail.rooms, room)
			}
		}
		io.recordLive(st)
	})
}

// remember begins the trail of a socket that enters n as h says, and gives it what welcome needs.
func (io *IO) remember(n *Namespace, s server.Socket, h *Handshake, welcome *server.SocketWelcome) {
	t := &trail{space: n, name: n.name, id: h.ID, pid: newPrivateID(), grant: h.grant(), since: n.journal.position(), release: func() {}}
	t.rooms = map[string]uint64{t.id: t.since}
	for _, room := range h.Rooms {
		t.rooms[room] = t.since
	}
	welcome.PID = t.pid
	io.begin(s, t, h.Data)
}

// begin notes that t is the trail of s, which has data.
func (io *IO) begin(s server.Socket, t *trail, data map[string]any) {
	io.sessions.mu.Lock()
	io.sessions.live[t.pid] = s
	io.sessions.mu.Unlock()
	io.states.change(s, func(st *state) {
		st.trail, st.data = t, maps.Clone(data)
		io.recordLive(st)
	})
}

// restore lets a client that r has come from in as what it was. It is nil if there is nothing left of that, or it is
// not whole. ask decides about a client of whom the node does not know any more whose it was.
func (io *IO) restore(n *Namespace, r *server.SocketConnect, ask func() error) (*server.SocketWelcome, map[string]any, error) {
	var c credentials
	if n.journal == nil || r.Auth == nil || json.Unmarshal(r.Auth, &c) != nil || c.PID == "" {
		return nil, nil, nil
	}
	was := io.claim(n, c.PID)
	if was == nil {
		return nil, nil, nil
	}
	over := true
	defer func() { io.release(was, over) }()
	since, ok := was.trail.since, true // of a client that has received nothing
	if c.Offset != "" {
		since, ok = parseOffset(c.Offset)
	}
	if !ok {
		return nil, nil, nil
	}
	if was.read {
		if err := ask(); err != nil {
			return nil, nil, err
		}
	}
	n.journal.mu.RLock()
	missed, ok := n.journal.missed(since, was.rooms)
	if !ok {
		n.journal.mu.RUnlock()
		return nil, nil, nil
	}
	t := *was.trail
	t.space = n
	t.recovered = true
	t.since = since
	t.rooms = was.rooms
	t.release = sync.OnceFunc(n.journal.mu.RUnlock)
	io.begin(r.Socket, &t, was.data)
	over = false
	welcome := &server.SocketWelcome{ID: t.id, PID: t.pid, Grant: t.grant, Missed: missed, Joined: t.release}
	for _, room := range slices.Sorted(maps.Keys(t.rooms)) {
		if room != t.id { // it is in that by having the id
			welcome.Rooms = append(welcome.Rooms, room)
		}
	}
	return welcome, was.data, nil
}

// release takes a session off its namespace, and if it is over has the disk know that nobody can return to it.
func (io *IO) release(s *session, over bool) {
	if over {
		io.record(s, true)
	}
	if s.trail.space != nil {
		io.exit(s.trail.space)
	}
}

// claim takes over the session of a private id in n: if its socket is still there, that ends first. It returns nil if there
// is none.
func (io *IO) claim(n *Namespace, pid string) *session {
	io.expire()
	all := &io.sessions
	was, live, ended := all.take(n, pid)
	if ended == nil {
		return was
	}
	if !io.isOf(live, n) {
		return nil
	}
	io.node().DisconnectSocket(live, true)
	ctx, cancel := context.WithTimeout(context.Background(), takeoverTimeout)
	defer cancel()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	was, _, _ = all.take(n, pid)
	return was
}

// isOf reports whether s, a live socket, is in n.
func (io *IO) isOf(s server.Socket, n *Namespace) (of bool) {
	io.states.visit(s, func(st *state) { of = st.trail != nil && st.trail.space == n })
	return of
}

// take removes a session that has gone from n and returns it. If there is a live one of that private id, it returns its socket and
// a channel that is closed at its end.
func (all *sessions) take(n *Namespace, pid string) (*session, server.Socket, <-chan struct{}) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if live, ok := all.live[pid]; ok {
		if all.ending[pid] == nil {
			all.ending[pid] = make(chan struct{})
		}
		return nil, live, all.ending[pid]
	}
	was := all.gone[pid]
	if was == nil || was.trail.name != n.name {
		return nil, server.Socket{}, nil
	}
	delete(all.gone, pid)
	return was, server.Socket{}, nil
}

// settle deals with the trail of a socket that has gone for a reason, and was in rooms.
func (io *IO) settle(st *state, reason string, rooms []string) {
	t, all := st.trail, &io.sessions
	t.release()
	all.mu.Lock()
	delete(all.live, t.pid)
	ending := all.ending[t.pid]
	delete(all.ending, t.pid)
	kept := ending != nil || recoverable[reason]
	if kept {
		s := &session{trail: t, rooms: t.joined(rooms), data: st.data, ended: time.Now()}
		all.keep(s)
		io.record(s, false)
	}
	all.mu.Unlock()
	if ending != nil {
		close(ending)
	}
	if !kept {
		io.release(&session{trail: t}, true)
	}
	io.expire()
}

// joined returns rooms, and the one of the socket's id, by the offsets at which it joined them.
func (t *trail) joined(rooms []string) map[string]uint64 {
	all := map[string]uint64{t.id: t.rooms[t.id]}
	for _, room := range rooms {
		all[room] = max(t.rooms[room], t.since) // since: of a room that somebody else has put it into
	}
	return all
}

// keep notes a session, under mu.
func (all *sessions) keep(s *session) {
	all.gone[s.trail.pid] = s
	all.queue = append(all.queue, s)
}

// expire forgets sessions that are too old or too many, and has itself called again while there are some.
func (io *IO) expire() {
	all, r := &io.sessions, io.options.Recovery
	var dropped []*session
	all.mu.Lock()
	for len(all.queue) > 0 {
		s := all.queue[0]
		if there := all.gone[s.trail.pid] == s; there {
			if len(all.gone) <= r.Sessions && time.Since(s.ended) < r.MaxDisconnection {
				break
			}
			delete(all.gone, s.trail.pid)
			dropped = append(dropped, s)
		}
		all.queue[0] = nil
		all.queue = all.queue[1:]
	}
	if len(all.queue) > 0 && all.timer == nil {
		all.timer = time.AfterFunc(time.Until(all.queue[0].ended.Add(r.MaxDisconnection)), func() {
			all.mu.Lock()
			all.timer = nil
			all.mu.Unlock()
			io.expire()
		})
	}
	all.mu.Unlock()
	for _, s := range dropped {
		io.release(s, true)
	}
}
