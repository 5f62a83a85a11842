package tuning

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rule is what one sysctl is to be.
type rule struct {
	name   string
	ofHost bool // there is one for the whole host; the others each network namespace has for itself

	// want returns what the fields should be if they are now so, or what the load needs by itself if now is nil; nil if it
	// needs nothing of it.
	want func(n *need, now []int64) []int64
	why  string
}

// atLeast wants a number to be no less than v.
func atLeast(v func(*need) int64) func(*need, []int64) []int64 {
	return func(n *need, now []int64) []int64 { return merge([]int64{v(n)}, now, raise) }
}

// atMost wants a number to be no more than v.
func atMost(v func(*need) int64) func(*need, []int64) []int64 {
	return func(n *need, now []int64) []int64 { return merge([]int64{v(n)}, now, reduce) }
}

func constant(v int64) func(*need) int64 { return func(*need) int64 { return v } }

func raise(need, now int64) int64  { return max(need, now) }
func reduce(need, now int64) int64 { return min(need, now) }

// merge returns for each field what by makes of the need and of what there is.
func merge(need, now []int64, by func(need, now int64) int64) []int64 {
	if len(now) != len(need) {
		return need
	}
	for i := range need {
		need[i] = by(need[i], now[i])
	}
	return need
}

// rules are all sysctls that matter, in the order of a table.
var rules = []rule{
	{"fs.nr_open", true, atLeast((*need).nrOpen), "most that a limit of open files may be"},
	{"fs.file-max", true, atLeast((*need).fileMax), "open files of the whole host: a socket is one"},
	{"fs.epoll.max_user_watches", true, atLeast((*need).watches), "sockets that epoll watches, for each user, all containers together"},

	{"net.core.somaxconn", false, atLeast((*need).backlog), "accept queue of each loop: half a second of connects; where it is full, clients wait a second and more"},
	{"net.ipv4.tcp_max_syn_backlog", false, atLeast((*need).backlog), "the queue before it; the smaller of both counts"},
	{"net.ipv4.tcp_syncookies", false, atLeast(constant(1)), "lets clients in while a flood fills the queue"},
	{"net.ipv4.tcp_synack_retries", false, atMost(constant(3)), "forgets half-open connections within 15 s, not a minute"},
	{"net.ipv4.tcp_migrate_req", false, atLeast(constant(1)), "a listener that closes hands over who waits, and resets nobody"},

	{"net.ipv4.tcp_wmem", false, wantWmem, "most is what a client that does not read costs the kernel"},
	{"net.ipv4.tcp_rmem", false, wantRmem, "the middle is what a client costs that the node does not read"},
	{"net.ipv4.tcp_mem", true, wantTCPMem, "pages for all sockets: a broadcast charges one for each until it is acknowledged; beyond the last value data is dropped"},
	{"net.ipv4.tcp_moderate_rcvbuf", false, atLeast(constant(1)), "buffers grow with use only"},
	{"net.ipv4.tcp_autocorking", false, atLeast(constant(1)), "joins small writes to a busy socket"},
	{"net.ipv4.tcp_slow_start_after_idle", false, atMost(constant(0)), "what is pushed after minutes of silence need not begin slowly"},

	{"net.ipv4.tcp_fin_timeout", false, atMost(constant(15)), "seconds that a closed connection waits for its peer"},
	{"net.ipv4.tcp_retries2", false, atMost(constant(8)), "gives up a dead peer after some 100 s, not 15 minutes"},
	{"net.ipv4.tcp_max_tw_buckets", false, atLeast((*need).timeWait), "connections closed by a drain in the last minute, 256 bytes each"},
	{"net.ipv4.tcp_max_orphans", true, atLeast((*need).orphans), "closed connections with data on its way; those beyond are reset"},
	{"net.ipv4.ip_local_port_range", false, wantPorts, "ports for outbound connections: backends, brokers, a balancer or flooder here"},

	{"net.netfilter.nf_conntrack_max", true, atLeast((*need).tracking), "connection tracking is loaded; beyond it new connections are dropped. Better: no tracking of the service's ports"},
	{"net.netfilter.nf_conntrack_buckets", true, atLeast((*need).tracking), "its hash table"},
	{"net.netfilter.nf_conntrack_tcp_timeout_established", false, wantTracked, "seconds for which it remembers a silent peer that has gone"},

	{"net.core.rps_sock_flow_entries", true, wantFlows, "there are fewer RX queues than loops: packets go to the CPU of their reader"},
	{"net.core.netdev_max_backlog", true, wantBacklog, "packets that wait for a CPU where RPS or a veth is on the way"},
	{"net.core.netdev_budget", true, atLeast((*need).netBudget), "packets that the kernel takes at a time"},
	{"net.core.netdev_budget_usecs", true, atLeast(constant(8000)), "and for how long"},

	{"vm.min_free_kbytes", true, wantMinFree, "accepting takes memory that the kernel cannot wait for"},
	{"vm.swappiness", true, wantSwappiness, "a page of connection state that comes back from disk stops a loop"},
	{"vm.max_map_count", true, atLeast(constant(65530)), "slabs are mapped one by one"},
}

// Sysctls returns the names of all that this package knows.
func Sysctls() []string {
	names := make([]string, len(rules))
	for i := range rules {
		names[i] = rules[i].name
	}
	return names
}

func wantWmem(n *need, now []int64) []int64 {
	return buffers([]int64{4096, 16 << 10, n.Window}, now, func(first int64) int64 { return max(first, 16<<10) })
}

func wantRmem(n *need, now []int64) []int64 {
	return buffers([]int64{4096, n.firstRead(), n.Window}, now, func(first int64) int64 { return min(first, n.firstRead()) })
}

// buffers returns least, first and most of a socket's buffer: no less than the least that there is, no more than the most, and
// first as it decides.
func buffers(need, now []int64, first func(int64) int64) []int64 {
	if len(now) != 3 {
		return need
	}
	least, most := max(need[0], now[0]), min(need[2], now[2])
	most = max(most, least)
	return []int64{least, min(max(first(now[1]), least), most), most}
}

func wantTCPMem(n *need, now []int64) []int64 { return merge(n.tcpMem(), now, raise) }

func wantPorts(_ *need, now []int64) []int64 {
	if len(now) != 2 {
		return []int64{10240, 65535}
	}
	return []int64{min(now[0], 10240), max(now[1], 65535)}
}

// wantTracked returns two hours; less is fine unless it is less than some heartbeats.
func wantTracked(_ *need, now []int64) []int64 {
	if len(now) != 1 {
		return []int64{7200}
	}
	return []int64{max(min(now[0], 7200), 120)}
}

func wantFlows(n *need, now []int64) []int64 {
	if !n.steer {
		return nil
	}
	return atLeast((*need).flows)(n, now)
}

func wantBacklog(n *need, now []int64) []int64 {
	if !n.handsOver {
		return nil
	}
	return atLeast(func(n *need) int64 { return n.steps(4096, 16384, 32768) })(n, now)
}

func wantMinFree(n *need, now []int64) []int64 {
	if n.hostRAM == 0 {
		return nil
	}
	return atLeast((*need).minFree)(n, now)
}

func wantSwappiness(n *need, now []int64) []int64 {
	if !n.swap {
		return nil
	}
	return atMost((*need).swappiness)(n, now)
}

// sysctlRows compares all rules with what there is.
func sysctlRows(f *facts, n *need) []Row {
	var rows []Row
	for _, r := range rules {
		if row, ok := r.row(f, n); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// row returns the row of a rule, unless the load needs nothing of it or this kernel does not have it.
func (r *rule) row(f *facts, n *need) (Row, bool) {
	need := r.want(n, nil)
	if need == nil {
		return Row{}, false
	}
	name := sysctlPath(r.name)
	row := Row{Name: r.name, Wanted: formatNumbers(need), Where: CannotTell, State: Unknown, Why: r.why, sysctl: true, least: true}
	text, ok := f.text(name)
	if !ok {
		return row, f.hides(r)
	}
	row.Where, row.Now = f.where(name, r.ofHost), shorten(text)
	now, ok := parseNumbers(text)
	if !ok || len(now) != len(need) {
		row.Where = CannotTell
		return row, true
	}
	want := r.want(n, now)
	row.Now, row.Wanted = formatNumbers(now), formatNumbers(want)
	row.paths, row.value = []string{name}, row.Wanted
	row.State, row.least = Fine, slices.Equal(now, need)
	if !slices.Equal(now, want) {
		row.State, row.least = Short, true
	}
	return row, true
}

// hides reports whether a sysctl that is not there may exist all the same: it is the host's and this is no place to see it, or
// nothing of its kind is to be seen. Otherwise the kernel does not have it.
func (f *facts) hides(r *rule) bool {
	if strings.HasPrefix(r.name, "net.netfilter.") {
		return false // it is there only if the module is loaded
	}
	area, _, _ := strings.Cut(r.name, ".")
	if !f.exists("proc/sys/" + area) {
		return true
	}
	return area == "net" && r.ofHost && f.ownNetwork
}

// where says who can change the file of that name.
func (f *facts) where(name string, ofHost bool) Where {
	if ofHost && f.ownNetwork {
		return OnHost
	}
	switch err := f.Writable(name); {
	case err == nil:
		return Here
	case errors.Is(err, unix.EROFS), f.root: // it is not for want of being root
		return OnHost
	}
	return Here
}

// shorten returns what of a text fits into a table.
func shorten(s string) string {
	const most = 24
	if q := strconv.QuoteToASCII(s); len(s) > most || q != `"`+s+`"` {
		return q[:min(len(q), most)]
	}
	return s
}
