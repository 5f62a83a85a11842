package server

import (
	"fmt"
	"os"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(runAsNode); path != "" {
		if err := beNode(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	testutil.Main(m)
}
