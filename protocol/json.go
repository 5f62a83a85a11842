package protocol

import "iter"

// The JSON encoding by itself.

// NextLine cuts the first line off payload, as JSON.Next does.
func NextLine(payload []byte) (line, rest []byte) { return nextLine(payload) }

// Lines returns the lines of a frame's payload, as NextLine cuts them.
func Lines(payload []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		line, rest := NextLine(payload)
		for yield(line) && len(rest) > 0 {
			line, rest = NextLine(rest)
		}
	}
}

// DecodeCommand is JSON.DecodeCommand.
func (d *Decoder) DecodeCommand(line []byte, c *Command) error { return d.decodeJSONCommand(line, c) }

// Subs is JSON.Subs.
func (d *Decoder) Subs(r *ConnectRequest) iter.Seq2[[]byte, *SubscribeRequest] {
	return JSON.Subs(d, r)
}

// DecodeReply is JSON.DecodeReply.
func (d *Decoder) DecodeReply(line []byte, r *Reply) error { return d.decodeJSONReply(line, r) }

// AppendPing is JSON.AppendPing.
func AppendPing(dst []byte) []byte { return JSON.AppendPing(dst) }

// AppendPong is JSON.AppendPong.
func AppendPong(dst []byte) []byte { return JSON.AppendPong(dst) }

// AppendError is JSON.AppendError.
func AppendError(dst []byte, id uint32, e *Error) []byte { return JSON.AppendError(dst, id, e) }

// AppendConnectReply is JSON.AppendConnectReply.
func AppendConnectReply(dst []byte, id uint32, r *ConnectResult) []byte {
	return JSON.AppendConnectReply(dst, id, r)
}

// AppendSubscribeReply is JSON.AppendSubscribeReply.
func AppendSubscribeReply(dst []byte, id uint32, r *SubscribeResult) []byte {
	return JSON.AppendSubscribeReply(dst, id, r)
}

// AppendUnsubscribeReply is JSON.AppendUnsubscribeReply.
func AppendUnsubscribeReply(dst []byte, id uint32) []byte {
	return JSON.AppendUnsubscribeReply(dst, id)
}

// AppendPublishReply is JSON.AppendPublishReply.
func AppendPublishReply(dst []byte, id uint32) []byte { return JSON.AppendPublishReply(dst, id) }

// AppendPublicationPush is JSON.AppendPublicationPush.
func AppendPublicationPush(dst, channel []byte, p *Publication) []byte {
	return JSON.AppendPublicationPush(dst, channel, p)
}

// AppendConnect is JSON.AppendConnect with a token, which may be empty, and the client's name.
func AppendConnect(dst []byte, id uint32, token, name []byte) []byte {
	return JSON.AppendConnect(dst, id, &ConnectRequest{Token: token, Name: name})
}

// AppendSubscribe is JSON.AppendSubscribe with a channel.
func AppendSubscribe(dst []byte, id uint32, channel []byte) []byte {
	return JSON.AppendSubscribe(dst, id, &SubscribeRequest{Channel: channel})
}

// AppendPublish is JSON.AppendPublish with a channel and data.
func AppendPublish(dst []byte, id uint32, channel, data []byte) []byte {
	return JSON.AppendPublish(dst, id, &PublishRequest{Channel: channel, Data: data})
}
