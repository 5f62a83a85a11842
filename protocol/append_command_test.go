package protocol

import "testing"

func TestCommands(t *testing.T) {
	channel := []byte("chat:\"a\"")
	tests := []struct {
		got  []byte
		want string
	}{
		{JSON.AppendPong(nil), `{}`},
		{JSON.AppendConnect(nil, 1, &ConnectRequest{Token: nil, Name: nil}), `{"id":1,"connect":{}}`},
		{JSON.AppendConnect(nil, 1, &ConnectRequest{Token: []byte("t"), Name: []byte("flood")}), `{"id":1,"connect":{"token":"t","name":"flood"}}`},
		{JSON.AppendSubscribe(nil, 2, &SubscribeRequest{Channel: channel}), `{"id":2,"subscribe":{"channel":"chat:\"a\""}}`},
		{JSON.AppendUnsubscribe(nil, 3, channel), `{"id":3,"unsubscribe":{"channel":"chat:\"a\""}}`},
		{JSON.AppendPublish(nil, 4, &PublishRequest{Channel: channel, Data: []byte("[1,\n2]")}), `{"id":4,"publish":{"channel":"chat:\"a\"","data":[1,2]}}`},
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
