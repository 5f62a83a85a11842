package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed4ac54ce5/edge/bench"
	"github.com/seed4ac54ce5/edge/bench/page"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// drawing is where a flood is drawn, "" for nowhere.
type drawing struct {
	page string // --report
	svgs string // --svg

	file *os.File // what will be the page, beside its place
}

func (d *drawing) flags(flags *pflag.FlagSet) {
	flags.StringVar(&d.page, "report", "", "HTML `file` to write the report to, with plots and all that they need")
	flags.StringVar(&d.svgs, "svg", "", "`directory` to write each plot to as an SVG file")
}

// open makes sure, before a run that may take hours, that there is a place for what it will draw.
func (d *drawing) open() (err error) {
	if d.svgs != "" {
		if err := os.MkdirAll(d.svgs, 0o755); err != nil {
			return fmt.Errorf("--svg %s: %w; write a directory that can be made", d.svgs, err)
		}
	}
	if d.page == "" {
		return nil
	}
	if d.file, err = os.CreateTemp(filepath.Dir(d.page), ".edge-report-*"); err != nil {
		return fmt.Errorf("--report %s: %w; write a file in a directory that is there", d.page, err)
	}
	return nil
}

// drop takes away what open made and finish did not use.
func (d *drawing) drop() {
	if d.file != nil {
		_ = d.file.Close() // it was closed before if it was used
		_ = os.Remove(d.file.Name())
	}
}

// finish draws r.
func (d *drawing) finish(r *bench.Report) error {
	var errs [2]error
	if d.file != nil {
		errs[0] = d.write(r)
	}
	if d.svgs != "" {
		errs[1] = page.WriteSVGs(d.svgs, r)
	}
	return errors.Join(errs[:]...)
}

// write writes the page and puts it in its place, whole.
func (d *drawing) write(r *bench.Report) error {
	if err := errors.Join(page.Write(d.file, r), d.file.Chmod(0o644), d.file.Close()); err != nil {
		return err
	}
	err := os.Rename(d.file.Name(), d.page)
	if err == nil {
		d.file = nil
	}
	return err
}

// secrets are parts of the names of flags whose values nobody is to read in a report.
var secrets = []string{"secret", "token", "key", "password", "header"}

// commandLine returns what makes c run as it does now, for a shell. Secrets are left out of it.
func commandLine(c *cobra.Command) string {
	words := []string{c.CommandPath()}
	c.Flags().Visit(func(f *pflag.Flag) {
		for _, value := range valuesOf(f) {
			words = append(words, "--"+f.Name+"="+value)
		}
	})
	return strings.Join(words, " ")
}

// valuesOf returns what f was given, quoted for a shell.
func valuesOf(f *pflag.Flag) []string {
	for _, part := range secrets {
		if strings.Contains(f.Name, part) {
			return []string{"..."}
		}
	}
	values := []string{f.Value.String()}
	if several, ok := f.Value.(pflag.SliceValue); ok {
		values = several.GetSlice()
	}
	for i := range values {
		values[i] = quoted(values[i])
	}
	return values
}

// unquoted is what a shell takes as it stands.
const unquoted = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:=,+@%"

// quoted returns s as one word of a shell.
func quoted(s string) string {
	if s != "" && strings.Trim(s, unquoted) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
