package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// plan is what the flags say.
type plan struct {
	edge, baseline string // binaries
	rounds         int
	duration       time.Duration
	loops          []int
	only           *regexp.Regexp
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
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
	for path, pkg := range map[*string]string{&p.edge: "./cmd/edge", &p.baseline: "./bench/baseline"} {
		if *path != "" {
			continue
		}
		*path = filepath.Join(dir, filepath.Base(pkg))
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", *path, pkg).CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
		}
	}
	for _, loops := range p.loops {
		if err := p.compare(ctx, loops); err != nil {
			return err
		}
	}
	return nil
}

func parsePlan(args []string) (*plan, error) {
	p := new(plan)
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.StringVar(&p.edge, "edge", "", "the edge binary; built if not given")
	flags.StringVar(&p.baseline, "baseline", "", "the baseline binary; built if not given")
	flags.IntVar(&p.rounds, "rounds", 5, "how often each is measured")
	flags.DurationVar(&p.duration, "duration", 5*time.Second, "how long each measurement takes")
	loops := flags.String("loops", "1", "loops of the servers, or several numbers with commas to compare with each")
	only := flags.String("only", "", "regular expression of the contests to run; all if empty")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if p.rounds < 1 || p.duration <= 0 || flags.NArg() > 0 {
		return nil, fmt.Errorf("--rounds %d, --duration %v, arguments %q: want a round at least, some time, no arguments",
			p.rounds, p.duration, flags.Args())
	}
	for s := range strings.SplitSeq(*loops, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("--loops %s: want numbers from 1, as in 1,2", *loops)
		}
		p.loops = append(p.loops, n)
	}
	var err error
	if p.only, err = regexp.Compile(*only); err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	return p, nil
}

// compare runs the contests with servers of so many loops, and prints a table.
func (p *plan) compare(ctx context.Context, loops int) error {
	results := make(map[string]*result)
	for i := range contests {
		c := &contests[i]
		if !p.only.MatchString(c.name) {
			continue
		}
		r := &result{contest: c}
		results[c.name] = r
		for round := range p.rounds {
			fmt.Fprintf(os.Stderr, "%s, %d loops, round %d of %d\n", c.name, loops, round+1, p.rounds)
			if err := r.round(ctx, p, loops); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return writeTable(os.Stdout, loops, results)
}
