package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/spf13/cobra"
)

// order is a command that has a running node do something.
type order[T any] struct {
	operator
	json bool
	path func() (string, error)
	say  func(w io.Writer, done *T) error // the answer, for people
}

// command returns o's command.
func (o *order[T]) command(use, short, long string) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long,
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	o.addFlags(c.Flags())
	c.Flags().BoolVar(&o.json, "json", false, "print one JSON object")
	return c
}

func (o *order[T]) run(c *cobra.Command) error {
	if err := o.prepare(); err != nil {
		return err
	}
	path, err := o.path()
	if err != nil {
		return err
	}
	var done T
	if err := o.ask(c.Context(), http.MethodPost, path, &done); err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(&done)
	}
	return o.say(c.OutOrStdout(), &done)
}

func drainCommand() *cobra.Command {
	o := &order[server.Leaving]{
		path: func() (string, error) { return "/drain", nil },
		say: func(w io.Writer, done *server.Leaving) error {
			_, err := fmt.Fprintf(w, "draining: %d connections\n", done.Connections)
			return err
		},
	}
	return o.command("drain", "Have a running node send its clients away and end",
		"Drain has a node do what it does after TERM: it says that it is not ready, closes its listeners, sends its\n"+
			"clients away over the shutdown window, and ends. The command does not wait for that.")
}

func reloadCommand() *cobra.Command {
	o := &order[server.Reloaded]{
		path: func() (string, error) { return "/reload", nil },
		say: func(w io.Writer, done *server.Reloaded) error {
			_, err := fmt.Fprintf(w, "reloaded; changed: %s; waiting for a restart: %s\n", list(done.Changed), list(done.Waiting))
			return err
		},
	}
	return o.command("reload", "Have a running node read its configuration again",
		"Reload has a node do what it does after HUP. If anything is wrong with the configuration nothing changes: the\n"+
			"command says why, and its exit status is 1.")
}

// list returns names in one line.
func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

func rebalanceCommand() *cobra.Command {
	to := -1
	o := &order[server.Leaving]{
		path: func() (string, error) {
			if to < 0 {
				return "", errors.New("--to: write how many clients may stay, 0 or more")
			}
			return fmt.Sprintf("/rebalance?to=%d", to), nil
		},
		say: func(w io.Writer, done *server.Leaving) error {
			_, err := fmt.Fprintf(w, "%d of %d connections are to go\n", done.Surplus, done.Connections)
			return err
		},
	}
	c := o.command("rebalance", "Have a running node send some of its clients to others",
		"Rebalance makes clients of a node reconnect, chosen by lot and at a bounded rate, until there are no more than\n"+
			"--to, so that a balancer gives them to other nodes. A new order takes the place of the one before. The command\n"+
			"does not wait for the clients to go.")
	c.Flags().IntVar(&to, "to", to, "`clients` that may stay")
	c.Flags().Lookup("to").DefValue = "0" // which help does not show
	return c
}
