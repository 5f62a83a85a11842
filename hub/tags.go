package hub

import (
	"encoding/binary"
	"iter"
)

// Tags is the tags of a publication, a list of keys with values, in one piece: before each text stands its length as a
// varint. Nil has none.
type Tags []byte

// Append appends a tag to t. Keys are not compared with those already there.
func (t Tags) Append(key, value []byte) Tags {
	return appendText(appendText(t, key), value)
}

// All yields the tags in their order. The slices point into t.
func (t Tags) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for rest := []byte(t); len(rest) > 0; {
			var key, value []byte
			var ok bool
			if key, rest, ok = cutText(rest); !ok {
				return
			}
			if value, rest, ok = cutText(rest); !ok || !yield(key, value) {
				return
			}
		}
	}
}

// whole reports whether t is a list of keys with values and nothing else.
func (t Tags) whole() bool {
	rest, ok := []byte(t), true
	for n := 0; ok; n++ {
		if len(rest) == 0 {
			return n%2 == 0
		}
		_, rest, ok = cutText(rest)
	}
	return false
}

func appendText(dst, text []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// cutText takes the first text off b.
func cutText(b []byte) (text, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(size) : n+int(size)], b[n+int(size):], true
}
