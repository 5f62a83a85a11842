package main

import (
	"fmt"
	"os"
	"time"

	"github.com/seed4ac54ce5/edge/bench"
	"github.com/spf13/cobra"
)

func floodMix() *cobra.Command {
	f := newFlooding(bench.Mixed)
	c := f.command("Let classes of connections come, talk and go: a day of a chat service")
	f.durationFlags(c.Flags())
	f.mixFlags(c)
	return c
}

func floodSoak() *cobra.Command {
	f := newFlooding(bench.Soak)
	c := f.command("Play a mix for hours, with faults, and tell what of the server grows")
	o, flags := &f.options, c.Flags()
	f.durationFlags(flags)
	setDefault(flags, "duration", "1h0m0s")
	setDefault(flags, "warmup", "1m0s")
	flags.DurationVar(&o.Faults, "faults", 30*time.Second, "time between faults, which take turns: cut off, stall, half-open connections, a burst; 0 for none")
	flags.Float64Var(&o.FaultShare, "fault-share", 0.1, "share of the connections that a fault hits")
	flags.StringVar(&o.Internal, "internal", "", "`address` of the server's metrics, as in http://127.0.0.1:9000")
	f.mixFlags(c)
	return c
}

// mixFlags gives c the flags of a mix. They are read before it runs.
func (f *flooding) mixFlags(c *cobra.Command) {
	o, flags := &f.options, c.Flags()
	file := flags.String("mix", "", "YAML `file` that says who does what; empty for the built-in one")
	show := flags.Bool("print", false, "print the file that is used and do nothing else")
	flags.DurationVar(&o.Day, "day", 0, "how long a day takes, with the activity of its hours; 0 is the same activity all along")
	flags.Uint64Var(&o.Seed, "seed", 1, "what chance depends on")
	flags.StringVar(&o.RoomPrefix, "room-prefix", "", "what the rooms' `names` begin with, a namespace for instance; empty for a name of the run's own")
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		text, err := f.readMix(*file)
		switch {
		case err != nil:
			return err
		case *show:
			_, err := c.OutOrStdout().Write(text)
			return err
		}
		return run(c, args)
	}
}

// readMix reads the mix from a file, or the built-in one, and returns its text.
func (f *flooding) readMix(file string) (text []byte, err error) {
	text = bench.BuiltInMix()
	if file != "" {
		if text, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("--mix: %w", err)
		}
	}
	f.options.Mix, err = bench.ParseMix(text)
	return text, err
}
