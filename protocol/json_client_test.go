package protocol

import (
	"reflect"
	"testing"
)

func TestCommands(t *testing.T) {
	channel := []byte("chat:\"a\"")
	tests := []struct {
		got  []byte
		want string
	}{
		{AppendPong(nil), `{}`},
		{AppendConnect(nil, 1, nil, nil), `{"id":1,"connect":{}}`},
		{AppendConnect(nil, 1, []byte("t"), []byte("flood")), `{"id":1,"connect":{"token":"t","name":"flood"}}`},
		{AppendSubscribe(nil, 2, channel), `{"id":2,"subscribe":{"channel":"chat:\"a\""}}`},
		{AppendUnsubscribe(nil, 3, channel), `{"id":3,"unsubscribe":{"channel":"chat:\"a\""}}`},
		{AppendPublish(nil, 4, channel, []byte("[1,\n2]")), `{"id":4,"publish":{"channel":"chat:\"a\"","data":[1,2]}}`},
	}
	for _, test := range tests {
		if string(test.got) != test.want {
			t.Errorf("command = %s; want %s", test.got, test.want)
		}
		if c, err := decodeCommand(test.want); err != nil || c.Check() != nil {
			t.Errorf("DecodeCommand(%s) = %v, Check %v; want neither", test.want, err, c.Check())
		}
	}
}

func TestDecodeReply(t *testing.T) {
	tests := []struct {
		line string
		want Reply
	}{
		{`{}`, Reply{Kind: ReplyPing}},
		{`{"id":1,"connect":{"client":"c","version":"1","ping":25,"pong":true}}`, Reply{Kind: ReplyResult, ID: 1, Ping: 25, Pong: true}},
		{`{"id":2,"subscribe":{}}`, Reply{Kind: ReplyResult, ID: 2}},
		{`{"id":2,"subscribe":{"positioned":true,"epoch":"e","offset":9,"publications":[{"offset":8}]}}`,
			Reply{Kind: ReplyResult, ID: 2, Offset: 9, Epoch: []byte("e")}},
		{`{"id":3,"publish":{}}`, Reply{Kind: ReplyResult, ID: 3}},
		{`{"id":4,"error":{"code":103,"message":"permission denied","temporary":true}}`,
			Reply{Kind: ReplyError, ID: 4, Code: 103, Message: []byte("permission denied")}},
		{`{"push":{"channel":"c","pub":{"data":{"a":1},"info":{"user":"u"},"offset":5}}}`,
			Reply{Kind: ReplyPublication, Channel: []byte("c"), Data: []byte(`{"a":1}`), Offset: 5}},
		{`{"push":{"pub":{"data":"\u0041"},"channel":"\u0063"}}`, Reply{Kind: ReplyPublication, Channel: []byte("c"), Data: []byte(`"\u0041"`)}},
		{`{"push":{"channel":"c","join":{"info":{"user":"","client":"x"}}}}`, Reply{Kind: ReplyPush, Channel: []byte("c")}},
		{`{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}`, Reply{Kind: ReplyPush}},
	}
	var d Decoder
	var r Reply
	for _, test := range tests {
		if err := d.DecodeReply([]byte(test.line), &r); err != nil || !reflect.DeepEqual(r, test.want) {
			t.Errorf("DecodeReply(%s) = %+v, %v; want %+v", test.line, r, err, test.want)
		}
	}
	for line, want := range map[string]Fault{`{"id":"1"}`: FaultType, `{"push":[]}`: FaultType, `{`: FaultSyntax, ``: FaultSyntax} {
		if err := d.DecodeReply([]byte(line), &r); err != want {
			t.Errorf("DecodeReply(%s) = %v; want %v", line, err, want)
		}
	}
}
