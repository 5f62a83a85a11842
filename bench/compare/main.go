package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// plan is what the flags say.
type plan struct {
	binaries
	rounds   int
	duration time.Duration
	loops    []int
	servers  *regexp.Regexp
	only     *regexp.Regexp
	style    style
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "compare:", err)
		stop()
		os.Exit(1)
	}
}

// run builds what is not given and compares.
func run(ctx context.Context, args []string) (err error) {
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "edge-compare-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	kinds, skipped, err := p.prepare(ctx, dir, p.chosen())
	if err != nil {
		return err
	}
	for _, loops := range p.loops {
		r := newResults(p, loops, kinds, skipped)
		err := p.compare(ctx, r)
		if err := errors.Join(err, p.style.write(os.Stdout, r)); err != nil {
			return err
		}
	}
	return nil
}

func parsePlan(args []string) (*plan, error) {
	p := new(plan)
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.StringVar(&p.edge, "edge", "", "the edge binary, whose flooder drives all; built if not given")
	flags.StringVar(&p.base, "base", "", "another edge binary to compare with")
	flags.StringVar(&p.baseline, "baseline", "", "the baseline binary; built if not given")
	flags.IntVar(&p.rounds, "rounds", 3, "how often each is measured")
	flags.DurationVar(&p.duration, "duration", 2*time.Second, "how long each measurement takes")
	flags.BoolVar(&p.style.extremes, "range", false, "print the extremes beside the medians")
	flags.BoolVar(&p.style.json, "json", false, "print JSON instead of a table")
	flags.BoolVar(&p.style.markdown, "markdown", false, "print the table as Markdown")
	loops := flags.String("loops", "1", "loops of edge and threads of the baseline, or several numbers with commas to compare with each")
	servers := flags.String("servers", "", "regular expression of the servers to run; all if empty")
	only := flags.String("only", "", "regular expression of the contests to run; all if empty")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if p.rounds < 1 || p.duration <= 0 || flags.NArg() > 0 {
		return nil, fmt.Errorf("--rounds %d, --duration %v, arguments %q: want a round at least, some time, no arguments",
			p.rounds, p.duration, flags.Args())
	}
	var err error
	if p.loops, err = parseLoops(*loops); err != nil {
		return nil, err
	}
	if p.servers, err = regexp.Compile(*servers); err != nil {
		return nil, fmt.Errorf("--servers: %w", err)
	}
	if p.only, err = regexp.Compile(*only); err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	return p, p.checkChoice()
}

func parseLoops(text string) (loops []int, err error) {
	for s := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("--loops %s: want numbers from 1, as in 1,2", text)
		}
		loops = append(loops, n)
	}
	return loops, nil
}

// checkChoice refuses expressions that nothing matches.
func (p *plan) checkChoice() error {
	if len(p.chosen()) == 0 {
		return fmt.Errorf("--servers %q: want some of %s", p.servers, names(kinds, func(k *kind) string { return k.name }))
	}
	if len(p.contests()) == 0 {
		return fmt.Errorf("--only %q: want some of %s", p.only, names(contests, func(c *contest) string { return c.name }))
	}
	return nil
}

func names[T any](all []T, name func(*T) string) string {
	var s []string
	for i := range all {
		s = append(s, name(&all[i]))
	}
	return strings.Join(s, ", ")
}

// chosen returns the servers to run, in their order.
func (p *plan) chosen() (chosen []*kind) {
	for i := range kinds {
		if k := &kinds[i]; p.servers.MatchString(k.name) && (k.name != "base" || p.base != "") {
			chosen = append(chosen, k)
		}
	}
	return chosen
}

// contests returns the contests to run, in their order.
func (p *plan) contests() (chosen []*contest) {
	for i := range contests {
		if c := &contests[i]; p.only.MatchString(c.name) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// compare runs the contests, round after round, as far as ctx allows.
func (p *plan) compare(ctx context.Context, r *results) error {
	for _, c := range r.contests {
		rounds := p.rounds
		if c.search {
			rounds = 1
		}
		for round := range rounds {
			for _, k := range r.kinds {
				if !c.takes(k) || c.merging && r.cell(c, k).farOff {
					continue // what is far beyond a server in one round is so in the next
				}
				fmt.Fprintf(os.Stderr, "%s, round %d of %d, %d loops: %s\n", c.name, round+1, rounds, r.Loops, k.name)
				p.measure(ctx, c, k, r)
				if err := ctx.Err(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
