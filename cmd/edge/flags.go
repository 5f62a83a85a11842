package main

import (
	"cmp"
	"os"
	"strings"

	"github.com/seed4ac54ce5/edge/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// jsonFlag adds the flag for programs that read what c prints.
func jsonFlag(c *cobra.Command) *bool { return c.Flags().Bool("json", false, "print one JSON object") }

// sourceFlags are the flags that have a say in the configuration.
type sourceFlags struct {
	file string
	keys map[string]*keyFlag // by the path of their key
}

// addFile adds the flag that names the file.
func (f *sourceFlags) addFile(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "config", "", "configuration `file`: YAML, JSON or TOML by the end of its name; also "+config.FileVariable)
}

// addKeys adds a flag for each key that has one.
func (f *sourceFlags) addKeys(flags *pflag.FlagSet) {
	f.keys = make(map[string]*keyFlag)
	for _, k := range config.Keys() {
		if k.Flag == "" {
			continue
		}
		v := &keyFlag{kind: k.Kind, text: k.Default}
		f.keys[k.Path] = v
		flag := flags.VarPF(v, k.Flag, "", strings.ReplaceAll(k.Meaning, "`", ""))
		if k.Kind == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
}

// sources returns where the configuration is to come from.
func (f *sourceFlags) sources() config.Sources {
	given := make(map[string]string)
	for path, v := range f.keys {
		if v.given {
			given[path] = v.text
		}
	}
	return config.Sources{
		File:    cmp.Or(f.file, os.Getenv(config.FileVariable)),
		Environ: os.Environ(),
		Flags:   given,
	}
}

// keyFlag is the text of a flag. What it means is for config to say, together with all that is wrong elsewhere.
type keyFlag struct {
	kind  string
	text  string
	given bool
}

// Set implements [pflag.Value]. A list may be given in several parts.
func (f *keyFlag) Set(s string) error {
	if f.given && f.kind == "list" {
		s = f.text + "," + s
	}
	f.text, f.given = s, true
	return nil
}

// String implements [pflag.Value].
func (f *keyFlag) String() string { return f.text }

// Type implements [pflag.Value].
func (f *keyFlag) Type() string { return f.kind }
