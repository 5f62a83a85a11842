package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/config"
	"github.com/seed4ac54ce5/edge/hook"
	"github.com/seed4ac54ce5/edge/internal/systemd"
	"github.com/seed4ac54ce5/edge/logging"
	"github.com/seed4ac54ce5/edge/metrics"
	"github.com/seed4ac54ce5/edge/server"
	"github.com/seed4ac54ce5/edge/tracing"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func serveCommand() *cobra.Command {
	var from sourceFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Serve runs a node. Without a configuration file it runs in development mode: clients need no token and\n" +
			"may subscribe to and publish in any room, by Socket.IO, server-sent events and HTTP streams too, /echo sends\n" +
			"back what it gets, and a playground page waits on the internal address. HUP reloads the configuration. TERM\n" +
			"drains the node, INT drains it fast, a second INT ends it at once. Under systemd it says when it is ready, and takes over sockets.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return serve(from.sources()) },
	}
	cmd.Flags().SortFlags = false
	from.addFile(cmd.Flags())
	from.addKeys(cmd.Flags())
	return cmd
}

// gcPercent is how far the heap grows between collections where GOGC does not say. The loops allocate next to nothing, so
// that collections are rare, and what is small and many lies outside of the heap: memory is worth more than they cost.
const gcPercent = 50

// serve runs a node until a signal ends it.
func serve(from config.Sources) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	c, err := loadChecked(from)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(c.LogLevel())
	node := c.Server()
	node.Version = "edge " + version()
	signal.Ignore(syscall.SIGPIPE) // a reader of the log that has gone is no reason to end
	log := logging.Open(logging.Options{Output: os.Stderr, JSON: !textual(c.LogFormat()), Level: level})
	defer log.Close(logPatience)
	node.Log, node.LogDropped = slog.New(log.Handler()), log.Dropped
	tracer, err := tracing.Open(version(), node.Log)
	if err != nil {
		return err
	}
	defer endTraces(tracer, node.Log)
	node.WrapAPI = tracer.Handler
	heard := hear()
	if err := takeSockets(&node); err != nil {
		return err
	}
	manager, err := systemd.Find()
	if err != nil {
		return err
	}
	asked := metrics.NewHooks()
	node.Metrics = append(node.Metrics, asked)
	backends, err := hook.New(hooksOf(c, node.Log, tracer, asked))
	if err != nil {
		return err
	}
	defer deliverRest(backends, node.Log)
	backends.Fill(&node.Handler)
	serveSockets(c.Sockets(), &node, backends)
	s, err := server.Open(node)
	if err != nil {
		return explain(err)
	}
	defer s.Close()
	announce(&node, s, asks(&node, backends))
	r := &reloader{from: from, config: c, node: s, hooks: backends, asks: asks(&node, backends), level: level, log: node.Log}
	return runNode(s, r, manager, heard, func() {
		node.Log.Warn("ended at once: calls of the application are not back")
		log.Close(logPatience)
		os.Exit(0)
	})
}

// signals are those that a node hears.
type signals struct {
	end    chan os.Signal
	reload chan os.Signal
}

func hear() signals {
	heard := signals{end: make(chan os.Signal, 2), reload: make(chan os.Signal, 1)}
	signal.Notify(heard.end, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(heard.reload, syscall.SIGHUP) // several before the next reload are one
	return heard
}

// runNode has s serve until a signal or an operator ends it. exit ends the process if s takes too long about it.
func runNode(s *server.Server, r *reloader, manager *systemd.Manager, heard signals, exit func()) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go obey(heard.end, s, exit)
	told := &supervisor{manager: manager, node: s, log: r.log}
	told.ready()
	go told.watch(ctx)
	reloaded := told.reloading(r.reload)
	s.SetControl(server.Control{Drain: s.Drain, Reload: reloaded, Rebalance: s.Rebalance})
	go reloadOn(ctx, heard.reload, func() { _, _ = reloaded() }) // the log has it
	return s.Run(ctx)
}

// hooksOf returns which backends decide.
func hooksOf(c *config.Config, log *slog.Logger, tracer *tracing.Tracer, asked *metrics.Hooks) hook.Config {
	h := c.Hooks()
	h.Log, h.Wrap, h.Observe = log, tracer.Transport, countTo(asked)
	return h
}

// countTo returns what has asked count calls of backends.
func countTo(asked *metrics.Hooks) func(hook.Event, hook.Result, time.Duration) {
	return func(e hook.Event, r hook.Result, took time.Duration) {
		switch r {
		case hook.Retried:
			asked.Retried(e.String())
		case hook.Dropped:
			asked.Dropped()
		case hook.Limited, hook.BreakerOpen:
			asked.Spared(e.String(), string(r))
		default:
			asked.Called(e.String(), string(r), took)
		}
	}
}

// lastNews is how long the end of a node waits for backends to take the news of clients that have left.
const lastNews = 5 * time.Second

// deliverRest delivers what waits for backends, once the node has ended.
func deliverRest(backends *hook.Hooks, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), lastNews)
	defer cancel()
	if err := backends.Close(ctx); err != nil {
		log.Warn("close", "error", err)
	}
}

// closePatience is how long the process may take to end after a second interrupt.
const closePatience = 2 * time.Second

// obey drains the node at the first signal. An interrupt hurries that, and another one ends the node, with exit if what the
// application is at holds that up.
func obey(signals <-chan os.Signal, s *server.Server, exit func()) {
	hurried := false
	for sig := range signals {
		s.Drain()
		if sig != syscall.SIGINT {
			continue
		}
		if hurried {
			time.AfterFunc(closePatience, exit)
			s.Close()
		}
		s.HurryDrain()
		hurried = true
	}
}

// reloadOn reloads at each signal until ctx is done.
func reloadOn(ctx context.Context, signals <-chan os.Signal, reload func()) {
	for {
		select {
		case <-signals:
			reload()
		case <-ctx.Done():
			return
		}
	}
}

// logPatience is how long the end of the process may wait for its last log lines, and for its last spans.
const logPatience = 2 * time.Second

// endTraces sends the last spans, for a while.
func endTraces(t *tracing.Tracer, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), logPatience)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		log.Warn("traces are lost", "error", err)
	}
}

// textual reports whether the log is text: with auto on a terminal.
func textual(format string) bool {
	return format == "text" || format == "auto" && term.IsTerminal(int(os.Stderr.Fd()))
}

// announce says who may connect, where that is everybody or nobody, and what to open.
func announce(node *server.Config, s *server.Server, asks bool) {
	if node.Development {
		announceDevelopment(node, s)
	}
	warnIfShut(node.Log, node, asks)
}

// asks reports whether a backend is asked who may connect.
func asks(node *server.Config, backends *hook.Hooks) bool {
	return node.Handler.Connect != nil || node.SocketIO != nil && backends.Configured(hook.SocketConnect)
}

// warnIfShut warns if nobody may connect. asks is whether a backend is asked who may.
func warnIfShut(log *slog.Logger, c *server.Config, asks bool) {
	if !c.Development && !c.Access.Anonymous && !c.Access.Tokens.HasKeys() && !asks {
		log.Warn("no client may connect: client.token has no key, hooks.connect no url, and client.anonymous.enabled is false")
	}
}

// announceDevelopment says whom development mode lets in, and where to begin.
func announceDevelopment(node *server.Config, s *server.Server) {
	log := node.Log
	for _, a := range s.Addresses() {
		if !isLoopback(a) {
			log.Warn("development mode listens beyond this machine", "address", a)
		}
	}
	if node.SSE {
		log.Info("development mode serves server-sent events", "path", "/connection/sse")
	}
	if node.HTTPStream {
		log.Info("development mode serves HTTP streams", "path", "/connection/http_stream")
	}
	if node.SocketIO != nil {
		log.Info("development mode serves Socket.IO", "path", node.SocketIO.Path)
	}
	log.Info("open the playground", "url", "http://"+s.InternalAddress()+"/")
}

// isLoopback reports whether only this machine reaches a.
func isLoopback(a string) bool {
	if strings.HasPrefix(a, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(a)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// explain adds what to change to the errors that an operator meets first.
func explain(err error) error {
	switch {
	case errors.Is(err, server.ErrStore):
		return fmt.Errorf("%w: make the file of history.store.path fit for use, or choose another", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: choose another listen.address (--address) or internal.address (--internal-address)", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: ports below 1024 need CAP_NET_BIND_SERVICE, unix: a directory that may be written to", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: choose an address of this host, or write :port for all that it has", err)
	}
	return err
}
