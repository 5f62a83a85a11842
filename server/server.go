package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/admission"
	"github.com/seed4ac54ce5/edge/api"
	"github.com/seed4ac54ce5/edge/auth"
	"github.com/seed4ac54ce5/edge/frame"
	"github.com/seed4ac54ce5/edge/hub"
	"github.com/seed4ac54ce5/edge/netpoll"
	"github.com/seed4ac54ce5/edge/proxyproto"
	"github.com/seed4ac54ce5/edge/store"
	"github.com/seed4ac54ce5/edge/tlsrecord"
	"github.com/seed4ac54ce5/edge/tuning"
	"golang.org/x/sys/unix"
)

// Server is a node.
type Server struct {
	// Set before Run.
	config      Config
	handler     Handler
	hub         *hub.Hub
	store       *store.Store // nil for none
	ids         clientIDs
	engineIDs   shortIDs
	socketIDs   shortIDs
	socketRooms socketRooms
	renamed     sync.Map  // from id to Socket, of those that have another's id
	socketWork  *work     // of Socket.IO's application
	secrets     clientIDs // of the sessions whose commands come by requests of their own
	nodeID      []byte    // by which such a request names the node
	encoders    [wireForms]encoder
	public      []route // what the public addresses serve
	work        *work   // of the application and of tokens, and large messages
	shakes      *work   // of TLS; nil without that
	gate        *gate
	budget      *netpoll.Budget // of what waits for clients
	admission   *admission.Control
	memory      *admission.Budget
	trusted     proxyproto.Trusted // balancers
	tls         *tlsrecord.Server  // nil for plain connections
	exports     atomic.Bool        // the kernel is asked to do records
	kernelTLS   error              // why the kernel does no records of TLS; nil for plain connections too
	inputs      *netpoll.Budget    // of what has come from them and is not whole
	reactor     *netpoll.Reactor
	loops       []*loop
	api         *api.Handler
	internal    *http.Server
	inside      net.Listener
	faults      chan fault
	refused     chan rejection

	records recordRooms // of Socket.IO's application

	reload       sync.Mutex // guards namespaceIDs, and what reload.go changes of config
	namespaceIDs map[string]hub.Namespace

	// Any goroutine (atomic).
	spaces     atomic.Pointer[namespaces]
	access     atomic.Pointer[access]
	revoked    *auth.Revoked
	measuring  atomic.Bool      // memory is limited
	unmeasured atomic.Bool      // the log has that it cannot be measured
	reloads    [2]atomic.Uint64 // of the configuration: done, failed
	keyFetches [2]atomic.Uint64 // from JWKS endpoints: done, failed
	draining   atomic.Bool

	queuesStrain, inputsStrain strain // of budget and of inputs

	full       atomic.Int32 // loops that are behind with their fan-out
	cut        atomic.Int64 // conns that a drain has cut off
	control    atomic.Pointer[Control]
	crowds     crowds
	acceptedAt atomic.Int64 // when a log line last said that accepting pauses, Unix seconds

	leaving     sync.Once
	leave       chan struct{} // closed by Drain
	hurrying    sync.Once
	hurried     chan struct{} // closed by HurryDrain
	rebalancing sync.Mutex    // held while the loops are told who is to go

	life    context.Context // ends with Close; nothing in the background begins after that, under reload
	end     context.CancelFunc
	closed  sync.Once
	stop    chan struct{}
	ticking sync.WaitGroup
	logging sync.WaitGroup
}

// fault is what a loop has to say that must not wait for the log.
type fault struct {
	conn  netpoll.ConnID
	what  string
	stack []byte
}

const (
	maxRevoked = 1 << 20 // tokens and users that are revoked at a time
	faultQueue = 16      // faults that wait for the log; the others are only counted
)

// Open binds all addresses and begins to serve. [Server.Run] or [Server.Close] must follow.
func Open(config Config) (*Server, error) {
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	config.shareMemory(memoryLimit(&config))
	s := &Server{
		config:       config,
		handler:      config.Handler,
		hub:          hub.New(),
		ids:          newClientIDs(),
		engineIDs:    newShortIDs(),
		socketIDs:    newShortIDs(),
		secrets:      newClientIDs(),
		budget:       netpoll.NewBudget(config.QueueBudget),
		inputs:       netpoll.NewBudget(config.InputBudget),
		namespaceIDs: make(map[string]hub.Namespace),
		faults:       make(chan fault, faultQueue),
		refused:      make(chan rejection, rejectionQueue),
		revoked:      auth.NewRevoked(maxRevoked),
		leave:        make(chan struct{}),
		hurried:      make(chan struct{}),
		stop:         make(chan struct{}),
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.nodeID = []byte(s.uid())
	s.encoders = newEncoders(s)
	s.public = s.publicRoutes()
	if err := s.SetRooms(config.Rooms); err != nil {
		return nil, err
	}
	s.openSocketRooms()
	s.memory = admission.NewBudget("/", config.MemoryLimit)
	s.measuring.Store(config.MemoryLimit >= 0)
	s.admission = admission.New(admission.Options{Budget: s.memory}, config.limits(config.Limits))
	if err := s.openEdge(); err != nil {
		return nil, err
	}
	if err := s.SetAccess(config.Access); err != nil {
		return nil, err
	}
	s.gate = newGate(runtime.NumCPU(), func(i int) { s.loops[i].net.Send(netpoll.Post{Kind: postGate, A: uint64(time.Since(gateClock))}) })
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	if s.measuring.Load() {
		s.sampleMemory()
	}
	s.logStart()
	s.logTuning(tuning.This())
	s.warnInsecure()
	return s, nil
}

// memoryLimit returns how much memory the node may use, 0 if there is no limit or it cannot be told.
func memoryLimit(c *Config) int64 {
	if c.MemoryLimit < 0 {
		return 0
	}
	usage, _ := admission.NewBudget("/", c.MemoryLimit).Sample(0) // sampleMemory says what is wrong with it
	return usage.Limit
}

// openEdge prepares for what stands between a socket and its session.
func (s *Server) openEdge() (err error) {
	if s.trusted, err = proxyproto.ParseTrusted(s.config.ProxyProtocol.Trusted); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if s.config.TLS == nil {
		return nil
	}
	s.probeKernelTLS()
	if s.tls, err = tlsrecord.NewServer(s.tlsConfig(*s.config.TLS)); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	s.exports.Store(s.config.TLS.Export)
	return nil
}

func (s *Server) open() (err error) {
	tables, err := netpoll.ParseTables(s.config.PrivateTables)
	if err != nil {
		return err
	}
	if s.work, err = newWork(poolSize, poolQueue); err != nil {
		return err
	}
	if s.tls != nil {
		if s.shakes, err = newWork(shakers(), shakeQueue); err != nil {
			return err
		}
	}
	if err := s.openStore(); err != nil {
		return err
	}
	if s.inside = s.config.InternalListener; s.inside == nil {
		s.inside, err = net.Listen("tcp", s.config.InternalAddress)
	}
	if err != nil {
		return fmt.Errorf("server: internal address: %w", err)
	}
	if err := s.checkInternal(s.config.API.Key); err != nil {
		return err
	}
	routes, err := s.routes()
	if err != nil {
		return err
	}
	if s.handler.Start != nil {
		s.handler.Start(s)
	}
	if err := s.openSockets(); err != nil {
		return err
	}
	s.reactor, err = netpoll.Open(netpoll.Config{
		Loops:       s.config.Loops,
		Addresses:   s.config.Addresses,
		Listeners:   s.config.Listeners,
		Tables:      tables,
		NewHandler:  s.addLoop,
		QueueLimit:  s.config.QueueLimit,
		Budget:      s.budget,
		InputBudget: s.inputs,
		StallLimit:  s.config.StallLimit,
		Refusal:     frame.AppendHTTPError(nil, frame.ErrUnavailable),
		AcceptError: s.acceptError,
		Records:     s.config.records,
	})
	if err != nil {
		return err
	}
	s.logging.Go(s.logFaults)
	s.logging.Go(s.logRejections)
	s.ticking.Go(s.tick)
	s.internal = newInternal(routes)
	s.logging.Go(func() { _ = s.internal.Serve(s.inside) }) // ends with Close
	return nil
}

// addLoop makes the handler of one loop.
func (s *Server) addLoop(n *netpoll.Loop) netpoll.Handler {
	l := newLoop(s, n)
	s.loops = append(s.loops, l)
	return l
}

// Addresses returns where clients reach the node, with the ports that the kernel chose.
func (s *Server) Addresses() []string { return s.reactor.Addresses() }

// InternalAddress returns where health, metrics and the playground are.
func (s *Server) InternalAddress() string { return s.inside.Addr().String() }

// logStart says in one line what the node is, and what bounds it, 0 for no limit: of files each loop may have so many if
// it has its own table.
func (s *Server) logStart() {
	private, why := s.reactor.PrivateTables()
	attrs := []any{
		"addresses", s.Addresses(), "internal", s.InternalAddress(), "loops", len(s.reactor.Loops()),
		"private_fd_tables", private, "development", s.config.Development,
		"connection_limit", max(s.config.limits(s.config.Limits).Connections, 0), "memory_limit", s.memory.Usage().Limit,
		"queue_memory_limit", max(s.config.QueueBudget, 0), "input_memory_limit", max(s.config.InputBudget, 0),
		"history_memory_limit", max(s.config.HistoryMemoryLimit, 0),
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
		attrs = append(attrs, "open_files", files.Cur)
	}
	if why != nil && s.config.PrivateTables == "auto" {
		attrs = append(attrs, "private_fd_tables_why_not", why)
	}
	if s.tls != nil {
		attrs = append(attrs, "kernel_tls", s.aboutKernelTLS(s.config.TLS.Export))
	}
	s.config.Log.Info("serving", attrs...)
}

// report hands a fault to the log, if there is room.
func (s *Server) report(f fault) {
	select {
	case s.faults <- f:
	default:
	}
}

func (s *Server) logFaults() {
	for f := range s.faults {
		if f.stack == nil {
			s.config.Log.Error("the application has failed", "conn", f.conn.String(), "error", f.what)
			continue
		}
		s.config.Log.Error("session ended by a fault", "conn", f.conn.String(), "panic", f.what, "stack", string(f.stack))
	}
}

// acceptError logs that a loop has stopped accepting for a moment, once a minute at most.
func (s *Server) acceptError(loop int, why syscall.Errno) {
	now, last := time.Now().Unix(), s.acceptedAt.Load()
	if now-last >= 60 && s.acceptedAt.CompareAndSwap(last, now) {
		go s.config.Log.Warn("accepting pauses", "loop", loop, "error", why.Error())
	}
}

// openConns returns how many conns are open on all loops.
func (s *Server) openConns() int {
	all := s.loopCounts()
	n := len(s.loops) - len(all)
	for i := range all {
		n += int(all[i].Open)
	}
	return n
}

// Close ends the node at once. It is safe to call after Run.
func (s *Server) Close() {
	s.closed.Do(func() {
		s.draining.Store(true)
		s.end()
		var errs []error
		if s.reactor != nil {
			s.reactor.Close()
		}
		close(s.stop)
		s.reload.Lock()
		s.end()
		s.reload.Unlock()
		if s.socketWork != nil {
			errs = append(errs, s.lastSocketCalls())
		}
		if s.work != nil {
			errs = append(errs, s.lastCalls())
		}
		if s.shakes != nil {
			errs = append(errs, s.shakes.close(lingerTimeout))
		}
		for _, l := range s.loops {
			l.sessions.Free()
			l.peers.Free()
			l.ages.Free()
		}
		if s.internal != nil {
			errs = append(errs, s.internal.Close())
		} else if s.inside != nil {
			errs = append(errs, s.inside.Close())
		}
		s.ticking.Wait()
		if s.store != nil {
			errs = append(errs, s.store.Close())
		}
		close(s.faults)
		close(s.refused)
		s.logging.Wait()
		if err := errors.Join(errs...); err != nil {
			s.config.Log.Warn("close", "error", err)
		}
	})
}

// lastCalls gives the application its last calls, once the loops have ended. Of a conn whose call does not come back it
// hears no more.
func (s *Server) lastCalls() error {
	if s.work.wait(lingerTimeout) {
		for _, l := range s.loops {
			l.lastCalls()
		}
	}
	return s.work.close(lingerTimeout)
}
