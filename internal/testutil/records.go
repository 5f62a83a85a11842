package testutil

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
)

// RecordKeys protect one direction of a conn of TLS 1.3 from its next record on.
type RecordKeys struct {
	Suite uint16
	Key   []byte
	IV    []byte
	Seq   uint64
}

// Records make or open the records of one direction, as a kernel does with the keys that it is given (RFC 8446 section 5.2).
type Records struct {
	aead cipher.AEAD
	iv   []byte
	seq  uint64
}

// The types of records.
const (
	RecordAlert     = 21
	RecordHandshake = 22
	RecordData      = 23
)

const (
	recordHeader = 5
	maxPlaintext = 16 << 10
)

// NewRecords returns the records under k.
func NewRecords(k RecordKeys) (*Records, error) {
	r := &Records{iv: k.IV, seq: k.Seq}
	if len(k.IV) != 12 {
		return nil, fmt.Errorf("an IV of %d bytes", len(k.IV))
	}
	want := map[uint16]int{tls.TLS_AES_128_GCM_SHA256: 16, tls.TLS_AES_256_GCM_SHA384: 32, tls.TLS_CHACHA20_POLY1305_SHA256: 32}
	if size := want[k.Suite]; size == 0 || size != len(k.Key) {
		return nil, fmt.Errorf("a key of %d bytes for suite %#x", len(k.Key), k.Suite)
	}
	if k.Suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		r.aead = chachaPoly([32]byte(k.Key))
		return r, nil
	}
	block, err := aes.NewCipher(k.Key)
	if err != nil {
		return nil, err
	}
	r.aead, err = cipher.NewGCM(block)
	return r, err
}

// nonce returns that of the next record.
func (r *Records) nonce() []byte {
	n := bytes.Clone(r.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, r.seq) {
		n[4+i] ^= b
	}
	r.seq++
	return n
}

// Seal appends to dst the records that carry b: one of at most 16 KiB for each piece, and one if b is empty.
func (r *Records) Seal(dst []byte, kind byte, b []byte) []byte {
	for first := true; first || len(b) > 0; first = false {
		piece := b[:min(len(b), maxPlaintext)]
		b = b[len(piece):]
		n := len(piece) + 1 + r.aead.Overhead()
		header := []byte{RecordData, 3, 3, byte(n >> 8), byte(n)}
		dst = r.aead.Seal(append(dst, header...), r.nonce(), append(bytes.Clone(piece), kind), header)
	}
	return dst
}

// NextRecord returns the whole record at the front of b, nil if only a part of it is there.
func NextRecord(b []byte) []byte {
	if len(b) < recordHeader {
		return nil
	}
	size := recordHeader + int(binary.BigEndian.Uint16(b[3:]))
	if size > len(b) {
		return nil
	}
	return b[:size]
}

// Open returns what a whole record carries.
func (r *Records) Open(record []byte) (kind byte, b []byte, err error) {
	if record[0] != RecordData {
		return 0, nil, fmt.Errorf("a record of type %d under the keys of application data", record[0])
	}
	b, err = r.aead.Open(nil, r.nonce(), record[recordHeader:], record[:recordHeader])
	if err != nil {
		return 0, nil, err
	}
	b = bytes.TrimRight(b, "\x00") // padding
	if len(b) == 0 {
		return 0, nil, errors.New("a record without a type")
	}
	return b[len(b)-1], b[:len(b)-1], nil
}
