package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/seed4ac54ce5/edge/config"
	"github.com/spf13/cobra"
)

func genConfigCommand() *cobra.Command {
	var asJSON *bool
	c := &cobra.Command{
		Use:   "genconfig FILE",
		Short: "Write a configuration file with fresh secrets",
		Long: "Genconfig makes a YAML file with a secret for tokens and a key for the HTTP API, which nobody but its owner\n" +
			"may read. It never writes over a file.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := config.Generate(args[0]); err != nil {
				return err
			}
			if *asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{"file": args[0]})
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), args[0]+": written; edge serve --config "+args[0])
			return err
		},
	}
	asJSON = jsonFlag(c)
	return c
}

// finding is what checkconfig --json prints.
type finding struct {
	File     string          `json:"file"`
	Good     bool            `json:"good"`
	Problems config.Problems `json:"problems,omitempty"`
}

func checkConfigCommand() *cobra.Command {
	var asJSON *bool
	c := &cobra.Command{
		Use:   "checkconfig FILE",
		Short: "Say what is wrong with a configuration file",
		Long: "Checkconfig reads a file together with the environment, as serve would. The exit status is 2 if\n" +
			"anything is wrong, and each mistake has a line.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			mistakes := checkFile(args[0])
			if *asJSON {
				f := finding{File: args[0], Good: mistakes == nil}
				errors.As(mistakes, &f.Problems)
				return errors.Join(json.NewEncoder(cmd.OutOrStdout()).Encode(&f), mistakes)
			}
			if mistakes != nil {
				return mistakes
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), args[0]+": fine")
			return err
		},
	}
	asJSON = jsonFlag(c)
	return c
}

// checkFile returns what serve would find wrong with a configuration file.
func checkFile(name string) error {
	_, err := loadChecked(config.Sources{File: name, Environ: os.Environ()})
	return err
}

// loadChecked loads a configuration, the files that it names included.
func loadChecked(from config.Sources) (*config.Config, error) {
	c, err := config.Load(from)
	if err != nil {
		return nil, err
	}
	return c, c.CheckFiles()
}

func defaultConfigCommand() *cobra.Command {
	var asJSON *bool
	c := &cobra.Command{
		Use:   "defaultconfig",
		Short: "Print a configuration file with every key and its default",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if *asJSON {
				return config.WriteDefaultsJSON(cmd.OutOrStdout())
			}
			return config.WriteDefaults(cmd.OutOrStdout())
		},
	}
	asJSON = jsonFlag(c)
	return c
}

func configDocCommand() *cobra.Command {
	var from sourceFlags
	var effective bool
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "configdoc",
		Short: "Print what every key means",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if effective {
				return printEffective(cmd, from.sources(), *asJSON)
			}
			if *asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string][]config.Key{"keys": config.Keys()})
			}
			return config.WriteReference(cmd.OutOrStdout())
		},
	}
	asJSON = jsonFlag(cmd)
	cmd.Flags().BoolVar(&effective, "effective", false, "print every key's value and where it comes from instead")
	from.addFile(cmd.Flags())
	return cmd
}

// printEffective prints what holds with these sources.
func printEffective(cmd *cobra.Command, from config.Sources, asJSON bool) error {
	c, err := config.Load(from)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string][]config.Setting{"keys": c.Effective()})
	}
	return c.WriteEffective(cmd.OutOrStdout())
}
