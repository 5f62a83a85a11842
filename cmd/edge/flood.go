package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/seed4ac54ce5/edge/bench"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// flooding is the flags of one flood command.
type flooding struct {
	options bench.Options
	json    bool
	drawing drawing
}

// floodCommand returns edge flood. A run that finds that something did not arrive is a failure.
func floodCommand() *cobra.Command {
	c := joinCommand()
	c.AddCommand(
		floodIdle(),
		floodEcho(),
		floodFanout(),
		floodChurn(),
		floodStorm(),
		floodSlow(),
		floodMix(),
		floodSoak(),
	)
	return c
}

func floodIdle() *cobra.Command {
	f := newFlooding(bench.Idle)
	c := f.command("Connect, join a room, wait: what connections cost")
	o, flags := &f.options, c.Flags()
	flags.IntVar(&o.Rooms, "rooms", 1, "rooms that the connections are spread over")
	flags.BoolVar(&o.Personal, "personal", false, "each connection joins a room of its own besides")
	flags.DurationVar(&o.Hold, "hold", 0, "how long to do nothing once all are connected")
	flags.BoolVar(&o.PublishOnce, "publish-once", false, "then publish once to each room and count who receives it")
	flags.IntVar(&o.Message, "message", 0, "then have each connection send and receive a message of this many `bytes`")
	flags.DurationVar(&o.Rest, "rest", 0, "and do nothing for so long after that")
	f.payloadFlag(flags, "of the publication")
	f.publishersFlag(flags)
	return c
}

func floodEcho() *cobra.Command {
	f := newFlooding(bench.Echo)
	c := f.command("Send messages that the server sends back")
	o, flags := &f.options, c.Flags()
	flags.IntVar(&o.Rate, "rate", 0, "messages a second in all; 0 sends the next when one has come back")
	flags.IntVar(&o.Pipeline, "pipeline", 1, "messages in flight on each connection, without --rate")
	f.payloadFlag(flags, "of a message")
	f.durationFlags(flags)
	return c
}

func floodFanout() *cobra.Command {
	f := newFlooding(bench.Fanout)
	c := f.command("Publish to rooms and check what every member receives")
	o, flags := &f.options, c.Flags()
	flags.IntVar(&o.Rooms, "rooms", 1, "rooms that the connections are spread over")
	flags.IntVar(&o.Rate, "rate", 100, "publications a second in all")
	flags.StringVar(&o.RoomPrefix, "room-prefix", "", "what the rooms' `names` begin with, so that others can join them; empty for a name of the run's own")
	f.payloadFlag(flags, "of a publication")
	f.publishersFlag(flags)
	f.apiFlags(flags)
	f.durationFlags(flags)
	return c
}

func floodChurn() *cobra.Command {
	f := newFlooding(bench.Churn)
	c := f.command("Connect, upgrade, subscribe, close, again and again")
	flags := c.Flags()
	flags.IntVar(&f.options.Rooms, "rooms", 1, "rooms that the connections are spread over")
	flags.Lookup("connections").Usage = "connections at once"
	setDefault(flags, "connections", "64")
	f.durationFlags(flags)
	return c
}

func floodStorm() *cobra.Command {
	f := newFlooding(bench.Storm)
	c := f.command("Drop all connections at once and have them come back, while publishers go on")
	o, flags := &f.options, c.Flags()
	flags.IntVar(&o.Rooms, "rooms", 1, "rooms that the connections are spread over")
	flags.StringVar(&o.RoomPrefix, "room-prefix", "", "what the rooms' `names` begin with, such as a namespace with history, chat:; empty for a name of the run's own")
	flags.IntVar(&o.Rate, "rate", 20, "publications a second in all")
	flags.IntVar(&o.Storms, "storms", 1, "how many storms, one after the other")
	f.shareFlag(flags, 1, "that drops")
	flags.StringVar(&o.Drop, "drop", "rude", "how they drop: rude with a reset, polite with a close frame")
	flags.StringVar(&o.Return, "return", "polite", "how they come back: polite after a random time that doubles and when the server says, rude at once")
	flags.DurationVar(&o.Hold, "hold", 3*time.Second, "calm before each storm, and after the last")
	flags.DurationVar(&o.GiveUp, "give-up", time.Minute, "how long to wait for the others while nobody comes back")
	f.payloadFlag(flags, "of a publication")
	f.publishersFlag(flags)
	return c
}

func floodSlow() *cobra.Command {
	f := newFlooding(bench.Slow)
	c := f.command("Publish to rooms where some members read slowly or not at all, and check what all others receive")
	o, flags := &f.options, c.Flags()
	flags.IntVar(&o.Rooms, "rooms", 1, "rooms that the connections are spread over")
	flags.StringVar(&o.RoomPrefix, "room-prefix", "", "what the rooms' `names` begin with; empty for a name of the run's own")
	flags.IntVar(&o.Rate, "rate", 100, "publications a second in all")
	f.shareFlag(flags, 0.1, "that reads slowly")
	flags.StringVar(&o.Mode, "mode", "stall", "how they read: stall is not at all, trickle a few bytes at a time")
	flags.IntVar(&o.Trickle, "trickle", 1024, "`bytes` a second that each of them reads, under --mode trickle")
	f.payloadFlag(flags, "of a publication")
	f.publishersFlag(flags)
	f.durationFlags(flags)
	return c
}

func newFlooding(s bench.Scenario) *flooding {
	return &flooding{options: bench.Options{Scenario: s}}
}

// command returns the command of f's scenario with the flags that all have.
func (f *flooding) command(short string) *cobra.Command {
	c := &cobra.Command{
		Use:   string(f.options.Scenario),
		Short: short,
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	o, flags := &f.options, c.Flags()
	f.shareFlags(flags)
	f.protocolFlags(flags)
	flags.StringSliceVar(&o.Targets, "target", []string{"127.0.0.1:8000"}, "`address` of a server, host:port, ws://host:port/path or wss://host:port/path; several take turns")
	flags.IntVar(&o.Connections, "connections", 1000, "connections in all")
	flags.IntVar(&o.Ramp, "ramp", 0, "connects a second; 0 is as fast as they succeed")
	flags.IntVar(&o.Loops, "loops", 0, "threads; 0 is as many as the connections need")
	flags.StringVar(&o.PrivateTables, "private-fd-tables", "auto", "a descriptor table for each loop: auto, on or off")
	flags.IntVar(&o.Sources, "sources", 0, "addresses of 127.0.0.0/8 to connect from; 0 is as many as the connections need")
	flags.BoolVar(&o.Insecure, "insecure", false, "with wss, believe every certificate")
	flags.StringVar(&o.CA, "ca", "", "with wss, `file` of the authorities to believe, in PEM; empty for the system's")
	flags.StringArrayVar(&o.Headers, "header", nil, "`'Name: value'` in the request for a WebSocket; may be repeated")
	flags.StringVar(&o.ProxyProtocol, "proxy-protocol", "", "begin connections as a proxy does, v1 or v2, each with a client address of its own")
	flags.StringVar(&o.ProxyClients, "proxy-clients", "10.0.0.0/8", "range of those `addresses`")
	flags.DurationVar(&o.Probe, "probe", 50*time.Millisecond, "time between round trips of one more connection; 0 for none")
	flags.DurationVar(&o.Drain, "drain", 10*time.Second, "how long to wait at the end while nothing comes")
	flags.StringVar(&o.TokenSecret, "token-secret", "", "what the server's HMAC tokens are signed with; each connection is then a user of its own")
	flags.IntVar(&o.ServerPID, "server-pid", 0, "process whose CPU and memory to read")
	f.drawing.flags(flags)
	flags.BoolVar(&f.json, "json", false, "print one JSON object instead of the table")
	return c
}

// protocolFlags add what all scenarios have, with a default that depends on the scenario.
func (f *flooding) protocolFlags(flags *pflag.FlagSet) {
	o, usual := &f.options, bench.Centrifuge
	if o.Scenario == bench.Echo {
		usual = bench.EchoProtocol
	}
	flags.StringVar((*string)(&o.Protocol), "protocol", string(usual), "how to speak: `centrifuge`, socketio, or echo, where what a connection sends comes back to it alone")
	flags.StringVar((*string)(&o.Transport), "transport", string(bench.WebSocket), "of socketio: `websocket` or polling")
	flags.StringVar(&o.Namespace, "namespace", "", "of socketio; empty for /")
	flags.StringVar(&o.JoinEvent, "join-event", "", "of socketio: the `event` that joins a room: its name, or all of it as in [\"join\",{\"room\":\"$room\"}]; empty for join")
	flags.StringVar(&o.PublishEvent, "publish-event", "", "the same for the `event` that publishes, with $data; empty for publish")
	flags.StringVar(&o.EchoEvent, "echo-event", "", "the same for the `event` that is acknowledged with its data; empty for echo")
	flags.StringVar(&o.PublicationEvent, "publication-event", "", "of socketio: `name` of the event that brings a publication; empty for publication")
}

func (f *flooding) payloadFlag(flags *pflag.FlagSet, of string) {
	flags.IntVar(&f.options.Payload, "payload", 64, "`bytes` "+of)
}

func (f *flooding) publishersFlag(flags *pflag.FlagSet) {
	flags.IntVar(&f.options.Publishers, "publishers", 1, "connections that publish, besides the others")
}

func (f *flooding) shareFlag(flags *pflag.FlagSet, share float64, what string) {
	flags.Float64Var(&f.options.Share, "share", share, "`part` of the connections "+what+", 1 for all")
}

func (f *flooding) apiFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.options.PublishVia, "publish-via", bench.ViaConnection, "how publications come to the server: connection or api; --publishers is then how many requests at once")
	flags.StringVar(&f.options.API, "api", "", "`address` of the server's HTTP API, as in http://127.0.0.1:9000")
	flags.StringVar(&f.options.APIKey, "api-key", "", "its key")
}

func (f *flooding) durationFlags(flags *pflag.FlagSet) {
	flags.DurationVar(&f.options.Duration, "duration", 10*time.Second, "how long to measure")
	flags.DurationVar(&f.options.Warmup, "warmup", time.Second, "load before that")
}

// setDefault gives a flag another default than all others of its name.
func setDefault(flags *pflag.FlagSet, name, value string) {
	flag := flags.Lookup(name)
	flag.DefValue = value
	if err := flag.Value.Set(value); err != nil {
		panic("edge: default of --" + name + ": " + err.Error())
	}
}

// checkZeros refuses a zero where bench would take it for a default.
func checkZeros(flags *pflag.FlagSet) error {
	for _, name := range []string{"rooms", "payload", "pipeline", "publishers", "drain", "storms", "share", "give-up", "trickle", "seed"} {
		if flag := flags.Lookup(name); flag != nil && (flag.Value.String() == "0" || flag.Value.String() == "0s") {
			return fmt.Errorf("--%s 0: write more than that, as %s", name, flag.DefValue)
		}
	}
	return nil
}

// run floods and prints the report. A signal to end ends the run early, a second one the process.
func (f *flooding) run(c *cobra.Command) error {
	if err := checkZeros(c.Flags()); err != nil {
		return err
	}
	if err := f.drawing.open(); err != nil {
		return err
	}
	defer f.drawing.drop()
	f.options.Command = commandLine(c)
	f.options.Progress = c.ErrOrStderr()
	f.options.Terminal = term.IsTerminal(int(os.Stderr.Fd()))
	ctx, stop := untilEnded(c.Context())
	defer stop()
	report, err := bench.Run(ctx, f.options)
	switch {
	case errors.Is(err, bench.ErrUsage):
		return err
	case err != nil:
		return failure{err}
	}
	write := report.WriteTable
	if f.json {
		write = report.WriteJSON
	}
	if err := errors.Join(write(c.OutOrStdout()), f.drawing.finish(report), report.Err()); err != nil {
		return failure{err}
	}
	return nil
}
