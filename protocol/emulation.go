package protocol

// An Emulation is a request by which the client of a stream sends commands in protobuf. In JSON it is an object.
type Emulation struct {
	Node    []byte // that holds the session
	Session []byte // secret name of the session
	Data    []byte // commands, as a frame's payload has them
}

// DecodeEmulation reads the request in b into e, whose slices are slices of b. The error is a Fault.
func (d *Decoder) DecodeEmulation(b []byte, e *Emulation) error {
	*e = Emulation{}
	if f := d.message(b, e); f != 0 {
		return f
	}
	return nil
}

func (e *Emulation) set(_ *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return v.text(&e.Node)
	case 2:
		return v.text(&e.Session)
	case 3:
		return v.raw(&e.Data)
	}
	return 0
}
