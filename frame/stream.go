package frame

import "unicode/utf8"

// Stream is where a conn stands in the frames that its peer sends: what must be remembered between two reads.
// The zero value stands before the first frame. It holds no pointers and 16 bytes, so that it can live in memory
// that the garbage collector does not see; the bytes themselves stay with the caller.
type Stream struct {
	done      uint32 // bytes of the current frame's payload that are already unmasked and checked
	size      uint32 // payload bytes in the finished frames of the message in progress
	fragments uint32 // finished frames of the message in progress

	opcode     Opcode // of the message in progress, OpContinuation if there is none
	compressed bool   // the message in progress
	text       utf8State
}

// Options is what the two ends of a conn agreed on and what this end allows.
type Options struct {
	MaxMessage   int  // payload bytes of a message over all its frames, compressed or not; at most 2 GiB - 1
	MaxFragments int  // frames that a message may be cut into; 1 or less allows only whole ones
	Deflate      bool // permessage-deflate was agreed
	Client       bool // this end is the client: frames arrive unmasked
}

// Frame is one whole frame. A control frame is a message of its own: First and Fin are set.
type Frame struct {
	Payload    []byte // unmasked, and valid UTF-8 so far if the message is text and not compressed
	Opcode     Opcode // the message's, also in its continuation frames; or OpClose, OpPing, OpPong
	First      bool   // the first frame of its message
	Fin        bool   // the last frame of its message
	Compressed bool   // the message's payload, all its frames joined, is for Inflate
}

// Next takes the frame at the front of b, which holds all bytes of the conn from the end of the frame before it.
// It unmasks the payload in b and returns the frame, whose payload is a slice of b, and its size n. Payload is
// checked as it comes: with n 0 and no error the frame is not complete, and what there is of it has been unmasked
// and remembered; the next call must begin with the same bytes, as they are now, wherever they have moved. need is
// then how many bytes the frame has in all, or 0 while its header is not complete. So a frame costs work linear
// in its size, however it is cut.
//
// An error is final: a rule of RFC 6455 or RFC 7692 or a limit of o is broken, and s must not be used again. It
// is found by the first byte that shows it. After a close frame there is nothing more to take.
func (s *Stream) Next(b []byte, o *Options) (f Frame, n, need int, err *CloseError) {
	if s.isShort(b, o) {
		return takeShort(b)
	}
	return s.takeAny(b, o)
}

const shortHead = 2 + maskSize // bytes of a short message's header

// isShort reports whether there is a short message at the front of b: a client's, in one frame, which is all there, plain and
// within all limits. Nearly all messages are, and of these nothing has to be remembered.
func (s *Stream) isShort(b []byte, o *Options) bool {
	if len(b) < shortHead || *s != (Stream{}) || o.Client {
		return false
	}
	if b[0] != finBit|byte(OpText) && b[0] != finBit|byte(OpBinary) {
		return false
	}
	size := int(b[1]) - maskBit
	return size >= 0 && size < length16 && size <= o.MaxMessage && shortHead+size <= len(b)
}

// takeShort is Next for a short message.
func takeShort(b []byte) (f Frame, n, need int, err *CloseError) {
	op := Opcode(b[0] & opBits)
	n = shortHead + int(b[1]&^maskBit)
	payload := b[shortHead:n:n]
	Mask(payload, [maskSize]byte(b[2:]), 0)
	if op == OpText && asciiPrefix(payload) < len(payload) && !utf8.Valid(payload) {
		return Frame{}, 0, 0, ErrUTF8
	}
	return Frame{Payload: payload, Opcode: op, First: true, Fin: true}, n, 0, nil
}

// takeAny is Next for any frame.
func (s *Stream) takeAny(b []byte, o *Options) (f Frame, n, need int, err *CloseError) {
	size, n, err := s.checkHeader(b, o)
	if n == 0 {
		return Frame{}, 0, 0, err
	}
	need = n + size
	end := min(need, len(b))
	payload := b[n:end:end]
	fresh := payload[s.done:]
	if !o.Client {
		Mask(fresh, [maskSize]byte(b[n-maskSize:]), int(s.done))
	}
	op, compressed := s.message(b[0])
	if op == OpText && !compressed {
		text, ok := s.text.feed(fresh)
		if !ok {
			return Frame{}, 0, 0, ErrUTF8
		}
		s.text = text
	}
	s.done = uint32(len(payload))
	if end < need {
		return Frame{}, 0, need, nil
	}
	first, fin := b[0]&opBits != 0, b[0]&finBit != 0
	if err := s.finish(op, fin, compressed, payload); err != nil {
		return Frame{}, 0, 0, err
	}
	return Frame{payload, op, first, fin, compressed}, need, 0, nil
}

// Idle reports whether s stands between two messages, and has seen no payload of the next one.
func (s *Stream) Idle() bool { return *s == Stream{} }

// message returns the opcode of the message that the current frame belongs to, and whether it is compressed.
func (s *Stream) message(b0 byte) (op Opcode, compressed bool) {
	if op = Opcode(b0 & opBits); op == OpContinuation {
		return s.opcode, s.compressed
	}
	return op, b0&rsv1Bit != 0
}

// finish moves s past the current frame, all of whose payload is there.
func (s *Stream) finish(op Opcode, fin, compressed bool, payload []byte) *CloseError {
	s.done = 0
	switch {
	case op == OpClose:
		_, _, err := ParseClose(payload)
		return err
	case op.IsControl():
		return nil
	case fin:
		cut := s.text != utf8Start
		*s = Stream{}
		if cut {
			return ErrUTF8
		}
	default:
		s.opcode, s.compressed = op, compressed
		s.size += uint32(len(payload))
		s.fragments++
	}
	return nil
}

// checkHeader holds each byte of the header at the front of b against the rules as soon as it is there. It
// returns the length of the payload and the size n of the header, 0 while that is not complete.
func (s *Stream) checkHeader(b []byte, o *Options) (length, n int, err *CloseError) {
	if len(b) == 0 {
		return 0, 0, nil
	}
	if err := s.checkFirst(b[0], o); err != nil || len(b) == 1 {
		return 0, 0, err
	}
	if err := checkSecond(b[0], b[1], o); err != nil {
		return 0, 0, err
	}
	size, n, err := payloadLength(b)
	if n == 0 {
		return 0, 0, err
	}
	if !Opcode(b[0]&opBits).IsControl() && size > s.room(o) {
		return 0, 0, ErrTooBig
	}
	if !o.Client {
		n += maskSize
	}
	if len(b) < n {
		return 0, 0, nil
	}
	return int(size), n, nil
}

// room is how many payload bytes the message in progress may still have.
func (s *Stream) room(o *Options) int64 {
	const most = 1<<31 - 1
	return min(int64(o.MaxMessage), most) - int64(s.size)
}

// checkFirst holds FIN, RSV and opcode against RFC 6455 sections 5.2, 5.4 and 5.5 and RFC 7692 section 6.
func (s *Stream) checkFirst(b0 byte, o *Options) *CloseError {
	op, rsv := Opcode(b0&opBits), b0&rsvBits
	switch {
	case op.IsReserved():
		return errOpcode
	case rsv != 0 && (rsv != rsv1Bit || !o.Deflate || op != OpText && op != OpBinary):
		return errReserved
	case op.IsControl():
		if b0&finBit == 0 {
			return errControlFin
		}
	case op == OpContinuation:
		if s.opcode == OpContinuation {
			return errContinuation
		}
		if int64(s.fragments) >= int64(o.MaxFragments) {
			return errFragments
		}
	case s.opcode != OpContinuation:
		return errInterleaved
	}
	return nil
}

// checkSecond holds MASK, and the length of a control frame, against RFC 6455 sections 5.1 and 5.5.
func checkSecond(b0, b1 byte, o *Options) *CloseError {
	switch {
	case b1&maskBit == 0 && !o.Client:
		return errUnmasked
	case b1&maskBit != 0 && o.Client:
		return errMasked
	case Opcode(b0&opBits).IsControl() && b1&^maskBit > maxControlPayload:
		return errControlSize
	}
	return nil
}
