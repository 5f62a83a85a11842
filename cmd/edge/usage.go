package main

import (
	"errors"
	"fmt"

	"github.com/seed4ac54ce5/edge/internal/near"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// explainUsage has root and all commands below it say what to write in place of what is wrong on a command line.
func explainUsage(root *cobra.Command) {
	root.SetFlagErrorFunc(explainFlag)
	root.InitDefaultHelpCmd() // cobra makes these two when root is executed, too late for what follows
	root.InitDefaultCompletionCmd()
	explainArgs(root)
}

// explainArgs does that for the arguments of c and of the commands below it.
func explainArgs(c *cobra.Command) {
	if !c.Runnable() {
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() } // or cobra does not look at arguments
	}
	takes := c.Args
	if takes == nil { // it is edge help
		c.Args = topic
		return
	}
	c.Args = func(c *cobra.Command, args []string) error {
		err := takes(c, args)
		switch {
		case err == nil:
			return nil
		case c.HasSubCommands():
			return fmt.Errorf("%w; %s", err, meant(c, args[0], commands(c)))
		}
		return fmt.Errorf("%w; write %s", err, c.UseLine())
	}
	for _, below := range c.Commands() {
		explainArgs(below)
	}
}

// topic takes what edge help is about: the path of a command.
func topic(c *cobra.Command, path []string) error {
	found, rest, err := c.Root().Find(path)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("unknown command %q for %q; %s", rest[0], found.CommandPath(), meant(found, rest[0], commands(found)))
	}
	return err
}

// explainFlag adds to an error of a flag of c what to write.
func explainFlag(c *cobra.Command, err error) error {
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		return fmt.Errorf("%w; %s", err, meant(c, "--"+unknown.GetSpecifiedName(), flags(c)))
	}
	invalid := (*pflag.InvalidValueError)(nil)
	if !errors.As(err, &invalid) {
		return err
	}
	flag, value := invalid.GetFlag(), invalid.GetValue()
	switch flag.Value.Type() {
	case "int", "uint64":
		return fmt.Errorf("--%s: %q is not a whole number", flag.Name, value)
	case "float64":
		return fmt.Errorf("--%s: %q is not a number", flag.Name, value)
	case "bool":
		return fmt.Errorf("--%s: %q is neither true nor false", flag.Name, value)
	case "duration":
		return fmt.Errorf("--%s: %q is not a duration; write a time such as 500ms, 30s or 2m", flag.Name, value)
	}
	return err
}

// meant returns which of names was probably meant by name, or who knows them.
func meant(c *cobra.Command, name string, names []string) string {
	best, limit := "", 1+len(name)/4
	for _, n := range names {
		if d := near.Distance(name, n); d < limit || d == limit && best == "" {
			best, limit = n, d
		}
	}
	if best == "" {
		return c.CommandPath() + " --help lists all"
	}
	return "did you mean " + best + "?"
}

// commands are the names of those below c.
func commands(c *cobra.Command) (names []string) {
	for _, below := range c.Commands() {
		names = append(names, below.Name())
	}
	return names
}

// flags are those of c as they are written.
func flags(c *cobra.Command) (names []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return names
}
