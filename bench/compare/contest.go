package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/seed4ac54ce5/edge/bench"
)

// contest is one kind of load.
type contest struct {
	name string
	args []string // of edge flood

	// against names the contest whose baseline figures this one's are compared with, where the baseline
	// could not bear the load itself.
	against string
}

// contests are run in this order. In fan-out a publication leaves before the next is due, also on a slow
// machine: one that falls behind would have edge join several, and the comparison would be of something
// else.
var contests = []contest{
	{name: "echo", args: []string{"echo", "--connections", "1000"}},
	{name: "pipelined echo", args: []string{"echo", "--connections", "100", "--pipeline", "16"}},
	{name: "fan-out", args: []string{"fanout", "--connections", "10000", "--rooms", "10", "--rate", "50"}},
	{name: "merged fan-out", args: []string{"fanout", "--connections", "10000", "--rooms", "10", "--rate", "1000"}, against: "fan-out"},
	{name: "churn", args: []string{"churn"}},
}

// result is what a contest has shown so far: CPU microseconds for each message, by round.
type result struct {
	contest  *contest
	baseline []float64
	edge     []float64
	unit     string
	idle     []float64 // share of the machine's CPU time that nobody used
	troubles []string
}

// round measures each server once.
func (r *result) round(ctx context.Context, p *plan, loops int) error {
	if r.contest.against == "" {
		if err := r.measure(ctx, p, func() (*server, error) { return startBaseline(ctx, p.baseline, loops) }, &r.baseline); err != nil {
			return fmt.Errorf("baseline: %w", err)
		}
	}
	if err := r.measure(ctx, p, func() (*server, error) { return startEdge(ctx, p.edge, loops) }, &r.edge); err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	return nil
}

// measure starts a server, floods it and appends what a message cost it.
func (r *result) measure(ctx context.Context, p *plan, start func() (*server, error), to *[]float64) error {
	s, err := start()
	if err != nil {
		return err
	}
	defer s.stop()
	report, err := p.flood(ctx, s, r.contest.args)
	switch {
	case err != nil:
		return err
	case report.Measured == nil || report.Measured.ServerMicros == 0:
		return fmt.Errorf("flood measured nothing: %w", report.Err())
	}
	if err := report.Err(); err != nil {
		r.troubles = append(r.troubles, err.Error())
	}
	*to = append(*to, report.Measured.ServerMicros)
	r.idle = append(r.idle, report.Measured.Idle)
	r.unit = report.Measured.Unit
	return nil
}

// flood drives s and returns the report. That something was lost is the report's to say.
func (p *plan) flood(ctx context.Context, s *server, args []string) (*bench.Report, error) {
	args = append([]string{"flood"}, args...)
	args = append(args, "--json", "--probe", "0", "--loops", "1", "--duration", p.duration.String(),
		"--target", s.address, "--server-pid", strconv.Itoa(s.command.Process.Pid))
	var out bytes.Buffer
	command := exec.CommandContext(ctx, p.edge, args...)
	command.Stdout, command.Stderr = &out, os.Stderr
	err := command.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 && out.Len() > 0 {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	report := new(bench.Report)
	if err := json.Unmarshal(out.Bytes(), report); err != nil {
		return nil, fmt.Errorf("report of flood: %w", err)
	}
	return report, nil
}
