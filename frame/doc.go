// Package frame is RFC 6455 (WebSocket) and RFC 7692 (permessage-deflate) as bytes: opening handshakes, frames, masks,
// UTF-8, close codes, compression, for either end of a conn. It does no I/O and starts no goroutine.
//
// A conn's bytes go first to ParseRequest, until it has the whole head, and then to a Stream, frame by frame:
//
//	n, err := frame.ParseRequest(b, seen, &limits, &r) // until n > 0; err is an answer for AppendHTTPError
//	err = frame.CheckUpgrade(&r)                       // once the path is known to exist
//	out = frame.AppendUpgrade(out, r.Key, protocol, deflate)
//
//	f, n, need, err := stream.Next(b, &options) // until n is 0; err is a reason for AppendClose
//	out = frame.AppendFrame(out, f.Opcode, f.Payload, false)
//
// Both are given all bytes that are not consumed yet, tell how many they take, and remember how far they came, so
// a stream may be cut anywhere and still costs linear work. What they return are slices of those bytes: good until
// the caller reuses them. Stream and DeflateParams are small and hold no pointers, so a session can live where the
// garbage collector does not look. Errors are fixed values. Nothing allocates, save Inflate and Append functions
// when dst has no room, and a list spread over several header lines.
//
// Values are not locked: one goroutine at a time. Inflate, InflateInto and Deflate may be called from any
// goroutine, as their pools are shared; they take microseconds per KiB.
package frame
