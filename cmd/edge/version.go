package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// release is the version that this tree will be.
const release = "0.1.0"

// version returns the release, marked if this is not a build of its tag.
func version() string { return release + "-dev" }

// build is what version prints.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"` // GOOS/GOARCH
	Kernel   string `json:"kernel"`
}

func versionCommand() *cobra.Command {
	var asJSON *bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print version, commit, Go and kernel",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := build{version(), commit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, kernel()}
			if *asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(&b)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "edge %s\ncommit %s\n%s %s\nLinux %s\n", b.Version, b.Commit, b.Go, b.Platform, b.Kernel)
			return err
		},
	}
	asJSON = jsonFlag(c)
	return c
}

// commit returns what the build noted of its source: `go build` of a checkout with -buildvcs does.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown"
}

// kernel returns the release of the running kernel.
func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
