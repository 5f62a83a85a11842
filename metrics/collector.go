package metrics

import (
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Snapshot is what a scrape shows.
type Snapshot struct {
	Loops         []Loop // those that answered
	Rooms         int
	Subscriptions int

	HistoryBytes        int64 // of all rooms together
	HistoryPublications int64
	HistoryEvictions    uint64          // rooms whose history was dropped to keep to the limit
	WorkerQueue         int             // jobs that wait for the worker pool
	HandshakeQueue      int             // steps of TLS handshakes that wait for theirs
	Ready               bool            // the node should get clients
	Insecure            map[string]bool // settings that leave out a check, and whether they are on
	ProcessBytes        int64           // resident memory
	KernelBytes         int64           // what the kernel holds for conns, as estimated
	LogDropped          uint64          // log lines that there was no room for
	Reloads             uint64          // of the configuration
	FailedReloads       uint64          // that changed nothing
	KeyFetches          uint64          // from JWKS endpoints
	FailedKeyFetches    uint64
	Store               *Store // nil for a node that keeps nothing on disk
}

// Loop is the counts of one loop.
type Loop struct {
	Number int
	Counts
}

// Store is what a store of histories has done, and what waits for it.
type Store struct {
	Records, Failed, Refused uint64
	Commits                  uint64
	CommitTime               time.Duration // of all of them
	QueuedBytes              int
	FileBytes                int64
}

// Collector shows snapshots to Prometheus.
type Collector struct {
	take func() Snapshot
}

// NewCollector returns a collector that calls take for each scrape.
func NewCollector(take func() Snapshot) *Collector { return &Collector{take} }

// describe makes a metric's description; every name begins with edge_.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("edge_"+name, help, labels, nil)
}

var (
	connections   = describe("connections", "Sessions that stand.", "transport")
	connects      = describe("connects_total", "Connect commands by result.", "result")
	disconnects   = describe("disconnects_total", "Sessions that ended, by close code; 1006 is none, 0 any other.", "code")
	rejects       = describe("reject_total", "Connections that were not served or broke a rule.", "stage", "reason")
	panics        = describe("session_panics_total", "Sessions that a fault of the server ended.")
	messagesIn    = describe("messages_in_total", "Messages from clients.")
	messagesOut   = describe("messages_out_total", "Replies and publications to clients.")
	payloadIn     = describe("payload_bytes_in_total", "Bytes of messages from clients.")
	payloadOut    = describe("payload_bytes_out_total", "Bytes of replies and publications to clients.")
	wireIn        = describe("wire_bytes_in_total", "Bytes read from sockets.")
	wireOut       = describe("wire_bytes_out_total", "Bytes written to sockets.")
	writes        = describe("writes_total", "System calls that wrote to sockets.")
	publications  = describe("publications_total", "Publications as taken up by each loop with members.")
	deliveries    = describe("fanout_deliveries_total", "Publications delivered to members.")
	fanoutWrites  = describe("fanout_writes_total", "Writes that carried them; those of several rooms to one conn may have left together.")
	slow          = describe("slow_consumers_total", "Slow consumers by what was done.", "action")
	limited       = describe("ratelimited_total", "Commands refused, and times a client was not read, by what was at its limit.", "scope")
	queued        = describe("outbound_queue_bytes", "Bytes waiting in out queues.")
	loopTurns     = describe("loop_turns_total", "Turns of each loop.", "loop")
	loopBusy      = describe("loop_busy_seconds_total", "Time each loop did not wait for the kernel.", "loop")
	recoveries    = describe("recoveries_total", "Recoveries that clients asked for.", "result")
	redelivered   = describe("redeliveries_total", "Publications of durable rooms that were sent again.")
	gaps          = describe("gaps_total", "Subscriptions that a gap ended.")
	historyBytes  = describe("history_bytes", "Memory of all histories.")
	historyPubs   = describe("history_publications", "Publications in all histories.")
	evictions     = describe("history_evictions_total", "Rooms whose history was dropped to keep to the memory limit.")
	fanoutSeconds = describe("fanout_duration_seconds", "Time to deliver a batch of publications to all members of a room on a loop.")
	lagSeconds    = describe("delivery_lag_seconds", "Time from publish until the last member on a loop was written to, of each publication.")
	turnSeconds   = describe("loop_turn_seconds", "Time that turns of each loop took, without waiting for the kernel.", "loop")
	draining      = describe("drain_remaining", "Connections that a drain has yet to close.")
	ready         = describe("ready", "Whether the node should get clients: 1 or 0.")
	insecure      = describe("insecure", "Settings that leave out a check: 1 if on, or 0.", "setting")
	memory        = describe("connection_memory_bytes", "Memory of the node: resident, and as estimated of its sockets in the kernel.", "kind")
	logDropped    = describe("log_dropped_total", "Log lines that there was no room for.")
	storeRecords  = describe("store_records_total", "Changes to histories by what became of them.", "result")
	storeCommits  = describe("store_commits_total", "Transactions of the store.")
	storeSeconds  = describe("store_commit_seconds_total", "Time that they took.")
	storeQueue    = describe("store_queue_bytes", "Bytes that wait for the store.")
	storeFile     = describe("store_file_bytes", "Size of the store's file.")
	overflows     = describe("listen_overflows_total", "Connections for which an accept queue of this host's network had no room.")
	listenDrops   = describe("listen_drops_total", "Connections that listeners of this host's network dropped, for want of room or memory.")
	shakeQueue    = describe("tls_handshake_queue", "Steps of TLS handshakes that wait for a CPU.")
	kernelTLS     = describe("tls_kernel_connections", "Connections whose TLS records the kernel does.")
	workerQueue   = describe("worker_queue", "Jobs that wait for the worker pool.")
	reloads       = describe("config_reloads_total", "Reloads of the configuration by result; one that failed changed nothing.", "result")
	keyFetches    = describe("jwks_fetches_total", "Fetches of issuers' public keys by result; after one that failed the keys stay as they are.", "result")
	rooms         = describe("rooms", "Rooms with members.")
	subscriptions = describe("subscriptions", "Subscriptions to rooms.")
)

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		connections, connects, disconnects, rejects, panics, messagesIn, messagesOut, payloadIn, payloadOut,
		wireIn, wireOut, writes, publications, deliveries, fanoutWrites, slow, limited, queued, loopTurns, loopBusy,
		recoveries, redelivered, gaps, historyBytes, historyPubs, evictions, workerQueue, shakeQueue, kernelTLS, rooms, subscriptions,
		fanoutSeconds, lagSeconds, turnSeconds, draining, ready, insecure, memory, logDropped,
		storeRecords, storeCommits, storeSeconds, storeQueue, storeFile, reloads, keyFetches, overflows, listenDrops,
	} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	s := c.take()
	var sum Counts
	for i := range s.Loops {
		sum.Add(&s.Loops[i].Counts)
		s.Loops[i].collect(to)
	}
	collectLabelled(to, &sum)
	sum.FanoutTime.collect(to, fanoutSeconds, eachBound)
	sum.Lag.collect(to, lagSeconds, eachBound)
	for _, m := range []struct {
		desc  *prometheus.Desc
		value uint64
	}{
		{panics, sum.Panics}, {messagesIn, sum.MessagesIn}, {messagesOut, sum.MessagesOut},
		{payloadIn, sum.PayloadIn}, {payloadOut, sum.PayloadOut}, {wireIn, sum.WireIn}, {wireOut, sum.WireOut},
		{writes, sum.Writes}, {publications, sum.Publications}, {deliveries, sum.FanoutDeliveries},
		{fanoutWrites, sum.FanoutWrites}, {redelivered, sum.Redelivered}, {gaps, sum.Gaps}, {evictions, s.HistoryEvictions},
		{logDropped, s.LogDropped},
	} {
		counter(to, m.desc, float64(m.value))
	}
	gauge(to, queued, float64(sum.Queued))
	gauge(to, historyBytes, float64(s.HistoryBytes))
	gauge(to, historyPubs, float64(s.HistoryPublications))
	gauge(to, workerQueue, float64(s.WorkerQueue))
	gauge(to, shakeQueue, float64(s.HandshakeQueue))
	gauge(to, kernelTLS, float64(sum.KernelTLS))
	gauge(to, draining, float64(sum.Draining))
	gauge(to, ready, truth(s.Ready))
	for setting, on := range s.Insecure {
		gauge(to, insecure, truth(on), setting)
	}
	gauge(to, memory, float64(s.ProcessBytes), "process")
	gauge(to, memory, float64(s.KernelBytes), "kernel")
	counter(to, reloads, float64(s.Reloads), "ok")
	counter(to, reloads, float64(s.FailedReloads), "failed")
	counter(to, keyFetches, float64(s.KeyFetches), "ok")
	counter(to, keyFetches, float64(s.FailedKeyFetches), "failed")
	gauge(to, rooms, float64(s.Rooms))
	gauge(to, subscriptions, float64(s.Subscriptions))
	if s.Store != nil {
		s.Store.collect(to)
	}
	if b, err := os.ReadFile(netstatFile); err == nil {
		n := parseNetstat(b)
		counter(to, overflows, float64(n["ListenOverflows"]))
		counter(to, listenDrops, float64(n["ListenDrops"]))
	}
}

// truth is 1 for true.
func truth(v bool) float64 {
	if v {
		return 1
	}
	return 0
}

// collect shows the figures that each loop has of its own.
func (l *Loop) collect(to chan<- prometheus.Metric) {
	loop := strconv.Itoa(l.Number)
	counter(to, loopTurns, float64(l.Turns), loop)
	counter(to, loopBusy, l.Busy.Seconds(), loop)
	l.TurnTime.collect(to, turnSeconds, eachDecade, loop)
}

func (s *Store) collect(to chan<- prometheus.Metric) {
	counter(to, storeRecords, float64(s.Records), "kept")
	counter(to, storeRecords, float64(s.Failed), "failed")
	counter(to, storeRecords, float64(s.Refused), "refused")
	counter(to, storeCommits, float64(s.Commits))
	counter(to, storeSeconds, s.CommitTime.Seconds())
	gauge(to, storeQueue, float64(s.QueuedBytes))
	gauge(to, storeFile, float64(s.FileBytes))
}

// collectLabelled shows the figures that have a label.
func collectLabelled(to chan<- prometheus.Metric, sum *Counts) {
	for t, n := range sum.Connections {
		gauge(to, connections, float64(n), Transport(t).String())
	}
	for r, n := range sum.Connects {
		counter(to, connects, float64(n), ConnectResult(r).String())
	}
	for i, n := range sum.Disconnects {
		if n > 0 {
			counter(to, disconnects, float64(n), strconv.Itoa(codeOf(i)))
		}
	}
	for i, n := range sum.Rejects {
		counter(to, rejects, float64(n), rejectionLabels[i][0], rejectionLabels[i][1])
	}
	for r, n := range sum.Recoveries {
		counter(to, recoveries, float64(n), RecoveryResult(r).String())
	}
	for s, n := range sum.Limited {
		counter(to, limited, float64(n), Limit(s).String())
	}
	for a, n := range sum.Slow {
		counter(to, slow, float64(n), SlowAction(a).String())
	}
}

func counter(to chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func gauge(to chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
