package metrics

import (
	"bytes"
	"strconv"
)

// netstatFile has the kernel's counters of the network that the process is in.
const netstatFile = "/proc/self/net/netstat"

// parseNetstat reads the counters under TcpExt: a line of names, and below it a line of values in the same order.
func parseNetstat(b []byte) map[string]uint64 {
	counters := make(map[string]uint64)
	var names [][]byte
	for line := range bytes.Lines(b) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || string(fields[0]) != "TcpExt:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i := 1; i < min(len(names), len(fields)); i++ {
			if v, err := strconv.ParseUint(string(fields[i]), 10, 64); err == nil {
				counters[string(names[i])] = v
			}
		}
	}
	return counters
}
