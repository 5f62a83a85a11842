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
	"strconv"
	"strings"
	"time"
)

// startTimeout is how long a server may take until it serves.
const startTimeout = 10 * time.Second

// server is one that runs.
type server struct {
	command *exec.Cmd
	address string // host:port
}

// startBaseline starts the bare loop, which says on stdout where it listens.
func startBaseline(ctx context.Context, path string, loops int) (*server, error) {
	s := &server{command: exec.CommandContext(ctx, path, "--address", "127.0.0.1:0", "--threads", strconv.Itoa(loops))}
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

// startEdge starts edge and returns when it says that it is healthy.
func startEdge(ctx context.Context, path string, loops int) (*server, error) {
	address, internal, err := freePorts()
	if err != nil {
		return nil, err
	}
	s := &server{address: address, command: exec.CommandContext(ctx, path, "serve",
		"--address", address, "--internal-address", internal, "--loops", strconv.Itoa(loops))}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	if err := awaitHealth(ctx, "http://"+internal+"/health"); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
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

// stop kills the server: nothing of it is needed any more.
func (s *server) stop() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait() // it was killed: that is no news
}
