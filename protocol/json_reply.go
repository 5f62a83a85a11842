package protocol

// decodeJSONReply reads the message from the server that line holds into r.
func (d *Decoder) decodeJSONReply(line []byte, r *Reply) error {
	*r = Reply{}
	if err := d.decode(line, r); err != nil {
		return err
	}
	if r.Kind == ReplyPing && r.ID != 0 {
		r.Kind = ReplyResult
	}
	return nil
}

func (r *Reply) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "id":
		return unsigned(d, i, &r.ID)
	case "push":
		r.Kind = ReplyPush
		return d.object(i, (*pushFields)(r))
	case "error":
		r.Kind = ReplyError
		return d.object(i, (*errorFields)(r))
	case "connect", "subscribe":
		return d.object(i, (*resultFields)(r))
	}
	return d.skip(i)
}

// pushFields is a Reply while the object under "push" is read into it.
type pushFields Reply

func (r *pushFields) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "channel":
		return d.text(i, &r.Channel)
	case "pub":
		r.Kind = ReplyPublication
		return d.object(i, (*publicationFields)(r))
	}
	return d.skip(i)
}

// publicationFields is a Reply while the object under "pub" is read into it.
type publicationFields Reply

func (r *publicationFields) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "data":
		return d.raw(i, &r.Data)
	case "offset":
		return unsigned(d, i, &r.Offset)
	}
	return d.skip(i)
}

// errorFields is a Reply while the object under "error" is read into it.
type errorFields Reply

func (r *errorFields) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "code":
		return unsigned(d, i, &r.Code)
	case "message":
		return d.text(i, &r.Message)
	}
	return d.skip(i)
}

// resultFields is a Reply while the result of a connect or a subscribe is read into it.
type resultFields Reply

func (r *resultFields) field(d *Decoder, key []byte, i int) int {
	switch string(key) {
	case "ping":
		return unsigned(d, i, &r.Ping)
	case "pong":
		return d.boolean(i, &r.Pong)
	case "epoch":
		return d.text(i, &r.Epoch)
	case "offset":
		return unsigned(d, i, &r.Offset)
	case "recoverable":
		return d.boolean(i, &r.Recoverable)
	case "recovered":
		return d.boolean(i, &r.Recovered)
	}
	return d.skip(i)
}
