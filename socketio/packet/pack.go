package packet

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// The first bytes of MessagePack's values (its specification, "Formats").
const (
	packMap    = 0x80 // and 15 more
	packArray  = 0x90 // and 15 more
	packText   = 0xa0 // and 31 more
	packNil    = 0xc0
	packFalse  = 0xc2
	packTrue   = 0xc3
	packBin8   = 0xc4
	packExt8   = 0xc7
	packFloat4 = 0xca
	packFloat8 = 0xcb
	packUint1  = 0xcc
	packUint2  = 0xcd
	packUint4  = 0xce
	packUint8  = 0xcf
	packInt1   = 0xd0
	packInt8   = 0xd3
	packFixExt = 0xd4 // 1, 2, 4, 8, 16 bytes
	packText8  = 0xd9
	packArr16  = 0xdc
	packArr32  = 0xdd
	packMap16  = 0xde
	packMap32  = 0xdf
	packMinus  = 0xe0 // -32, and up to -1
)

// ParsePack reads the MessagePack packet in b, a whole binary message, into p. Its payload is turned into JSON, which is
// appended to dst, and its binary values into attachments, parts of b that are appended to parts. p's own slices are parts of b and
// of the returned json.
func ParsePack(b []byte, limits *Limits, dst []byte, parts [][]byte, p *Packet) (json []byte, attachments [][]byte, err error) {
	*p = Packet{}
	u := unpacker{b: b, out: dst, parts: parts, limit: limits.Attachments}
	members, ok := u.members()
	if !ok {
		return dst, parts, ErrFormat
	}
	kind := int64(-1)
	for range members {
		if err := u.member(limits, p, &kind); err != nil {
			return dst, parts, err
		}
	}
	switch {
	case len(u.b) > 0:
		return dst, parts, ErrFormat
	case kind < int64(Connect) || kind > int64(ConnectError):
		return dst, parts, ErrType
	case len(p.Namespace) == 0 || !validNamespace(p.Namespace):
		return dst, parts, ErrNamespace
	}
	p.Type = Type(kind)
	if p.Data == nil && (p.Type == Event || p.Type == Ack || p.Type == ConnectError) {
		return dst, parts, ErrPayload
	}
	if err := p.check(limits); err != nil {
		return dst, parts, err
	}
	if p.Attachments > 0 && u.marked {
		return dst, parts, ErrPlaceholder // it could not be told from ours
	}
	return u.out, u.parts, nil
}

// validNamespace reports whether a text packet could name it.
func validNamespace(name []byte) bool {
	for _, c := range name {
		if c == ',' {
			return false
		}
	}
	return name[0] == '/' && utf8.Valid(name)
}

// unpacker turns MessagePack into JSON.
type unpacker struct {
	b      []byte // what is left
	out    []byte
	parts  [][]byte
	limit  int // of parts
	count  int
	marked bool // an object has a member with the name of a placeholder's
}

// members reads the head of a map.
func (u *unpacker) members() (n int, ok bool) {
	c, ok := u.byte()
	switch {
	case !ok:
		return 0, false
	case c&0xf0 == packMap:
		return int(c & 0x0f), true
	case c == packMap16 || c == packMap32:
		return u.size(2 << (c - packMap16))
	}
	return 0, false
}

// member reads one member of the packet.
func (u *unpacker) member(limits *Limits, p *Packet, kind *int64) error {
	key, ok := u.text()
	if !ok {
		return ErrFormat
	}
	undefined := len(u.b) > 2 && u.b[0] == packFixExt && u.b[1] == 0
	if undefined {
		u.b = u.b[3:]
		return nil
	}
	switch string(key) {
	case "type":
		if *kind, ok = u.integer(); !ok || *kind < 0 {
			return ErrType
		}
	case "nsp":
		if p.Namespace, ok = u.text(); !ok {
			return ErrNamespace
		}
	case "id":
		id, ok := u.integer()
		if !ok || id < 0 {
			return ErrID
		}
		p.ID, p.HasID = uint64(id), true
	case "data":
		from := len(u.out)
		if p.Data != nil || !u.value(limits.Depth) {
			return u.failure()
		}
		p.Data, p.Attachments = u.out[from:], u.count
	default:
		from, parts, count := len(u.out), len(u.parts), u.count
		if !u.value(limits.Depth) {
			return u.failure()
		}
		u.out, u.parts, u.count = u.out[:from], u.parts[:parts], count
	}
	return nil
}

// failure is why a value was not taken.
func (u *unpacker) failure() error {
	if u.count > u.limit {
		return ErrAttachments
	}
	return ErrFormat
}

func (u *unpacker) byte() (c byte, ok bool) {
	if len(u.b) == 0 {
		return 0, false
	}
	c, u.b = u.b[0], u.b[1:]
	return c, true
}

// take returns the next n bytes.
func (u *unpacker) take(n int) (b []byte, ok bool) {
	if n < 0 || n > len(u.b) {
		return nil, false
	}
	b, u.b = u.b[:n:n], u.b[n:]
	return b, true
}

// uint reads a number of 1, 2, 4 or 8 bytes.
func (u *unpacker) uint(bytes int) (n uint64, ok bool) {
	b, ok := u.take(bytes)
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, ok
}

// size reads a length of 1, 2 or 4 bytes.
func (u *unpacker) size(bytes int) (n int, ok bool) {
	v, ok := u.uint(bytes)
	return int(v), ok
}

// text reads a string.
func (u *unpacker) text() (text []byte, ok bool) {
	c, ok := u.byte()
	n := 0
	switch {
	case !ok:
		return nil, false
	case c&0xe0 == packText:
		n = int(c & 0x1f)
	case c >= packText8 && c <= packText8+2:
		if n, ok = u.size(1 << (c - packText8)); !ok {
			return nil, false
		}
	default:
		return nil, false
	}
	return u.take(n)
}

// integer reads a whole number.
func (u *unpacker) integer() (n int64, ok bool) {
	c, ok := u.byte()
	switch {
	case !ok:
		return 0, false
	case c < packMap:
		return int64(c), true
	case c >= packMinus:
		return int64(int8(c)), true
	case c >= packUint1 && c <= packUint8:
		v, ok := u.uint(1 << (c - packUint1))
		return int64(v), ok && v <= math.MaxInt64
	case c >= packInt1 && c <= packInt8:
		return u.int(1 << (c - packInt1))
	}
	return 0, false
}

// int reads a number of 1, 2, 4 or 8 bytes with a sign.
func (u *unpacker) int(bytes int) (n int64, ok bool) {
	v, ok := u.uint(bytes)
	shift := 64 - 8*bytes
	return int64(v<<shift) >> shift, ok
}

// value reads any value and appends it as JSON.
func (u *unpacker) value(depth int) bool {
	if len(u.b) == 0 {
		return false
	}
	switch c := u.b[0]; {
	case c < packMap || c >= packMinus || c >= packUint1 && c < packUint8 || c >= packInt1 && c <= packInt8:
		n, ok := u.integer()
		u.out = strconv.AppendInt(u.out, n, 10)
		return ok
	case c&0xe0 == packText || c >= packText8 && c <= packText8+2:
		text, ok := u.text()
		u.out = AppendString(u.out, text)
		return ok
	case c&0xf0 == packMap || c == packMap16 || c == packMap32:
		n, ok := u.members()
		return ok && depth > 0 && u.object(n, depth-1)
	}
	c, _ := u.byte()
	switch {
	case c&0xf0 == packArray:
		return depth > 0 && u.array(int(c&0x0f), depth-1)
	case c == packArr16 || c == packArr32:
		n, ok := u.size(2 << (c - packArr16))
		return ok && depth > 0 && u.array(n, depth-1)
	case c == packNil:
		u.out = append(u.out, "null"...)
	case c == packFalse:
		u.out = append(u.out, "false"...)
	case c == packTrue:
		u.out = append(u.out, "true"...)
	case c >= packBin8 && c <= packBin8+2:
		n, ok := u.size(1 << (c - packBin8))
		return ok && u.attach(n)
	case c == packUint8:
		n, ok := u.uint(8)
		u.out = strconv.AppendUint(u.out, n, 10)
		return ok
	case c == packFloat4:
		n, ok := u.uint(4)
		u.float(float64(math.Float32frombits(uint32(n))))
		return ok
	case c == packFloat8:
		n, ok := u.uint(8)
		u.float(math.Float64frombits(n))
		return ok
	case c >= packExt8 && c <= packExt8+2:
		n, ok := u.size(1 << (c - packExt8))
		return ok && u.extension(n, false)
	case c >= packFixExt && c <= packFixExt+4:
		return u.extension(1<<(c-packFixExt), true)
	default:
		return false
	}
	return true
}

// float appends a number; what JSON has no word for is null, as in JavaScript.
func (u *unpacker) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		u.out = append(u.out, "null"...)
		return
	}
	u.out = strconv.AppendFloat(u.out, f, 'g', -1, 64)
}

func (u *unpacker) array(n, depth int) bool {
	u.out = append(u.out, '[')
	for i := range n {
		if i > 0 {
			u.out = append(u.out, ',')
		}
		if !u.value(depth) {
			return false
		}
	}
	u.out = append(u.out, ']')
	return true
}

func (u *unpacker) object(n, depth int) bool {
	u.out = append(u.out, '{')
	for i := range n {
		if i > 0 {
			u.out = append(u.out, ',')
		}
		key, ok := u.text()
		if !ok {
			return false
		}
		u.marked = u.marked || string(key) == placeholder
		u.out = append(AppendString(u.out, key), ':')
		if !u.value(depth) {
			return false
		}
	}
	u.out = append(u.out, '}')
	return true
}

// attach makes the next n bytes an attachment.
func (u *unpacker) attach(n int) bool {
	b, ok := u.take(n)
	if !ok {
		return false
	}
	if u.count++; u.count > u.limit {
		return false
	}
	u.out = AppendPlaceholder(u.out, u.count-1)
	u.parts = append(u.parts, b)
	return true
}

// extension reads what JavaScript's encoder has extensions for: undefined, dates and buffers, all of type 0. No other is known.
func (u *unpacker) extension(n int, fixed bool) bool {
	kind, ok := u.byte()
	switch {
	case !ok || kind != 0:
		return false
	case !fixed:
		return u.attach(n)
	case n == 1:
		u.out = append(u.out, "null"...)
		_, ok = u.take(n)
		return ok
	case n == 8:
		ms, ok := u.int(8)
		u.out = time.UnixMilli(ms).UTC().AppendFormat(u.out, `"2006-01-02T15:04:05.000Z"`)
		return ok && firstDate <= ms && ms <= lastDate
	}
	return false
}

// The dates whose year has four digits, in milliseconds from 1970 on.
const (
	firstDate = -62135596800000 // the year 1
	lastDate  = 253402300799999 // the end of 9999
)

// AppendPlaceholder appends what stands in a payload for attachment i.
func AppendPlaceholder(dst []byte, i int) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	return append(strconv.AppendInt(dst, int64(i), 10), '}')
}

// AppendString appends text as a JSON string. What is not UTF-8 in it is replaced, as JavaScript's decoder does.
func AppendString(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for len(text) > 0 {
		c := text[0]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRune(text)
			dst = utf8.AppendRune(dst, r)
			text = text[n:]
			continue
		}
		text = text[1:]
	}
	return append(dst, '"')
}

// AppendPack appends p, whose attachments these are, as MessagePack. The errors are those of a payload that is not JSON, or
// whose placeholders are of no attachment.
func AppendPack(dst []byte, p *Packet, attachments [][]byte) ([]byte, error) {
	members := byte(2)
	if p.Data != nil {
		members++
	}
	if p.HasID {
		members++
	}
	dst = append(dst, packMap|members)
	dst = append(packString(dst, "type"), byte(p.Type.Plain()))
	dst = packString(packString(dst, "nsp"), string(p.Namespace))
	if p.HasID {
		dst = packUint(packString(dst, "id"), p.ID)
	}
	if p.Data == nil {
		return dst, nil
	}
	from := len(dst)
	k := packer{scanner: scanner{b: p.Data}, out: packString(dst, "data"), parts: attachments}
	k.space()
	if !k.value(maxPackDepth) {
		return dst[:from], ErrPayload
	}
	k.space()
	if k.at != len(p.Data) {
		return dst[:from], ErrPayload
	}
	return k.out, nil
}

// maxSafe is 2^53: up to it each whole number is one of 64 bits of floating point, and no other is the same.
const maxSafe = 1 << 53

// maxPackDepth bounds what an application nests.
const maxPackDepth = 1000

// packer turns JSON into MessagePack.
type packer struct {
	scanner
	out   []byte
	parts [][]byte
}

func (k *packer) value(depth int) bool {
	from := k.at
	switch c := k.peek(); c {
	case '"':
		if !k.text() {
			return false
		}
		k.string(k.b[from+1 : k.at-1])
	case '[':
		return depth > 0 && k.array(depth-1)
	case '{':
		return depth > 0 && k.object(depth-1)
	case 't':
		k.out = append(k.out, packTrue)
		return k.word("true")
	case 'f':
		k.out = append(k.out, packFalse)
		return k.word("false")
	case 'n':
		k.out = append(k.out, packNil)
		return k.word("null")
	default:
		if !k.number() {
			return false
		}
		k.pack(string(k.b[from:k.at]))
	}
	return true
}

// string packs what stands between quotes.
func (k *packer) string(text []byte) {
	for _, c := range text {
		if c == '\\' {
			k.out = packString(k.out, unquote(text))
			return
		}
	}
	k.out = packString(k.out, string(text))
}

// pack packs a number: a whole one in as few bytes as it needs, however it is written, as JavaScript's encoder does.
func (k *packer) pack(number string) {
	if n, err := strconv.ParseUint(number, 10, 64); err == nil {
		k.out = packUint(k.out, n)
		return
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		k.out = packInt(k.out, n)
		return
	}
	f, _ := strconv.ParseFloat(number, 64) // one that is too large is infinite, as in JavaScript
	switch whole := f == math.Trunc(f); {
	case whole && 0 <= f && f <= maxSafe:
		k.out = packUint(k.out, uint64(f))
		return
	case whole && -maxSafe <= f && f < 0:
		k.out = packInt(k.out, int64(f))
		return
	}
	k.out = binary.BigEndian.AppendUint64(append(k.out, packFloat8), math.Float64bits(f))
}

func (k *packer) array(depth int) bool {
	head := len(k.out)
	k.out = append(k.out, packArray)
	for n := 0; ; n++ {
		more, ok := k.next(']', n == 0)
		if !more {
			k.out = packSize(k.out, head, n, packArr16)
			return ok
		}
		if !k.value(depth) {
			return false
		}
	}
}

// object packs an object, or the attachment that it stands for.
func (k *packer) object(depth int) bool {
	if i, ok := k.attachment(); ok {
		k.out = packBytes(k.out, k.parts[i])
		return true
	}
	head := len(k.out)
	k.out = append(k.out, packMap)
	for n := 0; ; n++ {
		more, ok := k.next('}', n == 0)
		if !more {
			k.out = packSize(k.out, head, n, packMap16)
			return ok
		}
		from := k.at
		if !k.text() {
			return false
		}
		k.string(k.b[from+1 : k.at-1])
		if !k.colon() || !k.value(depth) {
			return false
		}
	}
}

// attachment steps over a placeholder, if that is what comes, and returns its index.
func (k *packer) attachment() (i int, ok bool) {
	if len(k.parts) == 0 {
		return 0, false
	}
	i, n, ok := Placeholder(k.b[k.at:])
	if !ok || i >= len(k.parts) {
		return 0, false
	}
	k.at += n
	return i, true
}

// packSize writes the size of an array or a map, whose head is one byte so far, before its elements.
func packSize(out []byte, head, n int, wide byte) []byte {
	switch {
	case n < 16:
		out[head] |= byte(n)
		return out
	case n <= math.MaxUint16:
		out = append(out, 0, 0)
		copy(out[head+3:], out[head+1:])
		out[head] = wide
		binary.BigEndian.PutUint16(out[head+1:], uint16(n))
		return out
	}
	out = append(out, 0, 0, 0, 0)
	copy(out[head+5:], out[head+1:])
	out[head] = wide + 1
	binary.BigEndian.PutUint32(out[head+1:], uint32(n))
	return out
}

func packString(dst []byte, text string) []byte {
	if n := len(text); n < 32 {
		dst = append(dst, packText|byte(n))
	} else {
		dst = packLength(dst, packText8, n)
	}
	return append(dst, text...)
}

func packBytes(dst, b []byte) []byte { return append(packLength(dst, packBin8, len(b)), b...) }

// packLength appends a length of 1, 2 or 4 bytes behind the first byte that says which.
func packLength(dst []byte, first byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, first, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, first+1), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, first+2), uint32(n))
}

func packUint(dst []byte, n uint64) []byte {
	switch {
	case n < packMap:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, packUint1, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, packUint2), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, packUint4), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, packUint8), n)
}

// packInt appends a number below 0.
func packInt(dst []byte, n int64) []byte {
	switch {
	case n >= -32:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, packInt1, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, packInt1+1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, packInt1+2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, packInt8), uint64(n))
}
