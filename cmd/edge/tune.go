package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/seed4ac54ce5/edge/tuning"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// tune is the flags of edge tune.
type tune struct {
	host   tuning.Host
	load   tuning.Load
	memory string
	window string
	where  []string

	all, json, sysctls, systemd bool

	apply, dryRun bool
	undoFile      string // to make
	undo          string // to restore from
}

func tuneCommand() *cobra.Command { return tuneCommandOn(tuning.This()) }

// tuneCommandOn returns edge tune for a host. One that falls short is a failure.
func tuneCommandOn(host tuning.Host) *cobra.Command {
	t := &tune{host: host}
	c := &cobra.Command{
		Use:   "tune --connections N",
		Short: "Say what this host lacks for so many connections",
		Long: "Tune compares the limits and kernel settings of this host with what a load needs, and prints what falls short:\n" +
			"name, now, wanted, why, and where to set it: here (root can, with --apply), host (outside of this container or\n" +
			"network namespace), unit (the service's unit, or the container's limits), boot (the kernel's command line), or\n" +
			"cannot tell. Then it says whether the load fits the memory. Limits of the process are those of this shell; a\n" +
			"service has those of its unit. The exit status is 0 if nothing falls short, 1 if something does, 2 for wrong usage.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c) },
	}
	flags, l := c.Flags(), &t.load
	flags.SortFlags = false
	flags.IntVar(&l.Connections, "connections", 0, "connections at once")
	flags.IntVar(&l.Messages, "message-rate", 0, "messages a second to all clients together")
	flags.IntVar(&l.Connects, "connect-rate", 0, "connects a second; 0 for half of the connections, as after a failure of the network")
	flags.BoolVar(&l.TLS, "tls", false, "the node ends TLS")
	flags.IntVar(&l.Loops, "loops", 0, "loops; 0 for one for each CPU")
	flags.BoolVar(&l.SharedTables, "shared-fd-tables", false, "the loops share one descriptor table")
	flags.StringVar(&t.memory, "memory", "", "`size` of the memory to plan for, as 16GiB; what this host or its control group has, and with --apply no more than the host")
	flags.StringVar(&t.window, "window", "", "most that a socket may hold, a `size`: a client's bytes a second times its round trip; 128 to 512 KiB by the connections")
	flags.DurationVar(&l.Drain, "drain", 0, "time over which a drain closes all connections; 0 for 2m")
	flags.StringSliceVar(&t.where, "where", nil, "print, and with --apply set, only the settings in these `places`: here, host, unit, boot")
	flags.BoolVar(&t.all, "all", false, "print what is fine as well")
	flags.BoolVar(&t.json, "json", false, "print one JSON object")
	flags.BoolVar(&t.sysctls, "sysctl-conf", false, "print a file for /etc/sysctl.d")
	flags.BoolVar(&t.systemd, "systemd", false, "print a drop-in for the service's unit")
	flags.BoolVar(&t.apply, "apply", false, "set what falls short and can be set here, until the next boot")
	flags.BoolVar(&t.dryRun, "dry-run", false, "with --apply: say what that would do")
	flags.StringVar(&t.undoFile, "undo-file", "", "`file` that --apply makes first; /run/edge-tune-undo-TIME.json")
	flags.StringVar(&t.undo, "undo", "", "put back what the `file` of --apply has")
	return c
}

// prepare reads the flags that are texts, and refuses those that mean nothing together.
func (t *tune) prepare(c *cobra.Command) (err error) {
	flags := c.Flags()
	if !flags.Changed("connections") && !flags.Changed("undo") {
		return errors.New("--connections is missing: write how many there will be, as --connections 1000000")
	}
	if (t.dryRun || t.undoFile != "") && !t.apply {
		return errors.New("--dry-run and --undo-file go with --apply")
	}
	if err := t.oneThing(flags); err != nil {
		return err
	}
	for _, place := range t.where {
		if !slices.Contains([]tuning.Where{tuning.Here, tuning.OnHost, tuning.InUnit, tuning.AtBoot}, tuning.Where(place)) {
			return fmt.Errorf("--where %q: write here, host, unit or boot", place)
		}
	}
	for _, size := range []struct {
		flag, text string
		to         *int64
	}{{"memory", t.memory, &t.load.Memory}, {"window", t.window, &t.load.Window}} {
		if size.text == "" {
			continue
		}
		if *size.to, err = tuning.ParseSize(size.text); err != nil {
			return fmt.Errorf("--%s: %w", size.flag, err)
		}
		if *size.to == 0 {
			return fmt.Errorf("--%s 0: write more than that, or leave it out", size.flag)
		}
	}
	return nil
}

// oneThing refuses flags that each ask for another thing to be done or printed.
func (t *tune) oneThing(flags *pflag.FlagSet) error {
	var asked []string
	for _, name := range []string{"undo", "apply", "sysctl-conf", "systemd"} {
		if flags.Changed(name) {
			asked = append(asked, "--"+name)
		}
	}
	switch {
	case len(asked) > 1:
		return fmt.Errorf("%s: write one of them at a time", strings.Join(asked, " and "))
	case t.json && (t.sysctls || t.systemd):
		return fmt.Errorf("%s prints a file: leave out --json", asked[0])
	case flags.Changed("where") && len(asked) == 1 && asked[0] != "--apply":
		return fmt.Errorf("%s takes all that there is: leave out --where", asked[0])
	case t.undo != "" && flags.Changed("connections"):
		return errors.New("--undo knows from its file what to do: leave out --connections")
	}
	return nil
}

func (t *tune) run(c *cobra.Command) error {
	if err := t.prepare(c); err != nil {
		return err
	}
	out := c.OutOrStdout()
	if t.undo != "" {
		return t.restore(out)
	}
	r, err := tuning.Check(t.host, t.load)
	switch {
	case err != nil:
		return err
	case t.sysctls:
		return failed(r.WriteSysctlConf(out))
	case t.systemd:
		return failed(r.WriteSystemd(out))
	case t.apply:
		return t.change(out, t.chosen(r))
	}
	return t.print(out, t.chosen(r), nil)
}

// failed makes an error of a run of err, if that is one. A load that means nothing here is one of usage.
func failed(err error) error {
	if err == nil || errors.Is(err, tuning.ErrLoad) {
		return err
	}
	return failure{err}
}

// chosen returns what of r was asked for.
func (t *tune) chosen(r *tuning.Report) *tuning.Report {
	if len(t.where) == 0 {
		return r
	}
	places := make([]tuning.Where, len(t.where))
	for i, place := range t.where {
		places[i] = tuning.Where(place)
	}
	return r.Only(places...)
}

// tuned is what --json prints.
type tuned struct {
	*tuning.Report
	Changes  []tuning.Change `json:"changes,omitempty"`
	UndoFile string          `json:"undo_file,omitempty"`
	DryRun   bool            `json:"dry_run,omitempty"`
}

// print prints r, and what has been changed before if that is not nil. The error says how much falls short.
func (t *tune) print(out io.Writer, r *tuning.Report, done *tuned) (err error) {
	switch {
	case !t.json:
		err = r.WriteTable(out, t.all)
	case done != nil:
		done.Report = r
		err = json.NewEncoder(out).Encode(done)
	default:
		err = r.WriteJSON(out)
	}
	return failed(errors.Join(err, shortfall(r, len(t.where) == 0)))
}

// shortfall returns an error that says how much of r falls short, nil if nothing does. whole is whether r was asked for as it is,
// with its memory.
func shortfall(r *tuning.Report, whole bool) error {
	var says []string
	if n := len(r.In(tuning.Short)); n == 1 {
		says = append(says, "1 setting falls short")
	} else if n > 1 {
		says = append(says, fmt.Sprintf("%d settings fall short", n))
	}
	if whole && r.Memory.State == tuning.Short {
		says = append(says, "the memory does not suffice")
	}
	if len(says) == 0 {
		return nil
	}
	return fmt.Errorf("for %d connections %s", r.Load.Connections, strings.Join(says, ", and "))
}

// change sets what of r can be set, or says what it would set, and prints how the host stands then.
func (t *tune) change(out io.Writer, r *tuning.Report) error {
	if t.dryRun {
		plan, err := r.Planned(t.host)
		if err != nil {
			return failed(err)
		}
		t.tell(out, "would set", plan)
		return t.print(out, r, &tuned{Changes: plan, DryRun: true})
	}
	if t.undoFile == "" {
		t.undoFile = "/run/edge-tune-undo-" + time.Now().UTC().Format("20060102T150405.000") + ".json"
	}
	changes, failing := r.Apply(t.host, t.undoFile)
	if changes == nil && failing != nil {
		return failed(failing)
	}
	t.tell(out, "set", changes)
	if !slices.ContainsFunc(changes, func(c tuning.Change) bool { return c.Done }) {
		t.undoFile = ""
	} else if !t.json {
		_, _ = fmt.Fprintf(out, "to put it back: edge tune --undo %s\n\n", t.undoFile)
	}
	failing = refused(changes, failing)
	after, err := tuning.Check(t.host, t.load)
	if err != nil {
		return failure{errors.Join(failing, err)}
	}
	return failed(errors.Join(failing, t.print(out, t.chosen(after), &tuned{Changes: changes, UndoFile: t.undoFile})))
}

// refused returns in one line what err has for each of changes, which the output has named already.
func refused(changes []tuning.Change, err error) error {
	n := 0
	for i := range changes {
		if changes[i].Error != "" {
			n++
		}
	}
	switch {
	case n == 0 || errors.Is(err, tuning.ErrUndo):
		return err
	case errors.Is(err, tuning.ErrLeft):
		return fmt.Errorf("%d of %d settings were refused, or left alone as others have set them since: the undo file stays", n, len(changes))
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%d of %d settings were refused: run it as root", n, len(changes))
	}
	return fmt.Errorf("%d of %d settings were refused", n, len(changes))
}

// restore puts back what a file says.
func (t *tune) restore(out io.Writer) error {
	changes, err := tuning.Undo(t.host, t.undo)
	if changes == nil && err != nil {
		return err
	}
	t.tell(out, "put back", changes)
	if t.json {
		err = errors.Join(json.NewEncoder(out).Encode(map[string]any{"changes": changes}), err)
	}
	return failed(refused(changes, err))
}

// tell says what was set, and what not, unless an object says it.
func (t *tune) tell(out io.Writer, what string, changes []tuning.Change) {
	if t.json {
		return
	}
	for i := range changes {
		c := &changes[i]
		if c.Error != "" {
			_, _ = fmt.Fprintf(out, "NOT %s %v: %s\n", what, c, c.Error)
			continue
		}
		_, _ = fmt.Fprintln(out, what, c.String())
	}
	if len(changes) == 0 {
		_, _ = fmt.Fprintln(out, "nothing that falls short can be set from here")
	}
	_, _ = fmt.Fprintln(out)
}
