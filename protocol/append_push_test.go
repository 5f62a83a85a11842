package protocol

import "testing"

func TestPushes(t *testing.T) {
	channel := []byte("chat:a")
	const info = `{"user":"u","client":"c1","conn_info":{"n":1},"chan_info":null}`
	tests := []struct {
		got  []byte
		want string
	}{
		{JSON.AppendPing(nil), `{}`},
		{JSON.AppendPublicationPush(nil, channel, &Publication{Data: []byte(`{"a":[1, 2]}`)}), `{"push":{"channel":"chat:a","pub":{"data":{"a":[1, 2]}}}}`},
		{JSON.AppendPublicationPush(nil, channel, &Publication{Data: []byte("{\n}"), Info: &testInfo, Offset: 18446744073709551615, Delta: true,
			Tags: []Tag{{[]byte("k"), []byte("v")}, {[]byte(`"`), nil}}, Epoch: []byte("e")}),
			`{"push":{"channel":"chat:a","pub":{"data":{},"info":` + info + `,"offset":18446744073709551615,"tags":{"k":"v","\"":""},"delta":true,"epoch":"e"}}}`},
		{JSON.AppendPublicationPush(nil, channel, &Publication{}), `{"push":{"channel":"chat:a","pub":{}}}`},
		{JSON.AppendJoinPush(nil, channel, &testInfo), `{"push":{"channel":"chat:a","join":{"info":` + info + `}}}`},
		{JSON.AppendLeavePush(nil, channel, &ClientInfo{}), `{"push":{"channel":"chat:a","leave":{"info":{"user":"","client":""}}}}`},
		{JSON.AppendUnsubscribePush(nil, channel, UnsubscribedByServer), `{"push":{"channel":"chat:a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}`},
		{JSON.AppendUnsubscribePush([]byte("x"), nil, UnsubscribedByServer), `x`},
		{JSON.AppendSubscribePush(nil, channel, &SubscribeResult{}), `{"push":{"channel":"chat:a","subscribe":{}}}`},
		{JSON.AppendSubscribePush(nil, channel, &SubscribeResult{Recoverable: true, Epoch: []byte("e"), Offset: 5, Positioned: true, Data: []byte("0"),
			Publications: make([]Publication, 1)}),
			`{"push":{"channel":"chat:a","subscribe":{"recoverable":true,"epoch":"e","offset":5,"positioned":true,"data":0}}}`},
		{JSON.AppendMessagePush(nil, []byte(`"m"`)), `{"push":{"message":{"data":"m"}}}`},
		{JSON.AppendMessagePush(nil, nil), `{"push":{"message":{}}}`},
		{JSON.AppendDisconnectPush(nil, DisconnectShutdown), `{"push":{"disconnect":{"code":3001,"reason":"shutdown","reconnect":true}}}`},
		{JSON.AppendDisconnectPush(nil, DisconnectStale), `{"push":{"disconnect":{"code":3502,"reason":"stale"}}}`},
		{JSON.AppendRefreshPush(nil, true, 60), `{"push":{"refresh":{"expires":true,"ttl":60}}}`},
		{JSON.AppendRefreshPush(nil, false, 0), `{"push":{"refresh":{}}}`},
	}
	for _, test := range tests {
		if string(test.got) != test.want {
			t.Errorf("push = %s; want %s", test.got, test.want)
		}
	}
}
