package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// memoryLimit is when the garbage collector wakes after all: one thread allocates nothing, several do
// for what they hand to each other.
const memoryLimit = 256 << 20

func main() {
	address := flag.String("address", "127.0.0.1:8000", "IPv4 address and port to listen on; port 0 is any")
	threads := flag.Int("threads", 1, "threads, each with a listener and an epoll set")
	batch := flag.Duration("batch", 0, "how long to gather what is due to a member for one send; 0 sends each publication at once")
	flag.Parse()
	if err := serve(*address, *threads, *batch); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(2)
	}
}

// serve opens all threads, says on stdout where they listen, and runs them until the process is killed.
func serve(address string, threads int, batch time.Duration) error {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	runtime.GOMAXPROCS(threads + 1) // while one is idle, the scheduler lets a waiting thread keep its own
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().Is4() || threads < 1 || batch < 0 {
		return fmt.Errorf("--address %q, --threads %d, --batch %v: want an IPv4 address with a port, a thread at least, a time", address, threads, batch)
	}
	house := &house{batch: batch, rooms: make(map[string]*room)}
	for range threads {
		t, err := newThread(house, at)
		if err != nil {
			return err
		}
		at = t.at // the port that the kernel chose for the first is everybody's
		house.threads = append(house.threads, t)
	}
	fmt.Println("listening on", at)
	for _, t := range house.threads[1:] {
		go t.run()
	}
	house.threads[0].run()
	return nil
}
