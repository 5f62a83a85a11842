package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
)

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xa
)

const (
	upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
	guid    = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	client  = "00000000-0000-4000-8000-000000000000" // everybody's id
)

// serve answers all that is whole in b, the bytes of fd, with one send.
func (t *thread) serve(fd int, p *peer, b []byte) {
	t.out = t.out[:0]
	if p.stage == upgrading {
		n := t.upgrade(p, b)
		if n == 0 {
			t.hold(fd, p, b)
			return
		}
		b = b[n:]
	}
	for len(b) > 0 {
		op, payload, n := cutFrame(b)
		if n == 0 {
			break
		}
		b = b[n:]
		if op == opClose {
			send(fd, appendFrame(t.out, opClose, payload))
			t.close(fd)
			return
		}
		t.frame(fd, p, op, payload)
	}
	if len(t.out) > 0 {
		send(fd, t.out)
	}
	t.hold(fd, p, b)
}

// upgrade answers any request head that is whole in b and returns its size.
func (t *thread) upgrade(p *peer, b []byte) int {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0
	}
	p.stage = talking
	if bytes.HasPrefix(b, []byte("GET /echo ")) {
		p.stage = echoing
	}
	const key = "Sec-WebSocket-Key: "
	at := bytes.Index(b, []byte(key)) + len(key)
	t.out = appendUpgrade(t.out, b[at:at+24])
	if bytes.HasPrefix(b, []byte(socketIOPath)) {
		p.stage = chatting
		t.out = appendFrame(t.out, opText, []byte(openPacket))
	}
	return end + 4
}

func appendUpgrade(dst, key []byte) []byte {
	var both [24 + len(guid)]byte
	copy(both[copy(both[:], key):], guid)
	sum := sha1.Sum(both[:])
	dst = base64.StdEncoding.AppendEncode(append(dst, upgrade...), sum[:])
	return append(dst, "\r\n\r\n"...)
}

// frame answers a whole message. No peer of ours sends fragments.
func (t *thread) frame(fd int, p *peer, op byte, payload []byte) {
	switch {
	case op == opPing:
		t.out = appendFrame(t.out, opPong, payload)
	case op == opPong:
	case p.stage == echoing:
		t.out = appendFrame(t.out, op, payload)
	case p.stage == chatting:
		t.packet(fd, p, payload)
	default:
		t.commands(fd, p, payload)
	}
}

// cutFrame takes the masked frame at the front of b, unmasks it in place, and returns its size, 0 if
// it is not all there.
func cutFrame(b []byte) (op byte, payload []byte, n int) {
	if len(b) < 6 {
		return 0, nil, 0
	}
	size, head := int(b[1]&0x7f), 2
	switch size {
	case 126:
		size, head = int(binary.BigEndian.Uint16(b[2:])), 4
	case 127:
		if len(b) < 14 {
			return 0, nil, 0
		}
		size, head = int(binary.BigEndian.Uint64(b[2:])), 10
	}
	n = head + 4 + size
	if len(b) < n {
		return 0, nil, 0
	}
	payload = b[head+4 : n]
	unmask(payload, [4]byte(b[head:]))
	return b[0] & 0xf, payload, n
}

// unmask works on eight bytes at a time.
func unmask(b []byte, key [4]byte) {
	k := binary.LittleEndian.Uint32(key[:])
	word := uint64(k)<<32 | uint64(k)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^word)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= key[i&3]
	}
}

func appendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = appendHeader(dst, op, len(payload))
	return append(dst, payload...)
}

func appendHeader(dst []byte, op byte, size int) []byte {
	switch {
	case size < 126:
		return append(dst, 0x80|op, byte(size))
	case size < 1<<16:
		return append(dst, 0x80|op, 126, byte(size>>8), byte(size))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0x80|op, 127), uint64(size))
}
