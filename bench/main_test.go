package bench

import (
	"context"
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
	testutil.Main(m)
}
