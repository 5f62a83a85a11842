package bench

import (
	"bytes"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is the machine that a run was made on.
type Host struct {
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu,omitempty"`
	CPUs   int    `json:"cpus"`
	Memory uint64 `json:"memory"` // bytes
	Go     string `json:"go"`
}

// readHost says what it can; what it cannot read is zero.
func readHost() Host {
	h := Host{CPUs: runtime.NumCPU(), Go: runtime.Version()}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		h.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		h.CPU = parseModel(b)
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		_ = (&memoryField{&h.Memory, "MemTotal:", "", 1 << 10}).parse(b)
	}
	return h
}

// parseModel returns the first CPU's name in a cpuinfo file, "" if that has none.
func parseModel(b []byte) string {
	for line := range bytes.Lines(b) {
		name, value, _ := strings.Cut(string(line), ":")
		if strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
