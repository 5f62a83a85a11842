package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/seed4ac54ce5/edge/bench"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// joinCommand returns edge flood without a scenario: one of the processes that share a run.
func joinCommand() *cobra.Command {
	var j bench.Joining
	var asJSON bool
	c := &cobra.Command{
		Use:   "flood",
		Short: "Drive a server with many connections and report what it does",
		Long: `Drive a server with many connections and report what it does.

With a scenario this is a run. With --workers that is shared by other processes, here or on other
machines, each of which is started as edge flood --join host:port.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return join(c, j, asJSON) },
	}
	flags := c.Flags()
	flags.StringVar(&j.Coordinator, "join", "", "take part in the run of the edge flood that listens at `host:port`")
	flags.StringVar(&j.Key, "join-key", "", "what the coordinator has as its --join-key")
	flags.StringVar(&j.TokenSecret, "token-secret", "", "what the coordinator has as its --token-secret, which it does not send")
	flags.BoolVar(&asJSON, "json", false, "print what this process saw as one JSON object instead of the table")
	return c
}

// join takes part in a run and prints what of it was seen here. Whether all is well, the coordinator says. A signal to end ends this part.
func join(c *cobra.Command, j bench.Joining, asJSON bool) error {
	if j.Coordinator == "" {
		if c.Flags().NFlag() > 0 {
			return fmt.Errorf("--join is missing: want the host:port that the coordinator listens at")
		}
		return c.Help()
	}
	j.Progress = c.ErrOrStderr()
	j.Terminal = term.IsTerminal(int(os.Stderr.Fd()))
	ctx, stop := untilEnded(c.Context())
	defer stop()
	report, err := bench.Join(ctx, j)
	if errors.Is(err, bench.ErrUsage) {
		return err
	}
	if err != nil {
		return failure{err}
	}
	write := report.WriteTable
	if asJSON {
		write = report.WriteJSON
	}
	if err := write(c.OutOrStdout()); err != nil {
		return failure{err}
	}
	return nil
}

// shareFlags adds what shares a run among processes.
func (f *flooding) shareFlags(flags *pflag.FlagSet) {
	o := &f.options
	flags.IntVar(&o.Workers, "workers", 0, "share the run among so many processes, each an edge flood --join; 0 does it here")
	flags.StringVar(&o.Listen, "listen", "", "`host:port` where they join")
	flags.StringVar(&o.JoinKey, "join-key", "", "what they must have as their --join-key")
}
