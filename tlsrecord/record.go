package tlsrecord

import "encoding/binary"

// A record begins with five bytes (RFC 8446 section 5.1):
//
//	byte 0      content type
//	byte 1-2    version, 03 01 to 03 03
//	byte 3-4    length of what follows
const (
	recordHeader  = 5
	typeLowest    = 20 // change_cipher_spec
	typeHandshake = 22
	typeHighest   = 23 // application_data
	majorVersion  = 3
	maxPlaintext  = 16 << 10
	maxCiphertext = maxPlaintext + 2048 // of TLS 1.2; crypto/tls holds 1.3 to its 256 more (RFC 8446 section 5.2)
)

// A handshake message begins with its type and its length in three bytes (RFC 8446 section 4).
const (
	messageHeader   = 4
	typeClientHello = 1
)

// What a ClientHello may take, record headers included. Browsers send about 2 KiB, some in a few records; a ticket
// that carries a client's certificates makes the largest. Each part that comes is looked at from the start.
const (
	maxHello        = 20 << 10 // bytes
	maxHelloRecords = 32
)

// parseHello returns the size n of the records at the front of b that hold a ClientHello (RFC 8446 section 4.1.2).
// With n 0 and no error there is only a part of it, and nothing can change before b has need bytes.
// What cannot become one is [ErrNotTLS] or [ErrHello] as soon as that can be seen, at best at the first byte.
func parseHello(b []byte) (n, need int, err error) {
	var message hello
	for records := 1; !message.complete(); records++ {
		size, err := helloRecord(b[n:])
		if err == nil {
			end := min(n+size, len(b))
			err = message.add(b[min(n+recordHeader, end):end])
		}
		if err == nil && (n+size > maxHello || records > maxHelloRecords) {
			err = ErrHello
		}
		if err != nil {
			return 0, 0, err
		}
		if n+size > len(b) {
			return 0, n + size, nil
		}
		n += size
	}
	return n, 0, nil
}

// helloRecord returns the size of the record at the front of b, or that of a header if b lacks a part of it.
func helloRecord(b []byte) (size int, err error) {
	if len(b) > 0 && b[0] != typeHandshake || len(b) > 1 && b[1] != majorVersion {
		return 0, ErrNotTLS
	}
	if len(b) < recordHeader {
		return recordHeader, nil
	}
	length := int(binary.BigEndian.Uint16(b[3:]))
	if length == 0 || length > maxPlaintext {
		return 0, ErrHello
	}
	return recordHeader + length, nil
}

// hello is what is known of a ClientHello that comes in pieces.
type hello struct {
	header [messageHeader]byte
	seen   int // bytes added
	size   int // of the whole message with its header, 0 until that is complete
}

func (h *hello) complete() bool { return h.size > 0 && h.seen >= h.size }

// add takes the next piece of the message, any part of a record's payload.
func (h *hello) add(piece []byte) error {
	if h.seen < messageHeader {
		copy(h.header[h.seen:], piece)
	}
	h.seen += len(piece)
	if h.seen > 0 && h.header[0] != typeClientHello {
		return ErrHello
	}
	if h.seen >= messageHeader {
		h.size = messageHeader + int(h.header[1])<<16 + int(binary.BigEndian.Uint16(h.header[2:]))
	}
	if h.size > maxHello || h.size > 0 && h.seen > h.size {
		return ErrHello // in the same record nothing may follow, as it belongs under other keys (RFC 8446 section 5.1)
	}
	return nil
}

// parseRecords returns the size used of the whole records at the front of b, and how many bytes b[used:] must
// have before there is one more. The only error is ErrRecord.
func parseRecords(b []byte) (used, need int, err error) {
	for {
		size, err := recordSize(b[used:])
		if err != nil || used+size > len(b) {
			return used, size, err
		}
		used += size
	}
}

// recordSize returns the size of the record at the front of b, or that of a header if b lacks a part of it.
func recordSize(b []byte) (int, error) {
	if len(b) < recordHeader {
		return recordHeader, nil
	}
	length := int(binary.BigEndian.Uint16(b[3:]))
	if length > maxCiphertext || b[0] < typeLowest || b[0] > typeHighest || b[1] != majorVersion {
		return 0, ErrRecord
	}
	return recordHeader + length, nil
}

// appendCut appends the handshake message in records, all plaintext, in records of an eighth of it. crypto/tls
// keeps for ever a buffer of the largest record it has read, and one that doubled from its first piece to the
// size of the ClientHello: so the first stays small, and the second is hardly larger than what it held.
func appendCut(dst, records []byte) []byte {
	version := [2]byte(records[1:3])
	message := make([]byte, 0, len(records))
	for len(records) > 0 {
		size, _ := recordSize(records)
		message = append(message, records[recordHeader:size]...)
		records = records[size:]
	}
	piece := (len(message) + 7) / 8
	for len(message) > 0 {
		n := min(piece, len(message))
		dst = append(dst, typeHandshake, version[0], version[1], byte(n>>8), byte(n))
		dst = append(dst, message[:n]...)
		message = message[n:]
	}
	return dst
}
