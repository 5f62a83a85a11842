package main

import (
	"errors"
	"strconv"
	"strings"
)

// byteSize is a flag whose value is a number of bytes, as 65536, 64KiB or 16MiB.
type byteSize int

var sizeUnits = []struct {
	suffix string
	bytes  int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// Set implements [pflag.Value].
func (b *byteSize) Set(s string) error {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil || n < 1 || n > (1<<31-1)/u.bytes {
			break
		}
		*b = byteSize(n * u.bytes)
		return nil
	}
	return errors.New("write a size as 65536, 64KiB or 16MiB, below 2GiB")
}

// String implements [pflag.Value].
func (b *byteSize) String() string {
	for _, u := range sizeUnits {
		if n := int(*b); n > 0 && n%u.bytes == 0 {
			return strconv.Itoa(n/u.bytes) + u.suffix
		}
	}
	return "0"
}

// Type implements [pflag.Value].
func (*byteSize) Type() string { return "size" }
