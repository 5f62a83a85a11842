package protocol

import (
	"reflect"
	"testing"
)

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
		{`{"id":2,"subscribe":{"recoverable":true,"epoch":"e","recovered":true,"was_recovering":true,"offset":9}}`,
			Reply{Kind: ReplyResult, ID: 2, Offset: 9, Epoch: []byte("e"), Recoverable: true, Recovered: true}},
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
		if err := d.decodeJSONReply([]byte(test.line), &r); err != nil || !reflect.DeepEqual(r, test.want) {
			t.Errorf("DecodeReply(%s) = %+v, %v; want %+v", test.line, r, err, test.want)
		}
	}
	for line, want := range map[string]Fault{`{"id":"1"}`: FaultType, `{"push":[]}`: FaultType, `{`: FaultSyntax, ``: FaultSyntax} {
		if err := d.decodeJSONReply([]byte(line), &r); err != want {
			t.Errorf("DecodeReply(%s) = %v; want %v", line, err, want)
		}
	}
}
