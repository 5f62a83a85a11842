package server

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/tlsrecord"
)

// Config says what a node does. Zero values stand for the defaults named here.
type Config struct {
	Addresses       []string // public: host:port, host:first-last, unix:path; 127.0.0.1:8000
	InternalAddress string   // health, metrics, playground; 127.0.0.1:9000

	// Sockets that listen already, as a service manager passes them on. The node takes them over in place of the addresses.
	Listeners        []*os.File   // public; all loops share each of them
	InternalListener net.Listener // nil for none

	Loops         int    // one for each CPU
	PrivateTables string // a descriptor table for each loop: auto (the default), on or off

	// Development lets anonymous clients in, lets them do in any room what its options offer, and serves
	// /echo and the playground.
	Development bool

	// Other ways to connect than by WebSocket: server-sent events, and HTTP answers that do not end.
	SSE        bool
	HTTPStream bool

	Echo bool // serves /echo outside development mode too, to whoever comes: it asks for no token and has no limits

	ProxyProtocol ProxyProtocol     // how a balancer tells where its connections come from
	TLS           *tlsrecord.Config // nil for plain connections
	Limits        admission.Limits  // who is let in; what is 0 has the default of DefaultLimits, below 0 there is none
	MemoryLimit   int64             // bytes of process and kernel together; 0 is what the cgroup or the host has, below 0 no limit
	API           API               // the HTTP API on the internal address

	records netpoll.RecordLayer // does records in the place of a kernel; tests only
	routes  []route             // served besides the node's own; tests only

	Access             Access       // who may connect
	Rooms              Rooms        // what rooms do
	HistoryMemoryLimit int64        // bytes of all histories together; 256 MiB, or an eighth of the memory if that is less; below 0 no limit
	Store              *StoreConfig // nil keeps histories in memory only
	SocketIO           *SocketIO    // nil serves none
	Handler            Handler      // the application; its zero value leaves all decisions to the options

	MessageLimit         int           // bytes of a message from a client, as it comes and after inflation; 64 KiB
	FragmentLimit        int           // frames of such a message; 1024
	CommandRate          int           // commands and control frames that a client may send a second; 1,000, in development and below 0 no limit
	ByteRate             int           // bytes that it may send a second; 1 MiB, in development and below 0 no limit
	RateBurst            time.Duration // how far ahead of these rates it may be; 5 s
	MessageTimeout       time.Duration // from the first byte of a message to its last; 60 s
	InputBudget          int64         // memory of messages that are not whole yet, of all clients together; 256 MiB, or an eighth of the memory if that is less; below 0 no limit
	QueueLimit           int           // bytes that may wait for a client; 1 MiB
	QueueBudget          int64         // bytes that may wait for all clients together; 512 MiB, or such an eighth; below 0 no limit
	RoomLimit            int           // rooms of a client; 128
	PingInterval         time.Duration // 25 s; below 0 none
	PongTimeout          time.Duration // 8 s
	HeadTimeout          time.Duration // from accept to a whole request head; 5 s
	StaleTimeout         time.Duration // from there to a connect command; 10 s
	KeepAliveTimeout     time.Duration // from an HTTP answer to the next request of its conn; 65 s
	StallLimit           time.Duration // how long a client's socket may take nothing; 10 s
	ExpiredCloseDelay    time.Duration // how long a session may go on when what its token granted has ended; 25 s
	ExpiredSubCloseDelay time.Duration // the same for a subscription; 25 s
	MaxConnectionAge     time.Duration // after which, give or take a tenth, a session is told to reconnect; 0 for never
	DrainDelay           time.Duration // between saying that the node is not ready and closing the listeners
	ShutdownWindow       time.Duration // over which a drain closes sessions; 30 s

	Version string // told to clients
	Log     *slog.Logger

	WrapAPI    func(http.Handler) http.Handler // puts something around the HTTP API, such as traces; nil for nothing
	LogDropped func() uint64                   // how many lines Log has dropped, for the metrics; nil if it drops none
	Metrics    []prometheus.Collector          // shown beside the node's own, whose names none of them may have
}

// ProxyProtocol says that every public connection begins with a header of the PROXY protocol, version 1 or 2, and from whom it
// is believed. A connection from anywhere else, or without one, is closed.
type ProxyProtocol struct {
	Enabled bool
	Trusted []string // networks as 10.0.0.0/8, or single addresses
}

// API says who may use the HTTP API.
type API struct {
	Key       string // what its users show; without one nobody may, and the internal address must be of the loopback
	Insecure  bool   // without a key everybody on this host may, as in development mode
	Transport bool   // errors are HTTP statuses too, if the request does not say otherwise
	BodyLimit int    // bytes of a request; 4 MiB
}

// DefaultLimits are a node's limits outside development mode, in which there are none. Those for an address do not hold on the
// loopback, where proxies of the same host come from.
var DefaultLimits = admission.Limits{
	Rate:               admission.Rate{PerSecond: 20_000, Burst: 20_000},
	AddressConnections: 10_000,
	AddressRate:        admission.Rate{PerSecond: 500, Burst: 5_000},
	IPv6Prefix:         64,
	UserConnections:    1_000,
}

// MaxLoops is how many loops a node may have.
const MaxLoops = netpoll.MaxLoops

// ErrConfig is what every error in a Config wraps.
var ErrConfig = errors.New("server: configuration")

const (
	defaultMessageLimit = 64 << 10
	maxMessageLimit     = 1<<31 - 1
	lingerTimeout       = 5 * time.Second // for the peer's side of the close
)

// shareMemory fills in what of so much memory, 0 if it has no limit, clients and rooms may fill together. It leaves the greater
// part to the conns themselves, and to what the runtime has yet to collect.
func (c *Config) shareMemory(limit int64) {
	most := int64(math.MaxInt64)
	if limit > 0 {
		most = max(limit/8, 1) // 0 would be none
	}
	orElse(&c.HistoryMemoryLimit, min(256<<20, most))
	orElse(&c.InputBudget, min(256<<20, most))
	orElse(&c.QueueBudget, min(512<<20, most))
}

// withDefaults fills in what is zero, but for what depends on the host's memory.
func (c Config) withDefaults() Config {
	if len(c.Listeners) > 0 {
		c.Addresses = nil
	} else if len(c.Addresses) == 0 {
		c.Addresses = []string{"127.0.0.1:8000"}
	}
	orElse(&c.InternalAddress, "127.0.0.1:9000")
	orElse(&c.PrivateTables, "auto")
	orElse(&c.MessageLimit, defaultMessageLimit)
	orElse(&c.FragmentLimit, 1024)
	if c.Development {
		orElse(&c.CommandRate, -1)
		orElse(&c.ByteRate, -1)
	}
	orElse(&c.CommandRate, 1000)
	orElse(&c.ByteRate, 1<<20)
	orElse(&c.RateBurst, 5*time.Second)
	orElse(&c.MessageTimeout, time.Minute)
	orElse(&c.QueueLimit, 1<<20)
	orElse(&c.RoomLimit, 128)
	orElse(&c.PingInterval, 25*time.Second)
	orElse(&c.PongTimeout, 8*time.Second)
	orElse(&c.HeadTimeout, 5*time.Second)
	orElse(&c.StaleTimeout, 10*time.Second)
	orElse(&c.KeepAliveTimeout, 65*time.Second)
	orElse(&c.StallLimit, 10*time.Second)
	orElse(&c.ExpiredCloseDelay, 25*time.Second)
	orElse(&c.ExpiredSubCloseDelay, 25*time.Second)
	orElse(&c.ShutdownWindow, 30*time.Second)
	orElse(&c.Version, "edge")
	orElse(&c.Log, slog.Default())
	c.SocketIO = c.SocketIO.withDefaults()
	if c.PingInterval > 0 {
		c.PongTimeout = min(c.PongTimeout, c.PingInterval*2/3) // the answer is due before the next question
	}
	return c
}

// limits returns l with defaults for what it does not say.
func (c *Config) limits(l admission.Limits) admission.Limits {
	def := DefaultLimits
	if c.Development {
		def = admission.Limits{IPv6Prefix: def.IPv6Prefix}
	}
	orElse(&l.Connections, def.Connections)
	orElse(&l.Rate, def.Rate)
	orElse(&l.AddressConnections, def.AddressConnections)
	orElse(&l.AddressRate, def.AddressRate)
	orElse(&l.IPv6Prefix, def.IPv6Prefix)
	orElse(&l.UserConnections, def.UserConnections)
	return l
}

func orElse[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// check returns what is wrong with a filled-in c.
func (c *Config) check() error {
	switch {
	case c.MessageLimit < 1 || c.MessageLimit > maxMessageLimit:
		return fmt.Errorf("%w: message size limit of %d bytes; it may be 1 to %d", ErrConfig, c.MessageLimit, maxMessageLimit)
	case c.Loops < 0 || c.Loops > MaxLoops:
		return fmt.Errorf("%w: %d loops; write 0 for one for each CPU, or 1 to %d", ErrConfig, c.Loops, MaxLoops)
	case c.FragmentLimit < 1:
		return fmt.Errorf("%w: fragment limit of %d; a message has at least 1", ErrConfig, c.FragmentLimit)
	case c.QueueLimit < 1:
		return fmt.Errorf("%w: queue limit of %d bytes; it must be positive", ErrConfig, c.QueueLimit)
	case c.PingInterval > 0 && c.PingInterval < time.Second:
		return fmt.Errorf("%w: ping interval of %v; the protocol counts whole seconds", ErrConfig, c.PingInterval)
	}
	if err := c.SocketIO.check(); err != nil {
		return err
	}
	if _, err := netpoll.ParseTables(c.PrivateTables); err != nil {
		return fmt.Errorf("%w: private descriptor tables: %w", ErrConfig, err)
	}
	if _, _, err := net.SplitHostPort(c.InternalAddress); err != nil {
		return fmt.Errorf("%w: internal address %q is not host:port", ErrConfig, c.InternalAddress)
	}
	return nil
}
