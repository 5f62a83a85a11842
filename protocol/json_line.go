package protocol

import "bytes"

// nextLine cuts the first line off payload. A newline may end the last line.
func nextLine(payload []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(payload, newline)
	return line, rest
}

var newline = []byte{'\n'}
