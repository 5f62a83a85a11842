package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// The file has three buckets. Numbers are big-endian, so that keys sort as they count; a name comes with its
// length, so that no room's keys lie among those of another whose name begins alike.
//
//	edge     "marks"                     sum(4) schema(4) policy(1) open(1) boot id
//	rooms    length(2) name              sum(4) epoch(8) offset(8) from(8)
//	entries  length(2) name offset(8)    sum(4) publication
//
// sum is the CRC-32C of the key and of what follows the sum.
var (
	marksBucket   = []byte("edge")
	roomsBucket   = []byte("rooms")
	entriesBucket = []byte("entries")
)

const (
	sumSize    = 4
	lengthSize = 2
	offsetSize = 8

	// maxName is the length of the longest room name that makes a key.
	maxName = 1<<15 - lengthSize - offsetSize
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal returns payload with its sum in front, as the value of key.
func seal(key, payload []byte) []byte {
	value := make([]byte, sumSize, sumSize+len(payload))
	binary.BigEndian.PutUint32(value, sum(key, payload))
	return append(value, payload...)
}

// unseal returns the payload in the value of key, and whether both are as they were sealed.
func unseal(key, value []byte) (payload []byte, ok bool) {
	if len(value) < sumSize {
		return nil, false
	}
	payload = value[sumSize:]
	return payload, binary.BigEndian.Uint32(value) == sum(key, payload)
}

func sum(key, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, payload)
}

// roomKey returns the key of a room, which is also the prefix of its entries' keys.
func roomKey(name []byte) []byte {
	key := make([]byte, 0, lengthSize+len(name)+offsetSize)
	return append(binary.BigEndian.AppendUint16(key, uint16(len(name))), name...)
}

// roomName returns the name in the key of a room, and whether the key is one.
func roomName(key []byte) (name []byte, ok bool) {
	if len(key) < lengthSize || int(binary.BigEndian.Uint16(key)) != len(key)-lengthSize {
		return nil, false
	}
	return key[lengthSize:], true
}

// appendEntryKey appends the key of a room's entry to dst.
func appendEntryKey(dst, room []byte, offset uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, room...), offset)
}

// entryOffset returns the offset in the key of an entry, and whether the entry is of room.
func entryOffset(key, room []byte) (offset uint64, ok bool) {
	if len(key) != len(room)+offsetSize || !bytes.HasPrefix(key, room) {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[len(room):]), true
}

// roomState is where a room is: the value of the rooms bucket.
type roomState struct {
	epoch  uint64
	offset uint64 // of the last publication
	from   uint64 // of the oldest entry; beyond offset if there is none
}

const roomStateSize = 24

// epochMask is what clients are told of an epoch. Earlier programs gave rooms whose positions were lost one of 64 bits, which no client
// could name.
const epochMask = 1<<48 - 1

// length returns how many entries the room has.
func (s roomState) length() uint64 {
	if s.from > s.offset {
		return 0
	}
	return s.offset - s.from + 1
}

func (s roomState) seal(key []byte) []byte {
	var b [roomStateSize]byte
	binary.BigEndian.PutUint64(b[0:], s.epoch)
	binary.BigEndian.PutUint64(b[8:], s.offset)
	binary.BigEndian.PutUint64(b[16:], s.from)
	return seal(key, b[:])
}

// parseRoomState reads the value of key; it is not ok if that is damaged.
func parseRoomState(key, value []byte) (s roomState, ok bool) {
	b, ok := unseal(key, value)
	if !ok || len(b) != roomStateSize {
		return roomState{}, false
	}
	return roomState{
		epoch:  binary.BigEndian.Uint64(b[0:]) & epochMask,
		offset: binary.BigEndian.Uint64(b[8:]),
		from:   binary.BigEndian.Uint64(b[16:]),
	}, true
}
