package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/seed4ac54ce5/edge/bench"
)

// contest is one kind of load.
type contest struct {
	name     string
	args     []string // of edge flood
	measures []measure
	rooms    bool // it is about rooms alone, which any protocol has
	socket   bool // all speak Socket.IO
	crowd    bool // more connections than a usual table of descriptors has room for
	merging  bool // servers that gather on purpose take part
	search   bool // for the greatest rate, see search.go
}

// measure is a figure that a run yields.
type measure struct {
	name string
	unit string
	of   func(*bench.Report) float64
}

// cpu is what a unit of the measured load cost the server.
func cpu(name string) measure {
	return measure{name: name, unit: "us", of: func(r *bench.Report) float64 { return r.Measured.ServerMicros }}
}

// grown is how many bytes the server has grown by for each connection.
func grown(r *bench.Report) float64 { return r.Memory[len(r.Memory)-1].PssPerConnection }

// contests are run in this order. In fan-out a publication leaves before the next is due, also on a slow
// machine: one that falls behind would have edge join several, and the comparison would be of something
// else.
var contests = []contest{
	{
		name:  "idle",
		rooms: true,
		args:  []string{"idle", "--connections", "10000", "--hold", "1s"},
		measures: []measure{
			{name: "idle", unit: "B", of: grown},
			{name: "connect", unit: "us", of: func(r *bench.Report) float64 { return r.Connecting.ServerMicros }},
		},
	},
	{
		name:     "crowd",
		rooms:    true,
		crowd:    true,
		args:     []string{"idle", "--connections", "100000", "--hold", "1s"},
		measures: []measure{{name: "idle of 100,000", unit: "B", of: grown}},
	},
	{name: "echo", args: timed("echo", "--connections", "1000"), measures: []measure{cpu("echo")}},
	{name: "pipelined echo", args: timed("echo", "--connections", "100", "--pipeline", "16"), measures: []measure{cpu("pipelined")}},
	{
		name:   "Socket.IO idle",
		socket: true,
		args:   []string{"idle", "--connections", "10000", "--hold", "1s"},
		measures: []measure{
			{name: "Socket.IO idle", unit: "B", of: grown},
		},
	},
	{
		name:     "broadcast",
		socket:   true,
		args:     timed("fanout", "--connections", "10000", "--rooms", "1", "--rate", "2"),
		measures: []measure{cpu("broadcast")},
	},
	{name: "fan-out", args: audience("50"), measures: []measure{cpu("fan-out")}, rooms: true},
	{name: "merged fan-out", args: audience("1000"), measures: []measure{cpu("merged")}, rooms: true, merging: true},
	{
		name:    "maximum fan-out",
		rooms:   true,
		merging: true,
		search:  true,
		measures: []measure{
			{name: "maximum", unit: "M/s", of: func(r *bench.Report) float64 { return r.Measured.PerSecond / 1e6 }},
			cpu("at that"),
		},
	},
	{name: "churn", args: timed("churn"), measures: []measure{cpu("churn")}},
	{
		name: "storm",
		args: []string{"storm", "--connections", "5000", "--rooms", "5", "--rate", "5", "--hold", "1s", "--drop", "rude", "--return", "rude"},
		measures: []measure{
			{name: "return", unit: "us", of: func(r *bench.Report) float64 { return r.Storms[0].Load.ServerMicros }},
			{name: "all back", unit: "s", of: func(r *bench.Report) float64 { return r.Storms[0].UntilReturned }},
		},
	},
}

// timed is a scenario that is measured for a time.
func timed(args ...string) []string { return append(args, "--warmup", "500ms") }

// audience is a fan-out to 10,000 members, a thousand by each of rate publications a second.
func audience(rate string) []string {
	return timed("fanout", "--connections", "10000", "--rooms", "10", "--rate", rate)
}

// takes reports whether k takes part.
func (c *contest) takes(k *kind) bool {
	if c.socket || k.protocol != "" && !c.rooms {
		return c.socket && k.socket
	}
	if c.crowd && !k.tables {
		return false
	}
	return c.merging || !k.merges
}

// measure runs c against a server of kind k and keeps what comes of it: that it failed, if it did.
func (p *plan) measure(ctx context.Context, c *contest, k *kind, r *results) {
	try := func(args []string) (*bench.Report, error) {
		return p.flood(ctx, k, c.setting(r.Loops), c.limit()+p.duration, args)
	}
	var report *bench.Report
	var err error
	if c.search {
		report, err = search(k.firstRate(), try)
	} else if report, err = try(append(c.args, p.length(c)...)); err == nil {
		err = report.Err()
	}
	if ctx.Err() == nil {
		r.cell(c, k).add(report, err)
	}
}

// crowdLoops has room for a crowd where a process may have 20,000 descriptors in a table.
const crowdLoops = 8

// setting is what a server is started for, that is to have so many loops.
func (c *contest) setting(loops int) setting {
	if c.crowd {
		loops = max(loops, crowdLoops)
	}
	return setting{loops: loops, socket: c.socket, tables: c.crowd}
}

// length is how long to measure, where that can be said.
func (p *plan) length(c *contest) []string {
	if c.args[0] == "idle" || c.args[0] == "storm" {
		return nil
	}
	return []string{"--duration", p.duration.String()}
}

// How long a run may take: far more than any does whose server keeps up. One that has more to send than it can is then
// killed, which the report counts as loss behind what it had measured.
const (
	floodLimit    = 2 * time.Minute
	overloadLimit = 25 * time.Second // where many are expected not to keep up
)

func (c *contest) limit() time.Duration {
	if c.merging {
		return overloadLimit
	}
	return floodLimit
}

// flood starts a server, drives it and returns the report. That something was lost is the report's to say.
func (p *plan) flood(ctx context.Context, k *kind, of setting, limit time.Duration, args []string) (*bench.Report, error) {
	s, err := k.start(ctx, &p.binaries, of)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	args = append([]string{"flood"}, args...)
	switch {
	case of.socket:
		args = append(args, "--protocol", string(bench.SocketIO))
	case k.protocol != "":
		args = append(args, "--protocol", string(k.protocol))
	}
	if !of.tables {
		args = append(args, "--loops", "1")
	}
	args = append(args, "--json", "--probe", "0", "--drain", "2s", "--target", s.address, "--server-pid", strconv.Itoa(s.command.Process.Pid))
	var out, said bytes.Buffer
	command := exec.CommandContext(ctx, p.edge, args...)
	command.Stdout, command.Stderr = &out, &said
	end := time.AfterFunc(limit, s.kill)
	defer end.Stop()
	err = command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || out.Len() == 0) {
		return nil, fmt.Errorf("%w: %s", err, said.Bytes())
	}
	report := new(bench.Report)
	if err := json.Unmarshal(out.Bytes(), report); err != nil {
		return nil, fmt.Errorf("report of flood: %w", err)
	}
	return report, nil
}
