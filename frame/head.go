package frame

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// headEnd looks for the empty line that ends an HTTP head (RFC 9112 section 2.1) and returns the size n of the head
// with it, or 0 if it has not come yet. from bytes of b were looked at by an earlier call. ok is false if a carriage
// return or a line feed comes without the other. b[0] must not be part of a line end.
func headEnd(b []byte, from int) (n int, ok bool) {
	if from > 0 && b[from-1] == '\r' {
		from-- // its line feed is what we have been waiting for
	}
	for {
		line := b[from:]
		end := bytes.IndexByte(line, '\n')
		if end >= 0 {
			line = line[:end]
		}
		cr := bytes.IndexByte(line, '\r')
		switch {
		case cr >= 0 && cr != len(line)-1:
			return 0, false
		case end < 0:
			return 0, true
		case cr < 0:
			return 0, false
		}
		from += end + 1
		if b[from-3] == '\n' {
			return from, true
		}
	}
}

// cutLine cuts the first line off b, a head that headEnd has found the end of. line is without its CRLF.
func cutLine(b []byte) (line, rest []byte) {
	lf := bytes.IndexByte(b, '\n')
	return b[:lf-1], b[lf+1:]
}

// cutField cuts the first field off b, the lines of a head after its first; b ends with the head's empty line,
// and is that line when there is no field left. The value comes without the spaces around it. ok is false if
// the line is not a field: folded, a space before the colon, a control character (RFC 9112 section 5).
func cutField(b []byte) (name, value, rest []byte, ok bool) {
	n := classPrefix(b, tokenByte)
	if n == 0 || b[n] != ':' {
		return nil, nil, nil, false
	}
	name, b = b[:n], b[n+1:]
	n = textPrefix(b)
	if b[n] != '\r' {
		return nil, nil, nil, false
	}
	return name, trimSpace(b[:n]), b[n+len("\r\n"):], true
}

// endOfFields is what cutField leaves after the last field.
const endOfFields = len("\r\n")

// trimSpace cuts spaces and tabs off both ends of b.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// textPrefix returns how many bytes at the front of b may be in a field value: any but control characters other
// than tab.
func textPrefix(b []byte) int {
	n := 0
	for len(b)-n >= 8 && plainWord(binary.LittleEndian.Uint64(b[n:])) {
		n += 8
	}
	return n + classPrefix(b[n:], textByte)
}

// plainWord reports whether none of the eight bytes of w is below 0x20 or is 0x7f. A byte is below k if taking k
// from it borrows and its own high bit is clear; a false borrow needs a true one in a byte below it.
func plainWord(w uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	deleted := w ^ 0x7f*ones
	return ((w-0x20*ones)&^w|(deleted-ones)&^deleted)&high == 0
}

// allFields yields the fields of b, as cutField takes them; they must all be good.
func allFields(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for len(b) > endOfFields {
			name, value, rest, _ := cutField(b)
			if !yield(name, value) {
				return
			}
			b = rest
		}
	}
}

// setOnce sets *field to a value that must not be given twice.
func setOnce(field *[]byte, value []byte) bool {
	first := *field == nil
	*field = value
	return first
}

// joinList sets *field to a list that may be given in several lines (RFC 9110 section 5.3). Only a second line, which
// nobody but a test sends, costs a copy.
func joinList(field *[]byte, value []byte) {
	if *field == nil {
		*field = value
		return
	}
	joined := append((*field)[:len(*field):len(*field)], ", "...)
	*field = append(joined, value...)
}

// addToken sets *has if the list has a token, in any case of letters; ok is false if it is not a list of tokens.
func addToken(has *bool, value list, lower string) (ok bool) {
	for value.next() {
		token, ok := value.tokenElement()
		if !ok {
			return false
		}
		*has = *has || equalFold(token, lower)
	}
	return true
}

// addProtocol is addToken for a list of protocols, name or name/version (RFC 9110 section 7.8); lower has no version.
func addProtocol(has *bool, value list, lower string) (ok bool) {
	for value.next() {
		name := value.token()
		versioned := value.skip('/')
		if len(name) == 0 || versioned && len(value.token()) == 0 || !value.ended() {
			return false
		}
		*has = *has || !versioned && equalFold(name, lower)
	}
	return true
}
