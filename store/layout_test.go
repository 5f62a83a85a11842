package store

import (
	"bytes"
	"slices"
	"testing"
)

// Whatever rooms are called, each one's entries lie together, in the order of their offsets.
func TestEntryKeysOfARoomAreContiguous(t *testing.T) {
	names := []string{"", "a", "a\x00", "a\x00\x00\x00\x00\x00\x00\x00\x01", "aa", "b", "\xff", string(make([]byte, 256))}
	var keys [][]byte
	for _, offset := range []uint64{1 << 40, 1, 2, 255, 256} {
		for _, name := range names {
			keys = append(keys, appendEntryKey(nil, roomKey([]byte(name)), offset))
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	for _, name := range names {
		room := roomKey([]byte(name))
		i := slices.IndexFunc(keys, func(key []byte) bool { _, ok := entryOffset(key, room); return ok })
		for _, want := range []uint64{1, 2, 255, 256, 1 << 40} {
			if got, ok := entryOffset(keys[i], room); got != want || !ok {
				t.Errorf("key %d of %q has offset %d, %v; want %d", i, name, got, ok, want)
			}
			i++
		}
		if got, ok := roomName(room); string(got) != name || !ok {
			t.Errorf("roomName(%x) = %q, %v", room, got, ok)
		}
	}
}

// No bit of a key or a value changes unnoticed.
func TestSealSeesEveryBit(t *testing.T) {
	key := roomKey([]byte("room"))
	value := roomState{epoch: 1, offset: 2, from: 3}.seal(key)
	if s, ok := parseRoomState(key, value); s != (roomState{1, 2, 3}) || !ok {
		t.Errorf("parseRoomState = %v, %v", s, ok)
	}
	for _, b := range [][]byte{key, value} {
		for bit := range 8 * len(b) {
			b[bit/8] ^= 1 << (bit % 8)
			if s, ok := parseRoomState(key, value); ok {
				t.Errorf("parseRoomState(%x, %x) = %v", key, value, s)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
	for n := range value {
		if s, ok := parseRoomState(key, value[:n]); ok {
			t.Errorf("parseRoomState of %d bytes = %v", n, s)
		}
	}
}

// An epoch of 64 bits, as earlier files have them, is read as the part of it that clients are told.
func TestEpochsOfEarlierFiles(t *testing.T) {
	key := roomKey([]byte("room"))
	value := roomState{epoch: 0xfedc_ba98_7654_3210, offset: 2, from: 3}.seal(key)
	if s, ok := parseRoomState(key, value); s != (roomState{0xba98_7654_3210, 2, 3}) || !ok {
		t.Errorf("parseRoomState = %x, %v", s, ok)
	}
}
