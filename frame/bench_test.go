package frame

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// browserRequest is what a browser sends to open a WebSocket, cookie and all.
const browserRequest = "GET /connection/websocket?cf_protocol_version=v2 HTTP/1.1\r\n" +
	"Host: chat.example.com\r\n" +
	"Connection: Upgrade\r\n" +
	"Pragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\n" +
	"Origin: https://chat.example.com\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n" +
	"Cookie: sid=0123456789abcdef0123456789abcdef; theme=dark\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
	"\r\n"

func BenchmarkParseRequest(b *testing.B) {
	head, lim := []byte(browserRequest), testLimits
	var r Request
	b.ReportAllocs()
	for b.Loop() {
		if n, err := ParseRequest(head, 0, &lim, &r); n != len(head) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkHandshake(b *testing.B) {
	head, lim := []byte(browserRequest), testLimits
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var r Request
		if n, err := ParseRequest(head, 0, &lim, &r); n == 0 || err != nil || CheckUpgrade(&r) != nil {
			b.Fatal(n, err)
		}
		d, _ := NegotiateDeflate(r.Extensions)
		dst = AppendUpgrade(dst[:0], r.Key, "", d)
	}
}

func BenchmarkStreamNext(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			// A zero key leaves the text what it is, so that one buffer serves every round.
			wire := AppendMasked(nil, [4]byte{}, OpText, bytes.Repeat([]byte("a"), size), false)
			o := Options{MaxMessage: 1 << 20, MaxFragments: 16}
			var s Stream
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, n, _, err := s.Next(wire, &o); n != len(wire) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	payload := make([]byte, 64)
	dst := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendFrame(dst[:0], OpText, payload, false)
	}
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{7, 64, 125, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				Mask(p, [4]byte{1, 2, 3, 4}, 0)
			}
		})
	}
}

func BenchmarkUTF8(b *testing.B) {
	for _, text := range []struct{ name, unit string }{
		{"ascii", "hello, world! "}, {"json", `{"name":"José","id":12345678},`}, {"cyrillic", "привет, мир "}, {"kana", "こんにちは"},
	} {
		b.Run(text.name, func(b *testing.B) {
			p := []byte(strings.Repeat(text.unit, 1000))
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				if _, ok := utf8Start.feed(p); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	text := sampleText(1 << 10)
	z := Deflate(nil, text, DeflateParams{WindowBits: maxWindowBits})
	dst := make([]byte, 0, len(text))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if out, err := Inflate(dst, z, len(text)); len(out) != len(text) || err != nil {
			b.Fatal(len(out), err)
		}
	}
}

func BenchmarkDeflate(b *testing.B) {
	for _, bits := range []uint8{maxWindowBits, 12, 9} {
		b.Run(fmt.Sprintf("window%d", bits), func(b *testing.B) {
			text, dst := sampleText(1<<10), []byte(nil)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				dst = Deflate(dst[:0], text, DeflateParams{WindowBits: bits})
			}
			b.ReportMetric(float64(len(dst))/float64(len(text)), "ratio")
		})
	}
}

// sampleText returns size bytes of JSON lines as a chat would send them.
func sampleText(size int) []byte {
	var b []byte
	for i := 0; len(b) < size; i++ {
		b = fmt.Appendf(b, `{"push":{"channel":"room:%d","pub":{"data":{"user":"u%d","n":%d,"text":"hello there"},"offset":%d}}}`+"\n",
			i*7%13, i*31, i*i*17, i)
	}
	return b[:size]
}
