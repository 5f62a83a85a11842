package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/spf13/cobra"
)

// serveFlags are the flags of serve as they were given.
type serveFlags struct {
	addresses []string
	internal  string
	loops     int
	tables    string
	message   byteSize
	fragments int
	queue     byteSize
	ping      time.Duration
	window    time.Duration
}

func serveCommand() *cobra.Command {
	f := serveFlags{message: 64 << 10, queue: 1 << 20}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Serve runs a node in development mode: clients need no token and may subscribe to and publish in any\n" +
			"room, /echo sends back what it gets, and a playground page waits on the internal address. TERM drains\n" +
			"it, INT drains it fast, a second INT ends it at once.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return serve(&f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.addresses, "address", []string{"127.0.0.1:8000"}, "public `address`: host:port, host:first-last or unix:path; may be repeated")
	flags.StringVar(&f.internal, "internal-address", "127.0.0.1:9000", "`address` of health, metrics and playground")
	flags.IntVar(&f.loops, "loops", 0, "reactor threads; 0 is one for each CPU")
	flags.StringVar(&f.tables, "private-fd-tables", "auto", "a descriptor table for each loop: auto, on or off")
	flags.Var(&f.message, "message-size-limit", "largest message from a client")
	flags.IntVar(&f.fragments, "fragment-limit", 1024, "most frames that a message may have")
	flags.Var(&f.queue, "queue-max-size", "most that may wait for one client")
	flags.DurationVar(&f.ping, "ping-interval", 25*time.Second, "time between pings, whole seconds; 0 for none")
	flags.DurationVar(&f.window, "shutdown-window", 30*time.Second, "time over which a drain closes connections")
	return cmd
}

// config returns what the flags say.
func (f *serveFlags) config() (server.Config, error) {
	if !slices.Contains([]string{"auto", "on", "off"}, f.tables) {
		return server.Config{}, fmt.Errorf("--private-fd-tables %q: write auto, on or off", f.tables)
	}
	if f.loops < 0 || f.loops > server.MaxLoops {
		return server.Config{}, fmt.Errorf("--loops %d: write 0 for one for each CPU, or 1 to %d", f.loops, server.MaxLoops)
	}
	if f.window < 0 {
		return server.Config{}, fmt.Errorf("--shutdown-window %v: write a time such as 30s, or 0s", f.window)
	}
	if f.ping < 0 || f.ping%time.Second != 0 {
		return server.Config{}, fmt.Errorf("--ping-interval %v: write whole seconds, as 25s, or 0 for none", f.ping)
	}
	if f.fragments < 1 {
		return server.Config{}, fmt.Errorf("--fragment-limit %d: write 1 or more", f.fragments)
	}
	if f.ping == 0 {
		f.ping = -1
	}
	return server.Config{
		Addresses:       f.addresses,
		InternalAddress: f.internal,
		Loops:           f.loops,
		PrivateTables:   f.tables,
		Development:     true,
		MessageLimit:    int(f.message),
		FragmentLimit:   f.fragments,
		QueueLimit:      int(f.queue),
		PingInterval:    f.ping,
		ShutdownWindow:  max(f.window, time.Nanosecond), // 0 would be the default
		Version:         "edge " + version(),
		Log:             slog.New(logHandler()),
	}, nil
}

// logHandler writes text to a terminal and JSON to anything else.
func logHandler() slog.Handler {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return slog.NewTextHandler(os.Stderr, nil)
	}
	return slog.NewJSONHandler(os.Stderr, nil)
}

// serve runs a node until a signal ends it.
func serve(f *serveFlags) error {
	config, err := f.config()
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	s, err := server.Open(config)
	if err != nil {
		return explain(err)
	}
	defer s.Close()
	announce(config.Log, s)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		if <-signals == syscall.SIGINT {
			s.HurryDrain()
		}
		stop()
		for sig := range signals {
			if sig == syscall.SIGINT {
				s.Close()
			}
		}
	}()
	return s.Run(ctx)
}

// announce says what development mode means and what to open.
func announce(log *slog.Logger, s *server.Server) {
	log.Warn("development mode: any client may subscribe and publish without a token; do not expose it")
	for _, a := range s.Addresses() {
		if !isLoopback(a) {
			log.Warn("development mode listens beyond this machine", "address", a)
		}
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
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: choose another with --address or --internal-address", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: ports below 1024 need CAP_NET_BIND_SERVICE", err)
	}
	return err
}
