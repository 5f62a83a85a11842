package tuning

import (
	"cmp"
	"math"
	"math/bits"
	"time"
)

// What a connection costs, in bytes, where nothing says otherwise. docs/tuning.md has where each was measured.
const (
	kernelIdle   = 4200 // the kernel's, for an idle socket in an epoll set
	userState    = 1024 // ours
	userTLS      = 7168 // more of ours if we end TLS
	tableSlot    = 8    // its place in the descriptor table
	trackedEntry = 400  // in the table of connection tracking, if that is loaded
	page         = 4096 // which tcp_mem counts in: one for each message that has not been read or acknowledged
)

// What things take of a CPU.
const (
	heartbeatEvery = 25 * time.Second
	heartbeatCost  = 3 * time.Microsecond   // a ping written, its answer read, and the wait between them
	messageCost    = 1200 * time.Nanosecond // one write to one socket, the kernel's path to the peer included
	busiest        = 0.7                    // share of its CPU that a loop may take in the long run
	stuck          = 0.01                   // share of clients that do not read
	twLife         = 60 * time.Second       // a closed connection stays in TIME_WAIT for so long
	mostTracked    = 1<<31 - 1 - 64<<10     // an int of the kernel
	keptFree       = 10                     // a tenth of the memory is for all else
	goFloor        = 256 << 20              // least memory limit that the Go runtime gets along with
)

// need is a load on a certain host: the load's defaults are filled in.
type need struct {
	Load
	ram     int64   // that the load may have, bytes; 0 if nobody knows
	hostRAM int64   // the host's; 0 if nobody knows
	window  float64 // Window before it is rounded
	held    float64 // what a socket may really hold, if the host allows less than window
	tracked bool    // there is connection tracking

	swap      bool // pages may go to disk
	steer     bool // there are fewer RX queues than loops
	handsOver bool // packets go from one CPU or device to another on their way
}

// newNeed returns what l needs on a host with these facts.
func newNeed(l Load, f *facts) *need {
	n := &need{Load: l, ram: f.memory(), hostRAM: f.ram, swap: f.swap}
	n.tracked = f.exists(sysctlPath("net.netfilter.nf_conntrack_max"))
	if l.Memory != 0 {
		n.ram, n.hostRAM = l.Memory, l.Memory
	}
	n.Memory = n.ram
	n.Loops = cmp.Or(l.Loops, f.loops())
	n.Connects = cmp.Or(l.Connects, max(1, l.Connections/2))
	n.steer, n.handsOver = f.paths(n.Loops)
	n.Drain = cmp.Or(l.Drain, defaultDrain)
	n.window = windowFor(l.Connections)
	if l.Window != 0 {
		n.window = float64(l.Window)
	}
	n.Window = int64(n.window) / minWindow * minWindow
	n.held = n.window
	if wmem, ok := f.numbers("net.ipv4.tcp_wmem"); ok && len(wmem) == 3 {
		n.held = min(n.held, float64(max(wmem[2], page)))
	}
	return n
}

// windowFor returns how much a socket may hold: 256 KiB at a million connections, by the root of their number more or less, so
// that all windows together never shrink as connections grow; 512 KiB at most, 128 KiB at least.
func windowFor(connections int) float64 {
	w := float64(256<<10) * math.Sqrt(1e6/float64(connections))
	return min(max(w, 128<<10), 512<<10)
}

func (n *need) conns() int64 { return int64(n.Connections) }

// openFiles returns the limit of a descriptor table: of all, or of one loop's with a quarter more than its share, since the kernel spreads by hash.
func (n *need) openFiles() int64 {
	if n.SharedTables {
		return n.conns() + n.conns()/20 + 16<<10
	}
	return n.conns()*5/4/int64(max(n.Loops, 1)) + 4<<10
}

func (n *need) nrOpen() int64  { return max(powerOf2(n.openFiles()), 1<<20) }
func (n *need) fileMax() int64 { return n.conns() + n.conns()/10 + 200_000 }
func (n *need) watches() int64 { return n.conns() + n.conns()/10 }

// pressure returns the pages at which TCP begins to save, as much as the load makes of them.
func (n *need) pressure() float64 {
	return float64(n.Connections) * (1.25 + stuck*n.held/page)
}

// tcpMem returns low, pressure and limit in pages: at most a quarter and two fifths of the memory.
func (n *need) tcpMem() []int64 {
	p := n.pressure()
	high := 1.5 * p
	if n.hostRAM > 0 {
		p = min(p, float64(n.hostRAM)/4/page)
		high = min(1.5*p, float64(n.hostRAM)*0.4/page)
	}
	return []int64{int64(0.75 * p), int64(p), int64(high)}
}

// backlog returns how many connections may wait for one listener: half a second of them.
func (n *need) backlog() int64 {
	waiting := int64(n.Connects) / 2 / int64(max(n.Loops, 1))
	return min(max(powerOf2(waiting), 4096), 65535)
}

// timeWait returns how many connections that a drain has closed the kernel remembers at a time.
func (n *need) timeWait() int64 {
	closed := float64(n.Connections) * min(1, float64(twLife)/float64(n.Drain))
	return min(max(powerOf2(int64(closed)), 1<<18), 1<<20)
}

func (n *need) orphans() int64     { return n.conns() / 8 }
func (n *need) hashBuckets() int64 { return powerOf2(n.conns() / 2) }
func (n *need) tracking() int64    { return min(n.conns()+n.conns()*3/10+64<<10, mostTracked) }

// reads returns the first size of a receive buffer: what a client costs that we do not read.
func (n *need) firstRead() int64 {
	if n.Connections > 2_500_000 {
		return 8 << 10
	}
	return 16 << 10
}

// steps returns one of three values by the number of connections: up to 250,000, up to 2.5 million, and beyond.
func (n *need) steps(few, many, most int64) int64 {
	switch {
	case n.Connections <= 250_000:
		return few
	case n.Connections <= 2_500_000:
		return many
	}
	return most
}

// netBudget returns how many packets the kernel may take in one go: more where there are many.
func (n *need) netBudget() int64 {
	if n.Connections > 500_000 || n.Messages > 500_000 {
		return 600
	}
	return 300
}

// flows returns how many flows are steered to the CPU of their reader: those of a twentieth that is active at a time.
func (n *need) flows() int64 { return min(max(powerOf2(n.conns()/20), 4096), 1<<24) }

// swappiness returns how willingly the kernel may swap.
func (n *need) swappiness() int64 {
	if n.Connections > 500_000 {
		return 1
	}
	return 10
}

// minFree returns the KiB that accepting may take at once: 10 MiB for each GiB, up to 1 GiB.
func (n *need) minFree() int64 { return min(n.hostRAM/1024*10/1024, 1<<20) }

// threads returns how many the process may have.
func (n *need) threads() int64 { return int64(4*n.Loops) + 64 }

// cpus returns how many CPUs the load keeps busy: heartbeats and messages, each of which is a write of its own.
func (n *need) cpus() float64 {
	beats := float64(n.Connections) / heartbeatEvery.Seconds()
	return beats*heartbeatCost.Seconds() + float64(n.Messages)*messageCost.Seconds()
}

// neededLoops returns over how many loops that is spread.
func (n *need) neededLoops() int64 { return max(1, int64(math.Ceil(n.cpus()/busiest))) }

// goLimit returns the memory limit of the Go runtime, which knows nothing of sockets and of memory outside of its heap.
func (n *need) goLimit() int64 {
	left := float64(n.ram)*0.9 - float64(n.conns()*(kernelIdle+userState)) - n.inFlight()
	return max(int64(left), goFloor)
}

// inFlight returns the bytes of what has been sent or has come and is not through: half of what makes TCP save.
func (n *need) inFlight() float64 { return 0.5 * n.pressure() * page }

// powerOf2 returns the least power of 2 that is no less than v.
func powerOf2(v int64) int64 {
	if v <= 1 {
		return 1
	}
	return 1 << bits.Len64(uint64(v-1))
}
