package bench

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(joinEnv); address != "" {
		_, err := Join(context.Background(), Joining{Coordinator: address})
		fmt.Fprintln(os.Stderr, err) // it is to be killed before
		return
	}
	_ = flag.Set("test.parallel", "8") // they wait, for the most part
	testutil.Main(m, func() { _ = os.RemoveAll(baselineFolder) })
}
