package socketio

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed4ac54ce5/edge/server"
)

// Options say how an application serves. The zero value is good.
type Options struct {
	// KeepHandshakes keeps the request of each socket for as long as it is connected, for [Socket.Handshake]. Otherwise
	// it is known in the functions of Use and OnConnect, and costs nothing afterwards.
	KeepHandshakes bool

	Recovery *Recovery // brings back what a client had when it is cut off and returns; nil for nothing

	Log *slog.Logger // what went wrong in functions of the application; slog.Default()
}

// IO is an application for Socket.IO's clients, and its namespace "/" at once. Its methods and those of all that it hands
// out are for any goroutine.
type IO struct {
	*Namespace // "/"

	options Options
	log     *slog.Logger
	limit   atomic.Int64 // of binary values in a packet

	running atomic.Pointer[running] // nil until the node is open
	states  states
	nextAck atomic.Uint64
	casts   casts

	sessions  sessions      // with recovery
	unnoticed time.Duration // how long a client may be gone before the node notices; set by Server
	recorder  recorder      // nil for what is not kept on disk; set when the node is open
	mapped    []string      // namespaces whose rooms are channels; set by Server

	mu      sync.RWMutex // guards what follows
	spaces  map[string]*Namespace
	dynamic []*Namespace // in the order in which they were made
}

// New returns an application with nothing but the namespace "/".
func New(o Options) *IO {
	io := &IO{options: o, log: o.Log, spaces: make(map[string]*Namespace)}
	io.options.Recovery = o.Recovery.withDefaults()
	if io.log == nil {
		io.log = slog.Default()
	}
	io.limit.Store(defaultAttachments)
	io.states.init()
	io.sessions.init()
	io.Namespace = io.Of("/")
	return io
}

// Defaults of [server.SocketIO].
const (
	defaultAttachments  = 10
	defaultPingInterval = 25 * time.Second
	defaultPingTimeout  = 20 * time.Second
)

// running is what an application has while its node is open.
type running struct {
	node    node
	adapter adapter
}

// start is given the node.
func (io *IO) start(n node) {
	io.mu.Lock()
	defer io.mu.Unlock()
	io.openRecords(n)
	for _, space := range io.spaces {
		io.giveJournal(space)
	}
	io.running.Store(&running{n, &local{io: io, node: n}})
}

// node returns the node, which is open: there are sockets.
func (io *IO) node() node { return io.running.Load().node }

// Server returns o with the application in it, for [server.Config.SocketIO].
func (io *IO) Server(o server.SocketIO) *server.SocketIO {
	if o.Limits.Attachments > 0 {
		io.limit.Store(int64(o.Limits.Attachments))
	}
	io.unnoticed = cmp.Or(o.PingInterval, defaultPingInterval) + cmp.Or(o.PingTimeout, defaultPingTimeout)
	io.mapped = slices.Clone(o.RoomsAsChannels)
	o.KeepHandshakes = o.KeepHandshakes || io.options.KeepHandshakes
	if r := io.options.Recovery; r != nil {
		o.RecordTTL = r.MaxDisconnection + io.unnoticed
	}
	o.App = app{io}
	return &o
}

// Of returns the namespace of a name, such as "/chat", and makes it if there is none. The slash may be left out. A name that
// a dynamic namespace matches is a child of that.
func (io *IO) Of(name string) *Namespace {
	if name == "" || name[0] != '/' {
		name = "/" + name
	}
	io.mu.Lock()
	defer io.mu.Unlock()
	n := io.spaces[name]
	if n == nil {
		n = io.addSpace(name, io.matching(name))
	}
	n.pinned = true
	return n
}

// addSpace makes the namespace of a name, a child of parent if that is not nil, under mu.
func (io *IO) addSpace(name string, parent *Namespace) *Namespace {
	n := io.newNamespace(name)
	n.parent = parent
	if io.running.Load() != nil {
		io.giveJournal(n)
	}
	io.spaces[name] = n
	return n
}

// matching returns the dynamic namespace whose pattern takes name, under mu.
func (io *IO) matching(name string) *Namespace {
	for _, n := range io.dynamic {
		if n.pattern != nil && n.pattern.MatchString(name) {
			return n
		}
	}
	return nil
}

// OfPattern returns a dynamic namespace: clients may enter any whose name pattern matches. Each is a child of it, with all
// its functions; it is made when the first client enters, and gone with the last.
func (io *IO) OfPattern(pattern *regexp.Regexp) *Namespace {
	n := io.addDynamic(func(name string, _ json.RawMessage) bool { return pattern.MatchString(name) })
	n.pattern = pattern
	return n
}

// OfFunc is as OfPattern, for the names that match returns true for. It is asked when a client wishes to enter one that does
// not exist, with what the client says of itself.
func (io *IO) OfFunc(match func(name string, auth json.RawMessage) bool) *Namespace {
	return io.addDynamic(match)
}

func (io *IO) addDynamic(match func(string, json.RawMessage) bool) *Namespace {
	io.mu.Lock()
	defer io.mu.Unlock()
	n := io.newNamespace("")
	n.match = match
	io.dynamic = append(io.dynamic, n)
	return n
}

// space returns the namespace of a name, or nil.
func (io *IO) space(name string) *Namespace {
	io.mu.RLock()
	defer io.mu.RUnlock()
	return io.spaces[name]
}

// enter returns the namespace that a client with auth may enter under name, or nil. [IO.exit] must follow.
func (io *IO) enter(name string, auth json.RawMessage) *Namespace {
	if n := io.count(name, nil); n != nil {
		return n
	}
	io.mu.RLock()
	dynamic := slices.Clone(io.dynamic)
	io.mu.RUnlock()
	for _, parent := range dynamic {
		if parent.match(name, auth) {
			return io.count(name, parent)
		}
	}
	return nil
}

// count adds one to the sockets of a namespace, which is made if there is none and parent is given.
func (io *IO) count(name string, parent *Namespace) *Namespace {
	io.mu.Lock()
	defer io.mu.Unlock()
	n := io.spaces[name]
	if n == nil && parent != nil {
		n = io.addSpace(name, parent)
	}
	if n != nil {
		n.sockets++
	}
	return n
}

// exit takes a socket off n. A child that nobody has asked for by its name goes with its last one.
func (io *IO) exit(n *Namespace) {
	io.mu.Lock()
	defer io.mu.Unlock()
	if n.sockets--; n.sockets == 0 && !n.pinned {
		delete(io.spaces, n.name)
	}
}

// children returns the namespaces that n has made.
func (io *IO) children(n *Namespace) []*Namespace {
	io.mu.RLock()
	defer io.mu.RUnlock()
	var all []*Namespace
	for _, child := range io.spaces {
		if child.parent == n {
			all = append(all, child)
		}
	}
	return all
}

// attachments returns how many binary values a packet may have.
func (io *IO) attachments() int { return int(io.limit.Load()) }
