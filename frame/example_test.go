package frame_test

import (
	"fmt"

	"github.com/seed4ac54ce5/edge/frame"
)

// A request becomes a WebSocket.
func Example() {
	b := []byte("GET /ws?room=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: soap, chat\r\n\r\n")

	var r frame.Request
	limits := frame.RequestLimits{Head: 8 << 10, Target: 2 << 10, Fields: 100}
	if _, err := frame.ParseRequest(b, 0, &limits, &r); err != nil {
		fmt.Printf("%s", frame.AppendHTTPError(nil, err))
		return
	}
	fmt.Printf("%s on %s\n", r.Path, r.Host)
	if err := frame.CheckUpgrade(&r); err != nil {
		fmt.Printf("%s", frame.AppendHTTPError(nil, err))
		return
	}
	protocol, _ := frame.SelectProtocol(r.Protocols, "chat")
	deflate, _ := frame.NegotiateDeflate(r.Extensions)
	fmt.Printf("%q", frame.AppendUpgrade(nil, r.Key, protocol, deflate))
	// Output:
	// /ws on example.com
	// "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
}

// A message arrives in two reads, and a broken frame behind it.
func ExampleStream() {
	sent := frame.AppendMasked(nil, [4]byte{1, 2, 3, 4}, frame.OpText, []byte("hello"), false)
	sent = append(sent, 0xff)

	var s frame.Stream
	o := frame.Options{MaxMessage: 64 << 10, MaxFragments: 64}
	for _, b := range [][]byte{sent[:8], sent} {
		for {
			f, n, need, err := s.Next(b, &o)
			if err != nil {
				fmt.Println(err.Code, err.Reason)
				break
			}
			if n == 0 {
				fmt.Printf("%d of %d bytes\n", len(b), need)
				break
			}
			fmt.Printf("opcode %d: %s\n", f.Opcode, f.Payload)
			b = b[n:]
		}
	}
	// Output:
	// 8 of 11 bytes
	// opcode 1: hello
	// 1002 reserved opcode
}

// A message is tried in a small buffer at hand, and left for later if it turns out to be large.
func ExampleInflateInto() {
	small := frame.Deflate(nil, []byte("hello, hello, hello"), frame.DeflateParams{WindowBits: 15})
	large := frame.Deflate(nil, make([]byte, 100_000), frame.DeflateParams{WindowBits: 15})

	buf := make([]byte, 0, 4096)
	for _, message := range [][]byte{small, large} {
		out, fits, err := frame.InflateInto(buf, message, 1<<20)
		fmt.Println(len(out), fits, err == nil)
	}
	out, err := frame.Inflate(nil, large, 1<<20)
	fmt.Println(len(out), err == nil)
	// Output:
	// 19 true true
	// 0 false true
	// 100000 true
}
