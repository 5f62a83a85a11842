package frame

// AppendFrame appends a server's frame that is a whole message, or a control frame. compressed says that payload
// comes from Deflate: RSV1 is set (RFC 7692 section 6). payload must not overlap the room behind dst.
func AppendFrame(dst []byte, op Opcode, payload []byte, compressed bool) []byte {
	if len(payload) < length16 && !compressed { // nearly all are
		dst = append(dst, finBit|byte(op)&opBits, byte(len(payload)))
	} else {
		dst = AppendHeader(dst, messageHeader(op, len(payload), compressed))
	}
	return append(dst, payload...)
}

// AppendMasked appends a client's frame, as AppendFrame does a server's. payload stays as it is; key should be
// one that scripts of the sender cannot foresee (RFC 6455 section 10.3), which a load generator need not mind.
func AppendMasked(dst []byte, key [4]byte, op Opcode, payload []byte, compressed bool) []byte {
	h := messageHeader(op, len(payload), compressed)
	h.Masked, h.Mask = true, key
	dst = append(AppendHeader(dst, h), payload...)
	Mask(dst[len(dst)-len(payload):], key, 0)
	return dst
}

// messageHeader is the header of a message in one frame.
func messageHeader(op Opcode, size int, compressed bool) Header {
	h := Header{Fin: true, OpCode: op, Length: int64(size)}
	if compressed {
		h.Rsv = rsv1Bit >> 4
	}
	return h
}
