package protocol

import (
	"bytes"
	"testing"
)

var (
	data64        = []byte(`{"text":"the quick brown fox jumps over a lazy dog","n":1234567}`) // 64 bytes
	benchConnect  = []byte(`{"id":1,"connect":{"token":"` + string(bytes.Repeat([]byte("eyJhbGci"), 24)) + `","name":"js","version":"5.7.1"}}`)
	benchCommands = []struct {
		name string
		line []byte
	}{
		{"connect", benchConnect},
		{"subscribe", []byte(`{"id":2,"subscribe":{"channel":"chat:index","recover":true,"epoch":"hjkl","offset":1234,"flag":1}}`)},
		{"publish object", JSON.AppendPublish(nil, 3, &PublishRequest{Channel: []byte("chat:index"), Data: data64})},
		{"publish string", JSON.AppendPublish(nil, 3, &PublishRequest{Channel: []byte("chat:index"), Data: appendText(nil, bytes.Repeat([]byte("0123456"), 9)[:62])})},
		{"publish 16 KiB", JSON.AppendPublish(nil, 3, &PublishRequest{Channel: []byte("chat:index"), Data: appendText(nil, bytes.Repeat([]byte("0123456789abcdef"), 1024))})},
		{"publish 16 KiB of UTF-8", JSON.AppendPublish(nil, 3, &PublishRequest{Channel: []byte("chat:index"), Data: appendText(nil, bytes.Repeat([]byte("äöüßéèêç"), 1024))})},
		{"pong", []byte(`{}`)},
	}
)

func BenchmarkDecodeCommand(b *testing.B) {
	for _, bench := range benchCommands {
		b.Run(bench.name, func(b *testing.B) {
			var d Decoder
			var c Command
			b.SetBytes(int64(len(bench.line)))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.decodeJSONCommand(bench.line, &c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The commands again, as the other encoding has them.
func BenchmarkDecodeProtobufCommand(b *testing.B) {
	for _, bench := range benchCommands {
		b.Run(bench.name, func(b *testing.B) {
			var d Decoder
			var c Command
			if err := JSON.DecodeCommand(&d, bench.line, &c); err != nil {
				b.Fatal(err)
			}
			var msg []byte
			if c.Method != MethodPong {
				msg = unframed(b, appendCommand(nil, c.Method, &c))
			}
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Protobuf.DecodeCommand(&d, msg, &c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var encodings = []Encoding{JSON, Protobuf}

func BenchmarkDecodeReply(b *testing.B) {
	for _, e := range encodings {
		b.Run(e.String(), func(b *testing.B) {
			var d Decoder
			var r Reply
			msg := e.AppendPublicationPush(nil, []byte("chat:index"), &Publication{Data: data64, Offset: 12345})
			if e == Protobuf {
				msg = unframed(b, msg)
			}
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				if err := e.DecodeReply(&d, msg, &r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendPublicationPush(b *testing.B) {
	for _, e := range encodings {
		b.Run(e.String(), func(b *testing.B) {
			channel, pub := []byte("chat:index"), &Publication{Data: data64, Offset: 12345}
			dst := e.AppendPublicationPush(nil, channel, pub)
			b.SetBytes(int64(len(dst)))
			b.ReportAllocs()
			for b.Loop() {
				dst = e.AppendPublicationPush(dst[:0], channel, pub)
			}
		})
	}
}

func BenchmarkAppendSubscribeReply(b *testing.B) {
	for _, e := range encodings {
		b.Run(e.String(), func(b *testing.B) {
			result := &SubscribeResult{Positioned: true, Recoverable: true, Epoch: []byte("hjklzuio"), Offset: 12345}
			dst := e.AppendSubscribeReply(nil, 2, result)
			b.SetBytes(int64(len(dst)))
			b.ReportAllocs()
			for b.Loop() {
				dst = e.AppendSubscribeReply(dst[:0], 2, result)
			}
		})
	}
}
