package config

import (
	"strconv"
	"strings"
)

// sizeUnits are the units of a number of bytes, from the largest.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// parseSize reads a number of bytes: 65536, 64KiB, 16 MiB.
func parseSize(s string) (int64, bool) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > (1<<63-1)/u.bytes {
			return 0, false
		}
		return n * u.bytes, true
	}
	return 0, false
}

// formatSize writes n bytes in the largest unit that leaves no fraction.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n > 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return "0"
}
