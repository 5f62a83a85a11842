// Command edge is a real-time messaging server for Linux and the tools around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitNo    = 1 // the check says no, or the run failed
	exitUsage = 2 // wrong usage or configuration
)

func init() {
	// The first thread stays main's: the kernel shows its descriptor table as the process's, and a loop's
	// private one must not be mistaken for that.
	runtime.LockOSThread()
}

func main() {
	if err := rootCommand().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "edge:", strings.ReplaceAll(err.Error(), "\n", "\nedge: "))
		os.Exit(exitCode(err))
	}
}

// failure is an error of a run, as opposed to one of usage.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

func exitCode(err error) int {
	if f := (failure{}); errors.As(err, &f) {
		return exitNo
	}
	return exitUsage
}

// untilEnded returns a context that the first SIGINT or SIGTERM ends. A second one ends the process.
func untilEnded(parent context.Context) (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(parent, syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

func rootCommand() *cobra.Command {
	serve := serveCommand()
	root := &cobra.Command{
		Use:           "edge",
		Short:         "High-density real-time messaging for Linux",
		Long:          serve.Long,
		Args:          cobra.NoArgs,
		RunE:          serve.RunE,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.Flags().AddFlagSet(serve.Flags())
	root.AddCommand(serve, genConfigCommand(), checkConfigCommand(), defaultConfigCommand(), configDocCommand())
	root.AddCommand(genTokenCommand(), checkTokenCommand(), genSubTokenCommand(), checkSubTokenCommand())
	root.AddCommand(topCommand(), infoCommand(), drainCommand(), reloadCommand(), rebalanceCommand())
	root.AddCommand(floodCommand(), tuneCommand(), versionCommand())
	root.CompletionOptions.HiddenDefaultCmd = true
	explainUsage(root)
	return root
}
