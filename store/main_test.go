package store

import (
	"os"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// childRole is the variable that makes the test binary play another process that has the store open.
const childRole = "STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		playChild(role)
		return
	}
	testutil.Main(m)
}
