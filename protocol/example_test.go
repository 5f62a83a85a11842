package protocol_test

import (
	"fmt"

	"github.com/seed4ac54ce5/edge/protocol"
)

// A frame that subscribes and publishes, and what the server answers.
func Example() {
	frame := []byte(`{"id":1,"subscribe":{"channel":"chat:index"}}
{"id":2,"publish":{"channel":"chat:index","data":{"text":"hello"}}}`)

	encoding := protocol.JSON // as the client has asked for
	var d protocol.Decoder
	var c protocol.Command
	for msg, err := range encoding.Messages(frame) {
		if err == nil {
			err = encoding.DecodeCommand(&d, msg, &c)
		}
		if err != nil {
			fmt.Println("close:", protocol.DisconnectBadRequest.Reason)
			return
		}
		switch c.Method {
		case protocol.MethodSubscribe:
			fmt.Printf("%s\n", encoding.AppendSubscribeReply(nil, c.ID, &protocol.SubscribeResult{}))
		case protocol.MethodPublish:
			pub := protocol.Publication{Data: c.Publish.Data}
			fmt.Printf("%s\n", encoding.AppendPublicationPush(nil, c.Publish.Channel, &pub))
			fmt.Printf("%s\n", encoding.AppendPublishReply(nil, c.ID))
		}
	}
	// Output:
	// {"id":1,"subscribe":{}}
	// {"push":{"channel":"chat:index","pub":{"data":{"text":"hello"}}}}
	// {"id":2,"publish":{}}
}

// A reconnecting client says at connect where it stood in each channel.
func ExampleEncoding_Subs() {
	var d protocol.Decoder
	var c protocol.Command
	line := []byte(`{"id":1,"connect":{"subs":{"news":{"recover":true,"offset":7,"epoch":"xyzw"}}}}`)
	if err := protocol.JSON.DecodeCommand(&d, line, &c); err != nil {
		fmt.Println(err)
	}
	for channel, request := range protocol.JSON.Subs(&d, &c.Connect) {
		fmt.Printf("%s from %d of %s\n", channel, request.Offset, request.Epoch)
	}
	// Output: news from 7 of xyzw
}

// A client tells pings, pushes and replies apart.
func ExampleEncoding_DecodeReply() {
	frame := []byte(`{}
{"push":{"channel":"news","pub":{"data":"hello","offset":8}}}
{"id":3,"error":{"code":103,"message":"permission denied"}}`)

	var d protocol.Decoder
	var r protocol.Reply
	for msg, err := range protocol.JSON.Messages(frame) {
		if err == nil {
			err = protocol.JSON.DecodeReply(&d, msg, &r)
		}
		if err != nil {
			fmt.Println(err)
		}
		switch r.Kind {
		case protocol.ReplyPing:
			fmt.Printf("answer with %s\n", protocol.JSON.AppendPong(nil))
		case protocol.ReplyPublication:
			fmt.Printf("%s: %s at %d\n", r.Channel, r.Data, r.Offset)
		case protocol.ReplyError:
			fmt.Printf("command %d failed: %s\n", r.ID, r.Message)
		}
	}
	// Output:
	// answer with {}
	// news: "hello" at 8
	// command 3 failed: permission denied
}
