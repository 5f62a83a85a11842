package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/bench"
)

// startTimeout is how long a server may take until it serves.
const startTimeout = 10 * time.Second

// batch is how long servers that merge gather what is due to a connection. It is well below the bound on p99.
const batch = 40 * time.Millisecond

// What must be built for a server.
const (
	needsEdge     = "edge"
	needsBaseline = "baseline"
	needsPeers    = "peers"
	needsNode     = "node"
)

// kind is a server that can be compared.
type kind struct {
	name   string
	needs  string
	merges bool // gathers on purpose: of no interest where one publication comes at a time
	socket bool // speaks Socket.IO too
	tables bool // can have a table of descriptors for each loop
	start  func(ctx context.Context, b *binaries, s setting) (*server, error)

	protocol bench.Protocol // if it is not edge's
}

// setting is what a server is to be started for.
type setting struct {
	loops  int
	socket bool // it is to serve Socket.IO
	tables bool // each loop is to have its own table of descriptors
}

// kinds are all of them, in the order in which they run. Ratios are to the first that runs.
var kinds = []kind{
	{name: "base", needs: needsEdge, socket: true, tables: true, start: edgeOf(func(b *binaries) string { return b.base })},
	{name: "baseline", needs: needsBaseline, socket: true, tables: true, start: startBaseline},
	{name: "baseline-batch", needs: needsBaseline, merges: true, start: startBatchingBaseline},
	{name: "edge", needs: needsEdge, socket: true, tables: true, start: edgeOf(func(b *binaries) string { return b.edge })},
	{name: "edge-batch", needs: needsEdge, merges: true, start: edgeOf(func(b *binaries) string { return b.edge },
		"EDGE_ROOM_WITHOUT_NAMESPACE_BATCH_DELAY="+batch.String())},
	{name: "gobwas", needs: needsPeers, start: peer("gobwas")},
	{name: "gws", needs: needsPeers, start: peer("gws")},
	{name: "gorilla", needs: needsPeers, start: peer("gorilla")},
	{name: "coder", needs: needsPeers, start: peer("coder")},
	{name: "ws", needs: needsNode, start: node("ws.mjs")},
	{name: "socket.io", needs: needsNode, socket: true, start: node("socketio.mjs"), protocol: bench.SocketIO},
}

// server is one that runs.
type server struct {
	command *exec.Cmd
	address string // host:port
}

func startBaseline(ctx context.Context, b *binaries, s setting) (*server, error) {
	return startSpeaking(ctx, b.baseline, "--threads", strconv.Itoa(s.loops), "--private-fd-tables="+strconv.FormatBool(s.tables))
}

func startBatchingBaseline(ctx context.Context, b *binaries, s setting) (*server, error) {
	return startSpeaking(ctx, b.baseline, "--threads", strconv.Itoa(s.loops), "--batch", batch.String())
}

// peer returns what starts the server with a Go library. It uses as many CPUs as Go likes.
func peer(library string) func(context.Context, *binaries, setting) (*server, error) {
	return func(ctx context.Context, b *binaries, _ setting) (*server, error) {
		return startSpeaking(ctx, b.peers, "--library", library)
	}
}

// node returns what starts a server for Node. It has one thread for JavaScript.
func node(script string) func(context.Context, *binaries, setting) (*server, error) {
	return func(ctx context.Context, b *binaries, _ setting) (*server, error) {
		return startSpeaking(ctx, "node", filepath.Join(b.node, script))
	}
}

// startSpeaking starts a server that takes --address and says on stdout where it listens.
func startSpeaking(ctx context.Context, path string, args ...string) (*server, error) {
	s := &server{command: exec.CommandContext(ctx, path, append(args, "--address", "127.0.0.1:0")...)}
	s.command.Stderr = os.Stderr
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		s.stop()
		return nil, fmt.Errorf("it said %q: %w", line, err)
	}
	s.address = address
	return s, nil
}

// edgeOf returns what starts an edge binary in an environment, and waits until it is healthy.
func edgeOf(path func(*binaries) string, env ...string) func(context.Context, *binaries, setting) (*server, error) {
	return func(ctx context.Context, b *binaries, of setting) (*server, error) {
		address, internal, err := freePorts()
		if err != nil {
			return nil, err
		}
		s := &server{address: address, command: exec.CommandContext(ctx, path(b), "serve",
			"--address", address, "--internal-address", internal, "--loops", strconv.Itoa(of.loops))}
		s.command.Env = append(os.Environ(), env...)
		if of.tables {
			s.command.Args = append(s.command.Args, "--private-fd-tables", "on")
		}
		if of.socket {
			s.command.Env = append(s.command.Env, "EDGE_SOCKETIO_ENABLED=true")
		}
		if err := s.command.Start(); err != nil {
			return nil, err
		}
		if err := awaitHealth(ctx, "http://"+internal+"/health"); err != nil {
			s.stop()
			return nil, err
		}
		return s, nil
	}
}

// freePorts returns two addresses on loopback that nobody listens on.
func freePorts() (a, b string, err error) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	second, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", errors.Join(err, first.Close())
	}
	return first.Addr().String(), second.Addr().String(), errors.Join(first.Close(), second.Close())
}

// awaitHealth asks until the answer is 200.
func awaitHealth(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := askHealth(ctx, url)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("not healthy within %v: %w", startTimeout, err)
		}
	}
}

func askHealth(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return errors.Join(err, response.Body.Close())
}

// stop ends the server: nothing of it is needed any more.
func (s *server) stop() {
	s.kill()
	_ = s.command.Wait() // it was killed: that is no news
}

// kill makes the server end. Any goroutine.
func (s *server) kill() { _ = s.command.Process.Kill() }
