package protocol

import (
	"bytes"
	"iter"
)

// NextLine cuts the first line off payload, a frame's or what an earlier call left of it. When rest is empty the frame is
// done: a newline may end it, but it has at least one line. Blank lines are returned as they are, and no object decodes from one.
func NextLine(payload []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(payload, newline)
	return line, rest
}

var newline = []byte{'\n'}

// Lines returns the lines of a frame's payload, as NextLine cuts them.
func Lines(payload []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		line, rest := NextLine(payload)
		for yield(line) && len(rest) > 0 {
			line, rest = NextLine(rest)
		}
	}
}
