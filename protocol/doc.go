// Package protocol turns the messages inside WebSocket frames into values and back: commands that clients send, replies and
// pushes that the server sends. It speaks the JSON form of the Centrifuge client protocol, version 2.
//
// A frame carries one or more JSON objects, one to a line. On the way in, [Lines] cuts the frame and a [Decoder] turns each
// line into a [Command], in one pass that also proves the line to be valid JSON:
//
//	for line := range protocol.Lines(payload) {
//		if err := d.DecodeCommand(line, &c); err != nil {
//			return protocol.DisconnectBadRequest
//		}
//		if err := c.Check(); err != nil {
//			return protocol.DisconnectBadRequest
//		}
//		switch c.Method {
//		case protocol.MethodSubscribe:
//			dst = protocol.AppendSubscribeReply(dst, c.ID, &result)
//		}
//	}
//
// On the way out every Append function adds one object to dst, without the newline that joins it to the next one. Whatever
// holds its zero value is left out, as the protocol asks, save for the few fields that it always wants.
//
// Values are plain structs that know nothing of JSON, and their text is bytes, not strings: a decoded command points into the
// line it came from, and lives as long as that line and until the Decoder's next one. Nothing here allocates but to grow dst or
// the Decoder's scratch space. The package does no I/O and starts no goroutine; a Decoder belongs to one goroutine.
package protocol
