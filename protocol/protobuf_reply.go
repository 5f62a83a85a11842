package protocol

// decodeProtobufReply reads the message from the server in msg into r.
func (d *Decoder) decodeProtobufReply(msg []byte, r *Reply) error {
	*r = Reply{}
	if f := d.message(msg, r); f != 0 {
		return f
	}
	if r.Kind == ReplyPing && r.ID != 0 {
		r.Kind = ReplyResult
	}
	return nil
}

func (r *Reply) set(d *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return integer(v, &r.ID)
	case 2:
		r.Kind = ReplyError
		return v.message(d, (*errorFields)(r))
	case 4:
		if r.Kind != ReplyPublication {
			r.Kind = ReplyPush
		}
		return v.message(d, (*pushFields)(r))
	case 5:
		return v.message(d, (*connectFields)(r))
	case 6:
		return v.message(d, (*subscribeFields)(r))
	}
	return 0
}

func (r *pushFields) set(d *Decoder, number uint32, v value) Fault {
	switch number {
	case 2:
		return v.text(&r.Channel)
	case 4:
		r.Kind = ReplyPublication
		return v.message(d, (*publicationFields)(r))
	}
	return 0
}

func (r *publicationFields) set(_ *Decoder, number uint32, v value) Fault {
	switch number {
	case 4:
		return v.raw(&r.Data)
	case 6:
		return integer(v, &r.Offset)
	}
	return 0
}

func (r *errorFields) set(_ *Decoder, number uint32, v value) Fault {
	switch number {
	case 1:
		return integer(v, &r.Code)
	case 2:
		return v.text(&r.Message)
	}
	return 0
}

// connectFields is a Reply while the result of a connect is read into it.
type connectFields Reply

func (r *connectFields) set(_ *Decoder, number uint32, v value) Fault {
	switch number {
	case 7:
		return integer(v, &r.Ping)
	case 8:
		return v.boolean(&r.Pong)
	}
	return 0
}

// subscribeFields is a Reply while the result of a subscribe is read into it.
type subscribeFields Reply

func (r *subscribeFields) set(_ *Decoder, number uint32, v value) Fault {
	switch number {
	case 3:
		return v.boolean(&r.Recoverable)
	case 6:
		return v.text(&r.Epoch)
	case 8:
		return v.boolean(&r.Recovered)
	case 9:
		return integer(v, &r.Offset)
	}
	return 0
}
