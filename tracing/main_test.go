package tracing

import (
	"os"
	"strings"
	"testing"

	"github.com/seed4ac54ce5/edge/internal/testutil"
)

// Whatever is set where the tests run is not for them.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			_ = os.Unsetenv(name) // fails for no name that there is
		}
	}
	testutil.Main(m)
}
