// Package protocol turns the messages inside WebSocket frames into values and back: commands that clients send, replies and
// pushes that the server sends. It speaks both forms of the Centrifuge client protocol, version 2.
//
// An [Encoding] is one of the forms. In [JSON] a frame carries objects, one to a line; in [Protobuf] it carries messages, each
// behind its size. On the way in, Next cuts the frame and a [Decoder] turns each message into a [Command], in one pass that also
// proves all of it to be well-formed:
//
//	for msg, err := range encoding.Messages(payload) {
//		if err == nil {
//			err = encoding.DecodeCommand(&d, msg, &c)
//		}
//		if err == nil {
//			err = c.Check()
//		}
//		if err != nil {
//			return protocol.DisconnectBadRequest
//		}
//		switch c.Method {
//		case protocol.MethodSubscribe:
//			dst = encoding.AppendSubscribeReply(encoding.Join(dst), c.ID, &result)
//		}
//	}
//
// On the way out every Append method adds one message to dst; Join comes before each, to part it from the one before. Whatever
// holds its zero value is left out, as the protocol asks, save for the few fields that JSON always has.
//
// Values are plain structs that know nothing of their form, and their text is bytes, not strings: a decoded command points into
// the message it came from, and lives as long as that and until the Decoder's next one. Only what an application's data is
// differs: in JSON any JSON value, in protobuf any bytes. [ValidJSON] says which of the latter can go to clients of the former.
// Nothing here allocates but to grow dst or the Decoder's scratch space. The package does no I/O and starts no goroutine; a
// Decoder belongs to one goroutine.
//
// Of protobuf messages that come where one is expected, the later add to the earlier, as the specification has it. Groups, fields
// of ours with another wire type and two filters in one subscribe are faults.
package protocol
