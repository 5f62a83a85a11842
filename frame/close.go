package frame

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// CloseError is why a conn must be closed: the status code and the reason to send in its close frame. The values
// are fixed and shared, so an error costs no allocation; they are compared by pointer and never changed.
type CloseError struct {
	Code   StatusCode
	Reason string // a few words of ASCII, also good as a label of a counter
}

func (e *CloseError) Error() string { return "websocket: " + e.Reason }

// The errors a session may have to answer with itself, after it has inflated a message or looked at its opcode.
var (
	ErrUTF8        = &CloseError{ws.StatusInvalidFramePayloadData, "invalid UTF-8"}
	ErrTooBig      = &CloseError{ws.StatusMessageTooBig, "message too big"}
	ErrUnsupported = &CloseError{ws.StatusUnsupportedData, "unsupported message type"}
)

// The broken rules that parsing finds, each with the section of RFC 6455 that makes it one.
var (
	ErrLength       = &CloseError{ws.StatusProtocolError, "bad payload length"}                   // 5.2
	errReserved     = &CloseError{ws.StatusProtocolError, "reserved bit set"}                     // 5.2
	errOpcode       = &CloseError{ws.StatusProtocolError, "reserved opcode"}                      // 5.2
	errUnmasked     = &CloseError{ws.StatusProtocolError, "unmasked frame from client"}           // 5.1
	errMasked       = &CloseError{ws.StatusProtocolError, "masked frame from server"}             // 5.1
	errControlFin   = &CloseError{ws.StatusProtocolError, "fragmented control frame"}             // 5.5
	errControlSize  = &CloseError{ws.StatusProtocolError, "control frame too big"}                // 5.5
	errContinuation = &CloseError{ws.StatusProtocolError, "nothing to continue"}                  // 5.4
	errInterleaved  = &CloseError{ws.StatusProtocolError, "message begun inside another"}         // 5.4
	errFragments    = &CloseError{ws.StatusPolicyViolation, "too many fragments"}                 // 10.4
	errCloseSize    = &CloseError{ws.StatusProtocolError, "close payload of one byte"}            // 5.5.1
	errCloseCode    = &CloseError{ws.StatusProtocolError, "bad close code"}                       // 7.4
	errCloseReason  = &CloseError{ws.StatusInvalidFramePayloadData, "invalid UTF-8 in reason"}    // 5.5.1
	errDeflate      = &CloseError{ws.StatusInvalidFramePayloadData, "corrupt compressed message"} // RFC 7692 7.2.2
)

const (
	codeSize  = 2 // the status code at the front of a close payload
	maxReason = maxControlPayload - codeSize
)

// ParseClose decodes the unmasked payload of a close frame (RFC 6455 section 5.5.1). An empty one has code 1005,
// "no status received". reason is a slice of payload.
func ParseClose(payload []byte) (code StatusCode, reason []byte, err *CloseError) {
	switch len(payload) {
	case 0:
		return ws.StatusNoStatusRcvd, nil, nil
	case 1:
		return 0, nil, errCloseSize
	}
	code, reason = StatusCode(binary.BigEndian.Uint16(payload)), payload[codeSize:]
	switch {
	case !mayTravel(code):
		return 0, nil, errCloseCode
	case !utf8.Valid(reason):
		return 0, nil, errCloseReason
	}
	return code, reason, nil
}

// mayTravel reports whether code may stand in a close frame: those of section 7.4.1 that are not reserved for
// local use, those registered since, and the ranges for applications.
func mayTravel(code StatusCode) bool {
	switch code {
	case ws.StatusNoMeaningYet, ws.StatusNoStatusRcvd, ws.StatusAbnormalClosure:
		return false
	}
	return 1000 <= code && code <= 1014 || 3000 <= code && code <= 4999
}

// AppendClose appends a server's close frame. The reason is cut, at a code point, to the 123 bytes that fit and
// before the first byte that is not UTF-8. A code that must not travel (1005, 1006, 1015) gives an empty frame.
func AppendClose(dst []byte, code StatusCode, reason string) []byte {
	var buf [maxControlPayload]byte
	return AppendFrame(dst, OpClose, closePayload(&buf, code, reason), false)
}

// AppendMaskedClose appends a client's close frame, as AppendClose does a server's.
func AppendMaskedClose(dst []byte, key [4]byte, code StatusCode, reason string) []byte {
	var buf [maxControlPayload]byte
	return AppendMasked(dst, key, OpClose, closePayload(&buf, code, reason), false)
}

// closePayload builds the payload of a close frame in buf.
func closePayload(buf *[maxControlPayload]byte, code StatusCode, reason string) []byte {
	if !mayTravel(code) {
		return nil
	}
	binary.BigEndian.PutUint16(buf[:], uint16(code))
	return buf[:codeSize+copy(buf[codeSize:], cutReason(reason))]
}

// cutReason returns the longest front of reason that fits a close frame and is valid UTF-8.
func cutReason(reason string) string {
	reason = reason[:min(len(reason), maxReason)]
	for i := 0; i < len(reason); {
		r, size := utf8.DecodeRuneInString(reason[i:])
		if r == utf8.RuneError && size == 1 {
			return reason[:i]
		}
		i += size
	}
	return reason
}
