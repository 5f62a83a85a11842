package protocol

// MaxNameLen is the longest channel name, in bytes.
const MaxNameLen = 255

// ValidName returns ErrBadRequest unless name is 1 to 255 bytes of printable ASCII, spaces included: what any channel name
// must be, whatever its namespace says besides. Bytes that are not ASCII are refused with it, so invalid UTF-8 is too.
func ValidName(name []byte) error {
	if len(name) == 0 || len(name) > MaxNameLen {
		return ErrBadRequest
	}
	for _, c := range name {
		if c < ' ' || c > '~' {
			return ErrBadRequest
		}
	}
	return nil
}
