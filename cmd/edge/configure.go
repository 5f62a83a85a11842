package main

import (
	"fmt"
	"os"

	"github.com/seed4ac54ce5/edge/config"
	"github.com/spf13/cobra"
)

func genConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "genconfig FILE",
		Short: "Write a configuration file with fresh secrets",
		Long: "Genconfig makes a YAML file with a secret for tokens and a key for the HTTP API, which nobody but its owner\n" +
			"may read. It never writes over a file.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := config.Generate(args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), args[0]+": written; edge serve --config "+args[0])
			return err
		},
	}
}

func checkConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checkconfig FILE",
		Short: "Say what is wrong with a configuration file",
		Long: "Checkconfig reads a file together with the environment, as serve would. The exit status is 2 if\n" +
			"anything is wrong, and each mistake has a line.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := loadChecked(config.Sources{File: args[0], Environ: os.Environ()}); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), args[0]+": fine")
			return err
		},
	}
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
	return &cobra.Command{
		Use:   "defaultconfig",
		Short: "Print a configuration file with every key and its default",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return config.WriteDefaults(cmd.OutOrStdout()) },
	}
}

func configDocCommand() *cobra.Command {
	var from sourceFlags
	var effective bool
	cmd := &cobra.Command{
		Use:   "configdoc",
		Short: "Print what every key means",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !effective {
				return config.WriteReference(cmd.OutOrStdout())
			}
			c, err := config.Load(from.sources())
			if err != nil {
				return err
			}
			return c.WriteEffective(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&effective, "effective", false, "print every key's value and where it comes from instead")
	from.addFile(cmd.Flags())
	return cmd
}
