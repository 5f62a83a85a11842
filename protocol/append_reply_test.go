package protocol

import (
	"math"
	"testing"
)

var testInfo = ClientInfo{User: []byte("u"), Client: []byte("c1"), ConnInfo: []byte(`{"n":1}`), ChanInfo: []byte(`null`)}

func TestReplies(t *testing.T) {
	fullSubscribe := SubscribeResult{Expires: true, TTL: 60, Recoverable: true, Epoch: []byte("epoch"), Recovered: true, Offset: 7, Positioned: true,
		Data: []byte(`[1]`), WasRecovering: true, Delta: true, Publications: []Publication{{Data: []byte("1"), Offset: 8}, {Data: []byte("2"), Offset: 9}}}
	tests := []struct {
		got  []byte
		want string
	}{
		{JSON.AppendConnectReply(nil, 1, &ConnectResult{}), `{"id":1,"connect":{}}`},
		{JSON.AppendConnectReply(nil, 1, &ConnectResult{Client: []byte("c1"), Version: "0.1", Ping: 25, Pong: true}),
			`{"id":1,"connect":{"client":"c1","version":"0.1","ping":25,"pong":true}}`},
		{JSON.AppendConnectReply(nil, 1, &ConnectResult{Client: []byte("c1"), Version: "0.1", Expires: true, TTL: 60, Data: []byte(`{}`),
			Subs: []ConnectSub{{Channel: []byte("a")}, {Channel: []byte("b"), SubscribeResult: SubscribeResult{Positioned: true}}},
			Ping: 25, Pong: true, Session: []byte("s"), Node: []byte("n"), Time: 1700000000000}),
			`{"id":1,"connect":{"client":"c1","version":"0.1","expires":true,"ttl":60,"data":{},"subs":{"a":{},"b":{"positioned":true}},` +
				`"ping":25,"pong":true,"session":"s","node":"n","time":1700000000000}}`},

		{JSON.AppendSubscribeReply(nil, 2, &SubscribeResult{}), `{"id":2,"subscribe":{}}`},
		{JSON.AppendSubscribeReply(nil, 2, &fullSubscribe), `{"id":2,"subscribe":{"expires":true,"ttl":60,"recoverable":true,"epoch":"epoch",` +
			`"publications":[{"data":1,"offset":8},{"data":2,"offset":9}],"recovered":true,"offset":7,"positioned":true,"data":[1],` +
			`"was_recovering":true,"delta":true}}`},

		{JSON.AppendUnsubscribeReply(nil, 3), `{"id":3,"unsubscribe":{}}`},
		{JSON.AppendPublishReply(nil, math.MaxUint32), `{"id":4294967295,"publish":{}}`},
		{JSON.AppendError(nil, 4, ErrBadRequest), `{"id":4,"error":{"code":107,"message":"bad request"}}`},
		{JSON.AppendError(nil, 4, ErrInternal), `{"id":4,"error":{"code":100,"message":"internal server error","temporary":true}}`},
		{JSON.AppendError(nil, 4, &Error{Code: 1000, Message: `"no"`}), `{"id":4,"error":{"code":1000,"message":"\"no\""}}`},

		{JSON.AppendPresenceReply(nil, 5, nil), `{"id":5,"presence":{"presence":{}}}`},
		{JSON.AppendPresenceReply(nil, 5, []ClientInfo{testInfo, {Client: []byte("c2")}}), `{"id":5,"presence":{"presence":{` +
			`"c1":{"user":"u","client":"c1","conn_info":{"n":1},"chan_info":null},"c2":{"user":"","client":"c2"}}}}`},
		{JSON.AppendPresenceStatsReply(nil, 6, PresenceStatsResult{}), `{"id":6,"presence_stats":{"num_clients":0,"num_users":0}}`},
		{JSON.AppendPresenceStatsReply(nil, 6, PresenceStatsResult{Clients: 3, Users: 2}), `{"id":6,"presence_stats":{"num_clients":3,"num_users":2}}`},
		{JSON.AppendHistoryReply(nil, 7, &HistoryResult{}), `{"id":7,"history":{"publications":[],"epoch":"","offset":0}}`},
		{JSON.AppendHistoryReply(nil, 7, &HistoryResult{Publications: []Publication{{Data: []byte(`"d"`), Offset: 1, Epoch: []byte("e")}},
			Position: Position{Offset: 1, Epoch: []byte("e")}}),
			`{"id":7,"history":{"publications":[{"data":"d","offset":1,"epoch":"e"}],"epoch":"e","offset":1}}`},

		{JSON.AppendRPCReply(nil, 8, nil), `{"id":8,"rpc":{}}`},
		{JSON.AppendRPCReply(nil, 8, []byte("{\n}")), `{"id":8,"rpc":{"data":{}}}`},
		{JSON.AppendRefreshReply(nil, 9, &RefreshResult{}), `{"id":9,"refresh":{}}`},
		{JSON.AppendRefreshReply(nil, 9, &RefreshResult{Client: []byte("c1"), Version: "0.1", Expires: true, TTL: 60}),
			`{"id":9,"refresh":{"client":"c1","version":"0.1","expires":true,"ttl":60}}`},
		{JSON.AppendSubRefreshReply(nil, 10, SubRefreshResult{}), `{"id":10,"sub_refresh":{}}`},
		{JSON.AppendSubRefreshReply(nil, 10, SubRefreshResult{Expires: true, TTL: 60}), `{"id":10,"sub_refresh":{"expires":true,"ttl":60}}`},
	}
	for _, test := range tests {
		if string(test.got) != test.want {
			t.Errorf("reply = %s; want %s", test.got, test.want)
		}
	}
}

// A reply is appended to what is there: here, to an array's comma that is not its own.
func TestRepliesAppend(t *testing.T) {
	if got, want := string(JSON.AppendPublishReply([]byte("x,"), 1)), `x,{"id":1,"publish":{}}`; got != want {
		t.Errorf("AppendPublishReply = %s; want %s", got, want)
	}
	if got, want := string(JSON.AppendPresenceReply([]byte(","), 1, nil)), `,{"id":1,"presence":{"presence":{}}}`; got != want {
		t.Errorf("AppendPresenceReply = %s; want %s", got, want)
	}
}
