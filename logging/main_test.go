package logging

import (
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }
