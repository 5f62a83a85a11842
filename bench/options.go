package bench

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/netpoll"
)

// ErrUsage is what every error about an option wraps.
var ErrUsage = errors.New("bench: usage")

// Scenario is what the connections do once they stand.
type Scenario string

// The scenarios.
const (
	Idle   Scenario = "idle"   // join a room and wait; what connections cost
	Echo   Scenario = "echo"   // send messages that come back
	Fanout Scenario = "fanout" // receive what publishers send to rooms
	Churn  Scenario = "churn"  // connect, upgrade, subscribe, close, again and again
	Storm  Scenario = "storm"  // drop all at once and come back, while publishers go on
	Slow   Scenario = "slow"   // receive what publishers send to rooms, a share of the members slowly
	Mixed  Scenario = "mix"    // classes of connections that come, talk and go, as Options.Mix says
	Soak   Scenario = "soak"   // a mix for hours, with faults; what leaks
)

// Options says what a run does. The names of flags in comments and errors are those of edge flood.
type Options struct {
	Scenario    Scenario
	Targets     []string // --target: host:port, ws:// or wss://host:port/path; connections take turns
	Connections int      // --connections; of churn, how many at once
	Rooms       int      // --rooms; connection i is in room i modulo this
	RoomPrefix  string   // --room-prefix: what room names begin with, so that others can join; "" for a name of the run's own
	Personal    bool     // --personal: each member is in a room of its own besides
	Protocol    Protocol // --protocol: how connections speak; "" for Centrifuge, in the scenario echo for EchoProtocol
	TokenSecret string   // --token-secret: what the server's HMAC tokens are signed with; each connection is a user of its own. "" for no tokens
	Payload     int      // --payload: bytes of a message's JSON value
	Duration    time.Duration
	Warmup      time.Duration // load before measuring begins
	Drain       time.Duration // --drain: how long to wait at the end while nothing comes; 0 is 10 s
	Rate        int           // --rate a second in all: publications, or echoes, where 0 is as fast as they come back
	Pipeline    int           // --pipeline: echoes in flight on each connection
	Publishers  int           // --publishers: connections besides that publish, or requests to the API at once; a room has one
	PublishVia  string        // --publish-via: fanout: ViaConnection or ViaAPI; "" for the first
	API         string        // --api: where the server's HTTP API is, http://host:port or with the path of its methods
	APIKey      string        // --api-key: its key; "" for none

	Transport        Transport // --transport: of Socket.IO; "" for WebSocket
	Namespace        string    // --namespace: the same; "" for /
	JoinEvent        string    // --join-event: the same: a name, or an array of JSON with "$room" in it; "" for join
	PublishEvent     string    // --publish-event: with "$room" and $data; "" for publish
	EchoEvent        string    // --echo-event: with $data, which the acknowledgement is to have again; "" for echo
	PublicationEvent string    // --publication-event: how publications come; "" for publication

	Mix  *Mix          // mix: who does what; nil for BuiltInMix
	Day  time.Duration // --day: mix: how long a day takes, with its hours' activity; 0 for the same activity all along
	Seed uint64        // --seed: mix: what chance depends on; 0 is 1

	Faults     time.Duration // --faults: soak: time between faults, 0 for none
	FaultShare float64       // --fault-share: soak: share of the connections that one hits
	Internal   string        // --internal: soak: where the server's metrics are, http://host:port; "" for none

	Hold        time.Duration // idle: how long to do nothing once all are connected; storm: calm before each and after the last
	PublishOnce bool          // idle: then one publication to each room
	Message     int           // idle: bytes that each connection then sends, and receives; 0 for no such message
	Rest        time.Duration // idle: how long to do nothing after that

	Storms int           // --storms: how many, one after the other
	Share  float64       // --share of the members that drop, or read slowly; 0 is all, or a tenth
	Drop   string        // --drop: how they do, rude or polite; "" for rude
	Return string        // --return: and how they come back; "" for polite
	GiveUp time.Duration // --give-up: how long to wait for the others while nobody comes back; 0 is a minute

	Mode    string // --mode of slow readers: stall or trickle; "" for stall
	Trickle int    // --trickle: bytes a second that each reads; 0 is 1024

	Ramp          int           // --ramp: connects a second, 0 for as fast as they succeed
	Loops         int           // --loops: 0 for as many as the connections need
	PrivateTables string        // --private-fd-tables: a descriptor table for each loop; auto, on or off, "" for auto
	Sources       int           // --sources: addresses of 127.0.0.0/8 to connect from; 0 for as many as needed
	Insecure      bool          // --insecure: with wss, believe every certificate
	CA            string        // --ca: with wss, file of the authorities to believe, "" for the system's
	Headers       []string      // --header of the request for a WebSocket, each as Name: value
	ProxyProtocol string        // --proxy-protocol with which connections begin: v1 or v2, "" for none
	ProxyClients  string        // --proxy-clients: range of the client addresses in it, "" for 10.0.0.0/8
	Probe         time.Duration // --probe: time between the probe's round trips, 0 for no probe
	ServerPID     int           // --server-pid: whose CPU and memory to read, 0 for nobody's

	Command  string    // what was typed, to be in the report; it holds no secrets
	Progress io.Writer // where to say how it goes; nil for nowhere
	Terminal bool      // Progress is a terminal: a bar instead of lines

	Workers int    // --workers: processes that share the run; this one then coordinates them. 0 to do it alone
	Listen  string // --listen: host:port where they join
	JoinKey string // --join-key: what they must know, "" for nothing

	patience   time.Duration // for a worker that says nothing; 0 is linkPatience
	linesEvery time.Duration // between two lines of progress; 0 is the constant
}

const (
	maxConnections = 1 << 28
	maxPipeline    = 1 << 12
)

// withDefaults fills in what is zero and has another default.
func (o Options) withDefaults() Options {
	orElse(&o.Rooms, 1)
	orElse(&o.Payload, 64)
	orElse(&o.Pipeline, 1)
	orElse(&o.Publishers, 1)
	orElse(&o.PublishVia, ViaConnection)
	orElse(&o.PrivateTables, "auto")
	o.protocolDefaults()
	orElse(&o.RoomPrefix, "flood-"+runTag()+"-")
	orElse(&o.Drain, 10*time.Second)
	orElse(&o.ProxyClients, defaultClients)
	o.slowDefaults()
	o.stormDefaults()
	orElse(&o.Seed, 1)
	if o.Mix == nil && o.mixes() {
		o.Mix, _ = ParseMix(builtInMix) // a test sees to it that it is good
	}
	orElse(&o.patience, linkPatience)
	return o
}

func orElse[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// check returns the first thing that is wrong with o, defaults filled in.
func (o *Options) check() error {
	for _, n := range []struct {
		name          string
		is, low, high int
	}{
		{"connections", o.Connections, 1, maxConnections},
		{"rooms", o.Rooms, 1, maxConnections},
		{"payload", o.Payload, minStamp, maxStamp},
		{"rate", o.Rate, 0, 1e9},
		{"pipeline", o.Pipeline, 1, maxPipeline},
		{"publishers", o.Publishers, 1, maxConnections},
		{"ramp", o.Ramp, 0, 1e9},
		{"loops", o.Loops, 0, netpoll.MaxLoops},
		{"sources", o.Sources, 0, maxSources},
		{"server-pid", o.ServerPID, 0, 1 << 30},
		{"workers", o.Workers, 0, maxWorkers},
	} {
		if n.is < n.low || n.is > n.high {
			return fmt.Errorf("%w: --%s %d: want %d to %d", ErrUsage, n.name, n.is, n.low, n.high)
		}
	}
	if _, err := netpoll.ParseTables(o.PrivateTables); err != nil {
		return fmt.Errorf("%w: --private-fd-tables: %w", ErrUsage, err)
	}
	if s := o.TokenSecret; s != "" && len(s) < auth.MinSecret {
		return fmt.Errorf("%w: --token-secret of %d bytes: want %d or more", ErrUsage, len(s), auth.MinSecret)
	}
	if o.Message != 0 && (o.Message < minStamp || o.Message > maxStamp) {
		return fmt.Errorf("%w: --message %d: want 0 or %d to %d", ErrUsage, o.Message, minStamp, maxStamp)
	}
	for _, check := range []func() error{o.checkAPI, o.checkSoak, o.checkIdleFlags, o.checkProtocol, o.checkScenario, o.checkShared} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkIdleFlags refuses what would have no effect.
func (o *Options) checkIdleFlags() error {
	secure := slices.ContainsFunc(o.Targets, func(s string) bool { return strings.HasPrefix(s, "wss://") })
	switch {
	case o.CA != "" && !secure:
		return fmt.Errorf("%w: --ca is for --target wss://host:port: write that too", ErrUsage)
	case o.Insecure && !secure:
		return fmt.Errorf("%w: --insecure is for --target wss://host:port: write that too", ErrUsage)
	case o.ProxyClients != defaultClients && o.ProxyProtocol == "":
		return fmt.Errorf("%w: --proxy-clients is for --proxy-protocol v1 or v2: write that too", ErrUsage)
	}
	return nil
}

func (o *Options) checkScenario() error {
	switch o.Scenario {
	case Idle:
	case Storm:
		if err := o.checkStorm(); err != nil {
			return err
		}
	case Fanout, Slow:
		if err := o.checkSlow(); err != nil {
			return err
		}
		if o.Rate == 0 {
			return fmt.Errorf("%w: --rate 0: want at least one publication a second", ErrUsage)
		}
		fallthrough
	case Echo, Churn, Mixed, Soak:
		if o.Duration <= 0 {
			return fmt.Errorf("%w: --duration %v: want more than nothing", ErrUsage, o.Duration)
		}
	default:
		return fmt.Errorf("%w: scenario %q: want idle, echo, fanout, churn, storm, slow, mix or soak", ErrUsage, o.Scenario)
	}
	for _, d := range []struct {
		name string
		is   time.Duration
	}{{"warmup", o.Warmup}, {"drain", o.Drain}, {"hold", o.Hold}, {"rest", o.Rest}, {"probe", o.Probe}, {"day", o.Day}} {
		if d.is < 0 {
			return fmt.Errorf("%w: --%s %v: want a time that is not negative", ErrUsage, d.name, d.is)
		}
	}
	return nil
}

// mixes reports whether the connections are of the classes of a mix.
func (o *Options) mixes() bool { return o.Scenario == Mixed || o.Scenario == Soak }

// publishes reports whether there are connections that publish besides the others.
func (o *Options) publishes() bool {
	if o.alone() {
		return false
	}
	return o.Scenario == Fanout && o.PublishVia != ViaAPI || o.Scenario == Storm || o.Scenario == Slow || o.Scenario == Idle && (o.PublishOnce || o.Message > 0)
}
