package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/seed4ac54ce5/edge/internal/sys"
)

// memoryLimit is when the garbage collector wakes after all: one thread allocates nothing, several do
// for what they hand to each other.
const memoryLimit = 256 << 20

func main() {
	address := flag.String("address", "127.0.0.1:8000", "IPv4 address and port to listen on; port 0 is any")
	threads := flag.Int("threads", 1, "threads, each with a listener and an epoll set")
	h := &house{rooms: make(map[string]*room), open: make(chan struct{})}
	flag.DurationVar(&h.batch, "batch", 0, "how long to gather what is due to a member for one send; 0 sends each publication at once")
	flag.DurationVar(&h.ping, "ping", 0, "how often to ping each member of a room; 0 is never")
	flag.BoolVar(&h.private, "private-fd-tables", false, "a descriptor table for each thread")
	flag.Parse()
	if err := serve(h, *address, *threads); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(2)
	}
	select {} // until the process is killed
}

// serve opens all threads, says on stdout where they listen, and lets them run.
func serve(h *house, address string, threads int) error {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	runtime.GOMAXPROCS(threads + 1) // while one is idle, the scheduler lets a waiting thread keep its own
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().Is4() || threads < 1 || h.batch < 0 || h.ping < 0 {
		return fmt.Errorf("--address %q, --threads %d, --batch %v, --ping %v: want an IPv4 address with a port, a thread at least, times", address, threads, h.batch, h.ping)
	}
	if err := h.addThreads(threads); err != nil {
		return err
	}
	for _, t := range h.threads {
		opened := make(chan error)
		sys.OnOwnThread(func() { t.live(at, opened) })
		if err := <-opened; err != nil {
			return err
		}
		at = t.at // the port that the kernel chose for the first is everybody's
	}
	fmt.Println("listening on", at)
	close(h.open)
	return nil
}
