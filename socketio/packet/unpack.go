package packet

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
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
