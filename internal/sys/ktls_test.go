package sys

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The answer is that of the kernel's own list, where there is one.
func TestKernelTLS(t *testing.T) {
	got := KernelTLS()
	list, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_ulp") // after the probe, which may load the module
	if err != nil {
		t.Skipf("KernelTLS() = %v; %v", got, err)
	}
	want := unix.ENOENT
	if slices.Contains(strings.Fields(string(list)), "tls") {
		want = 0
	}
	if got != want {
		t.Errorf("KernelTLS() = %v; want %v, as the kernel has %q", got, want, list)
	}
}
