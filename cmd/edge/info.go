package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seed4ac54ce5/edge/server"
	"github.com/spf13/cobra"
)

func infoCommand() *cobra.Command {
	var o operator
	var asJSON bool
	c := &cobra.Command{
		Use:   "info",
		Short: "Print what a running node is",
		Long:  "Info prints what a running node is. The exit status is 1 if the node is not ready, or does not answer.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.prepare(); err != nil {
				return err
			}
			var info server.Info
			if err := o.ask(c.Context(), http.MethodGet, "/info", &info); err != nil {
				return err
			}
			write := writeInfo
			if asJSON {
				write = func(w io.Writer, i *server.Info) error { return json.NewEncoder(w).Encode(i) }
			}
			if err := write(c.OutOrStdout(), &info); err != nil || info.NotReady == "" {
				return err
			}
			return failure{errors.New("the node is not ready: " + info.NotReady)}
		},
	}
	o.addFlags(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// writeInfo prints i as a table.
func writeInfo(w io.Writer, i *server.Info) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	state := "ready"
	if i.NotReady != "" {
		state = "not ready: " + i.NotReady
	}
	rows := [][2]string{
		{"state", state},
		{"version", i.Version + ", " + i.Go},
		{"process", fmt.Sprintf("%d, up %v", i.PID, time.Duration(i.UptimeSeconds)*time.Second)},
		{"addresses", strings.Join(i.Addresses, " ")},
		{"internal", i.Internal},
		{"loops", fmt.Sprintf("%d on %d CPUs, private descriptor tables: %v", i.Loops, i.CPUs, i.PrivateTables)},
		{"development", fmt.Sprint(i.Development)},
		{"connections", fmt.Sprint(i.Connections)},
		{"subscriptions", fmt.Sprintf("%d in %d rooms", i.Subscriptions, i.Rooms)},
		{"memory", fmt.Sprintf("%s, and %s in the kernel", size(float64(i.ProcessBytes)), size(float64(i.KernelBytes)))},
	}
	if i.KernelTLS != "" {
		rows = append(rows, [2]string{"kernel TLS", fmt.Sprintf("%s; %d connections", i.KernelTLS, i.KernelTLSUsed)})
	}
	for _, row := range rows {
		if _, err := fmt.Fprintf(t, "%s\t%s\n", row[0], row[1]); err != nil {
			return err
		}
	}
	return t.Flush()
}
