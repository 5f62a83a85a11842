package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// topping is a run of edge top.
type topping struct {
	operator
	once, json bool
	interval   time.Duration
	terminal   bool // the output is one
	out        io.Writer
}

func topCommand() *cobra.Command {
	t := &topping{}
	c := &cobra.Command{
		Use:   "top",
		Short: "Show what a running node does, second by second",
		Long: "Top shows rates, delays, the busiest loops, the largest rooms and the slowest readers of a running node, until\n" +
			"it is interrupted. Where the output is not a terminal it prints one table below the other, with --json one\n" +
			"object for each line.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t.out, t.terminal = c.OutOrStdout(), term.IsTerminal(int(os.Stdout.Fd()))
			return t.run(c.Context())
		},
	}
	t.addFlags(c.Flags())
	c.Flags().BoolVar(&t.once, "once", false, "print one table, of one interval, and end")
	c.Flags().BoolVar(&t.json, "json", false, "print JSON objects instead of tables")
	c.Flags().DurationVar(&t.interval, "interval", time.Second, "`time` between two looks, 100ms or more")
	return c
}

// run shows views until ctx is done or an interrupt comes, which is no error.
func (t *topping) run(ctx context.Context) error {
	if err := t.prepare(); err != nil {
		return err
	}
	if t.interval < 100*time.Millisecond {
		return errors.New("--interval: write 100ms or more")
	}
	ctx, stop := untilEnded(ctx)
	defer stop()
	err := t.watch(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// watch asks the node again and again.
func (t *topping) watch(ctx context.Context) error {
	var before, now server.Top
	if err := t.ask(ctx, http.MethodGet, "/debug/top", &before); err != nil {
		return err
	}
	tick := time.NewTicker(t.interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		now = server.Top{}
		if err := t.ask(ctx, http.MethodGet, "/debug/top", &now); err != nil {
			return err
		}
		v := newView(&before, &now)
		if err := t.show(v); err != nil || t.once {
			return err
		}
		before = now
	}
}

// show prints one view.
func (t *topping) show(v *view) error {
	if t.json {
		return json.NewEncoder(t.out).Encode(v)
	}
	s := screen{base: t.base}
	if t.terminal && !t.once {
		s.width, s.height, _ = term.GetSize(int(os.Stdout.Fd())) // unknown is no limit
		s.live = true
	}
	_, err := t.out.Write(s.draw(v))
	return err
}
