package protocol

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// maxScratch is how much scratch space a Decoder keeps from one message to the next, in bytes.
const maxScratch = 64 << 10

// A Decoder reads messages. Its zero value is ready for use. It holds no state from one message to the next but space for
// strings with escapes, which are the only ones that do not stay where they are in the line.
type Decoder struct {
	line    []byte
	scratch []byte // unescaped strings, one after the other; those handed out survive its growth

	channel []byte           // of the entry of ConnectRequest.Subs at hand, in protobuf
	sub     SubscribeRequest // that entry's request
}

// fields is a struct that an object decodes into. Its field method stores the value at index i of the Decoder's line under key,
// or steps over it if the struct has no such field. Like the functions that step over a value it returns the index after it, or a
// Fault, negated.
type fields interface {
	field(d *Decoder, key []byte, i int) int
}

// decode reads the one object that line must be into f.
func (d *Decoder) decode(line []byte, f fields) error {
	d.line, d.scratch = line, d.scratch[:0]
	if cap(d.scratch) > maxScratch {
		d.scratch = nil
	}
	i := skipSpace(line, 0)
	if at(line, i) != '{' {
		return FaultSyntax
	}
	if i = d.object(i, f); i < 0 {
		return Fault(-i)
	}
	if skipSpace(line, i) != len(line) {
		return FaultSyntax
	}
	return nil
}

// object reads the object at i into f. Where a field comes more than once, the last one counts.
func (d *Decoder) object(i int, f fields) int {
	if at(d.line, i) != '{' {
		return d.null(i)
	}
	i, more := enter(d.line, i, '}')
	for more {
		var key []byte
		if key, i = d.key(i); i < 0 {
			return i
		}
		if i = f.field(d, key, i); i < 0 {
			return i
		}
		i, more = next(d.line, i, '}')
	}
	return i
}

// key reads the key at i and steps to its value.
func (d *Decoder) key(i int) (key []byte, value int) {
	if at(d.line, i) != '"' {
		return nil, fault(FaultSyntax)
	}
	if end := skipPlain(d.line, i+1); at(d.line, end) == '"' {
		return d.line[i+1 : end], skipColon(d.line, end+1)
	}
	if i = d.escapedText(i, &key); i < 0 {
		return nil, i
	}
	return key, skipColon(d.line, i)
}

// null steps over a null, which counts as if the field were not there. Anything else, at this place, is a fault.
func (d *Decoder) null(i int) int {
	end := d.skip(i)
	if end > 0 && d.line[i] != 'n' {
		return fault(FaultType)
	}
	return end
}

// skip steps over the value of a field that means nothing here.
func (d *Decoder) skip(i int) int { return skipValue(d.line, i, MaxDepth) }

// raw makes *p the bytes of the value at i, whatever its type; null is one.
func (d *Decoder) raw(i int, p *[]byte) int {
	end := d.skip(i)
	if end > 0 {
		*p = d.line[i:end:end]
	}
	return end
}

// text reads the string at i.
func (d *Decoder) text(i int, p *[]byte) int {
	if at(d.line, i) != '"' {
		return d.null(i)
	}
	if end := skipPlain(d.line, i+1); at(d.line, end) == '"' {
		*p = d.line[i+1 : end : end]
		return end + 1
	}
	return d.escapedText(i, p)
}

// escapedText reads the string at i, which may have escapes and bytes that are not ASCII.
func (d *Decoder) escapedText(i int, p *[]byte) int {
	end, escaped := scanString(d.line, i+1)
	if end < 0 {
		return end
	}
	*p = d.line[i+1 : end-1 : end-1]
	if escaped {
		*p = d.unescape(*p)
	}
	return end
}

// boolean reads the true or false at i.
func (d *Decoder) boolean(i int, p *bool) int {
	end := d.skip(i)
	if end < 0 || d.line[i] != 't' && d.line[i] != 'f' {
		return d.null(i)
	}
	*p = d.line[i] == 't'
	return end
}

// unsigned reads the integer at i: digits only.
func unsigned[T uint32 | uint64](d *Decoder, i int, p *T) int {
	end := skipNumber(d.line, i)
	if end < 0 {
		return d.null(i)
	}
	v, ok := parseUint(d.line[i:end], uint64(^T(0)))
	if !ok {
		return fault(FaultType)
	}
	*p = T(v)
	return end
}

// signed reads the integer at i: digits, perhaps behind a minus sign. most is the largest T.
func signed[T int32 | int64](d *Decoder, i int, most T, p *T) int {
	end := skipNumber(d.line, i)
	if end < 0 {
		return d.null(i)
	}
	digits, sign, limit := d.line[i:end], T(1), uint64(most)
	if digits[0] == '-' {
		digits, sign, limit = digits[1:], -1, limit+1
	}
	v, ok := parseUint(digits, limit)
	if !ok {
		return fault(FaultType)
	}
	*p = sign * T(v)
	return end
}

// parseUint returns the value of digits. It is not ok if they are not all digits or their value is over limit.
func parseUint(digits []byte, limit uint64) (v uint64, ok bool) {
	for _, c := range digits {
		n := uint64(c - '0')
		if n > 9 || v > (limit-n)/10 {
			return 0, false
		}
		v = v*10 + n
	}
	return v, true
}

// unescape returns s, what is between the quotes of a valid string, with its escapes resolved, in d's scratch space. Half a
// surrogate pair becomes U+FFFD.
func (d *Decoder) unescape(s []byte) []byte {
	start := len(d.scratch)
	for i := 0; i < len(s); {
		if s[i] == '\\' {
			i = d.unescapeOne(s, i)
			continue
		}
		plain := s[i:]
		if n := bytes.IndexByte(plain, '\\'); n > 0 {
			plain = plain[:n]
		}
		d.scratch = append(d.scratch, plain...)
		i += len(plain)
	}
	return d.scratch[start:len(d.scratch):len(d.scratch)]
}

// unescapeOne resolves the escape at s[i] and returns the index after it.
func (d *Decoder) unescapeOne(s []byte, i int) int {
	switch c := s[i+1]; c {
	case 'u':
		r, n := parseRune(s, i)
		d.scratch = utf8.AppendRune(d.scratch, r)
		return i + n
	case 'b':
		d.scratch = append(d.scratch, '\b')
	case 'f':
		d.scratch = append(d.scratch, '\f')
	case 'n':
		d.scratch = append(d.scratch, '\n')
	case 'r':
		d.scratch = append(d.scratch, '\r')
	case 't':
		d.scratch = append(d.scratch, '\t')
	default: // a quote, a backslash or a slash
		d.scratch = append(d.scratch, c)
	}
	return i + 2
}

// parseRune returns the character that the \u escape at s[i], and the one after it if they are a surrogate pair, stand for, and
// their size n.
func parseRune(s []byte, i int) (r rune, n int) {
	r, _ = parseHex4(s, i+2)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if at(s, i+6) == '\\' && at(s, i+7) == 'u' {
		low, _ := parseHex4(s, i+8)
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}
