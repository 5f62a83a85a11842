package bench

import (
	"errors"
	"fmt"
	"time"
)

// ErrLoss means that a run did not go as it should: something did not arrive as it was sent, or
// connections failed or were lost.
var ErrLoss = errors.New("bench: not everything arrived")

// Report is what a run has found out. It is what --json prints.
type Report struct {
	Command string    `json:"command,omitempty"` // for who wants to repeat it, without secrets
	Began   time.Time `json:"began"`
	Host    Host      `json:"host"` // where the flooder ran

	Scenario      Scenario `json:"scenario"`
	Targets       []string `json:"targets"`
	Connections   int      `json:"connections"`
	Rooms         int      `json:"rooms,omitempty"`
	Payload       int      `json:"payload_bytes,omitempty"`
	Rate          int      `json:"rate,omitempty"`
	Pipeline      int      `json:"pipeline,omitempty"`
	Loops         int      `json:"loops"`
	PrivateTables bool     `json:"private_fd_tables"`
	Seconds       float64  `json:"seconds"`
	Interrupted   bool     `json:"interrupted,omitempty"`

	Delivery Ledger `json:"delivery"`

	Ready    uint64            `json:"ready"`  // connections that came to stand
	Failed   uint64            `json:"failed"` // that did not
	Lost     uint64            `json:"lost"`   // that stood and were closed before their time
	Failures map[string]uint64 `json:"failures,omitempty"`
	Closes   map[string]uint64 `json:"closes,omitempty"`
	Errors   map[string]uint64 `json:"errors,omitempty"`

	Connecting *Load `json:"connecting,omitempty"`
	Measured   *Load `json:"measured,omitempty"`
	Holding    *Load `json:"holding,omitempty"`
	Publishing *Load `json:"publishing,omitempty"` // once to each room

	Mix  *MixReport  `json:"mix,omitempty"`
	Soak *SoakReport `json:"soak,omitempty"`
	API  *APILoad    `json:"api,omitempty"` // with publishers over the HTTP API

	ConnectLatency *Latency `json:"connect_latency,omitempty"`
	Latency        *Latency `json:"latency,omitempty"`

	Storms []StormReport `json:"storms,omitempty"`
	Slow   *SlowReport   `json:"slow,omitempty"`

	Distribution []Quantile `json:"latency_distribution,omitempty"`

	LoadSide LoadSide     `json:"load_side"`
	Memory   []MemoryAt   `json:"memory,omitempty"`
	Timeline []Moment     `json:"timeline,omitempty"`
	Probe    []ProbePhase `json:"probe,omitempty"`
	Warnings []string     `json:"warnings,omitempty"`

	Workers    []WorkerReport `json:"workers,omitempty"`
	ClockError float64        `json:"clock_error_us,omitempty"` // by how much latencies between workers may be wrong
}

// Load is what was done in a part of the run, and what it cost.
type Load struct {
	Unit      string  `json:"unit"`
	Count     uint64  `json:"count"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`

	ServerMicros float64 `json:"server_cpu_us_per_unit"` // 0 without --server-pid
	ServerCPUs   float64 `json:"server_cpus"`            // busy, on average
	OwnCPUs      float64 `json:"own_cpus"`
	BusiestLoop  float64 `json:"busiest_loop"`   // of the flooder: share of its time that it did not wait, 0 to 1
	Idle         float64 `json:"machine_idle"`   // share of the machine's CPU time, 0 to 1
	Stolen       float64 `json:"machine_stolen"` // taken by other guests of the host
}

// MemoryAt is what was in use at a point of the run, in bytes.
type MemoryAt struct {
	At string `json:"at"`
	memory
	PssPerConnection  float64 `json:"pss_per_connection"`         // grown since the first
	SlabPerConnection float64 `json:"kernel_slab_per_connection"` // of both ends, if both are here
}

// ProbePhase is what the probe saw in one part of the run.
type ProbePhase struct {
	Phase  string `json:"phase"`
	Failed uint64 `json:"failed,omitempty"`
	*Latency
}

// WorkerReport is what became of one process's part of a shared run.
type WorkerReport struct {
	Name       string  `json:"name"`  // host, process and address
	Loops      int     `json:"loops"` // 0 if it is gone
	Ready      uint64  `json:"ready"`
	Failed     uint64  `json:"failed"`
	Lost       uint64  `json:"lost"`
	OwnCPUs    float64 `json:"own_cpus"`       // in the part of the run that counts
	Idle       float64 `json:"machine_idle"`   // of its machine
	ClockError float64 `json:"clock_error_us"` // how far its clock may have been from the coordinator's; 0 on one machine
	Gone       string  `json:"gone,omitempty"` // why it left before the end
}

func newReport(o *Options) *Report {
	r := &Report{
		Command:     o.Command,
		Began:       time.Now().UTC().Truncate(time.Second),
		Host:        readHost(),
		Scenario:    o.Scenario,
		Targets:     o.Targets,
		Connections: o.Connections,
		Failures:    make(map[string]uint64),
		Closes:      make(map[string]uint64),
		Errors:      make(map[string]uint64),
	}
	switch o.Scenario {
	case Echo:
		r.Payload, r.Rate, r.Pipeline = o.Payload, o.Rate, o.Pipeline
	case Mixed, Soak:
		r.Rooms = o.Mix.Rooms
	case Fanout, Storm, Slow:
		r.Rooms, r.Payload, r.Rate = o.Rooms, o.Payload, o.Rate
	default:
		r.Rooms = o.Rooms
	}
	return r
}

// add counts what one driver has found out.
func (r *Report) add(d *result) {
	r.Delivery.add(&d.ledger)
	for _, m := range []struct{ to, from map[string]uint64 }{{r.Failures, d.failures}, {r.Closes, d.closes}, {r.Errors, d.errors}} {
		addCounts(m.to, m.from)
	}
}

// loadOf says what happened between two samples: what was counted is the unit.
func loadOf(unit string, before, after sample, count func(progress) uint64) *Load {
	return loadFor(unit, before, after, count(after.counted)-count(before.counted))
}

// holdingOf says what it cost between two samples to hold the connections that are there: the unit is
// one connection for one second.
func holdingOf(before, after sample) *Load {
	held := float64(after.counted.ready-after.counted.lost) * after.at.Sub(before.at).Seconds()
	return loadFor("connection-second", before, after, uint64(held))
}

func loadFor(unit string, before, after sample, n uint64) *Load {
	seconds := after.at.Sub(before.at).Seconds()
	server := after.server - before.server
	l := &Load{
		Unit:         unit,
		Count:        n,
		Seconds:      seconds,
		PerSecond:    float64(n) / seconds,
		ServerMicros: perUnit(server.Seconds()*1e6, n),
		ServerCPUs:   server.Seconds() / seconds,
		BusiestLoop:  busiest(before.loops, after.loops),
		OwnCPUs:      (after.own - before.own).Seconds() / seconds,
	}
	if total := (after.machine.total - before.machine.total).Seconds(); total > 0 {
		l.Idle = (after.machine.idle - before.machine.idle).Seconds() / total
		l.Stolen = (after.machine.stolen - before.machine.stolen).Seconds() / total
	} else {
		l.Idle = 1 // it was too short for the kernel's clock to say
	}
	return l
}

func perUnit(v float64, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return v / float64(n)
}

// conclude works out what follows from the parts.
func (r *Report) conclude() {
	r.Delivery.close()
	standing := r.Ready - r.Lost
	if r.Mix != nil {
		standing = min(standing, uint64(r.Connections)) // each may have come to stand many times
	}
	for i := range r.Memory {
		r.Memory[i].compare(&r.Memory[0].memory, standing)
	}
	r.judge()
}

// compare works out how much has grown since base for each of n connections.
func (m *MemoryAt) compare(base *memory, n uint64) {
	m.PssPerConnection = perUnit(float64(m.Pss)-float64(base.Pss), n)
	m.SlabPerConnection = perUnit(float64(m.Slab)-float64(base.Slab), n)
}

// Err returns an error that wraps ErrLoss if anything went wrong, nil if all is well.
func (r *Report) Err() error {
	switch {
	case !r.Delivery.Clean():
		return fmt.Errorf("%w: of %d messages %d are missing, %d duplicated, %d reordered, %d misrouted, %d damaged", ErrLoss,
			r.Delivery.Expected, r.Delivery.Missing, r.Delivery.Duplicated, r.Delivery.Reordered, r.Delivery.Misrouted, r.Delivery.Damaged)
	case r.API != nil && r.API.Refused+r.API.Unknown > 0:
		return fmt.Errorf("%w: the API refused %d publications, the fate of %d is unknown", ErrLoss, r.API.Refused, r.API.Unknown)
	case r.Soak != nil && r.Soak.Return != nil && r.Soak.Return.Kept:
		return fmt.Errorf("%w: the server has not given back all: %s", ErrLoss, r.Soak.Return)
	case r.Failed > 0 || r.Lost > 0:
		return fmt.Errorf("%w: %d connections failed, %d were lost", ErrLoss, r.Failed, r.Lost)
	case r.unrecovered() > 0:
		return fmt.Errorf("%w: %d members came back to a room with recovery and were told that something was missing", ErrLoss, r.unrecovered())
	case r.Slow.wrong():
		return fmt.Errorf("%w: to slow readers %d messages came twice, %d out of order, %d are misrouted, %d damaged", ErrLoss,
			r.Slow.Delivery.Duplicated, r.Slow.Delivery.Reordered, r.Slow.Delivery.Misrouted, r.Slow.Delivery.Damaged)
	case len(r.Errors) > 0:
		return fmt.Errorf("%w: %v", ErrLoss, r.Errors)
	}
	return nil
}
