package protocol

import "testing"

func TestDecodeAllocatesNothing(t *testing.T) {
	lines := []string{
		`{}`,
		`{"id":1,"connect":{"token":"t\u0074","data":{"a":[1]},"subs":{"x":{"offset":1},"\u0079":{"epoch":"\u0065"}},"name":"js"}}`,
		`{"id":2,"subscribe":{"channel":"chat:\"index\"","recover":true,"epoch":"e","offset":5,"flag":1}}`,
		`{"id":3,"publish":{"channel":"chat:index","data":{"text":"é\n","n":[1,2,{"x":null}]}}}`,
		`{"id":4,"history":{"channel":"c","limit":10,"since":{"offset":5,"epoch":"e"}}}`,
		`{"id":"broken"}`,
	}
	var d Decoder
	var c Command
	for _, line := range lines {
		payload := []byte(line + "\n" + line)
		n := testing.AllocsPerRun(100, func() {
			for line := range JSON.Messages(payload) {
				if err := d.decodeJSONCommand(line, &c); err == nil && c.Check() != nil {
					t.Errorf("Check of %s fails", line)
				}
				for channel := range JSON.Subs(&d, &c.Connect) {
					if len(channel) == 0 {
						t.Error("entry without a channel")
					}
				}
			}
		})
		if n != 0 {
			t.Errorf("allocations of DecodeCommand(%s) = %v; want 0", line, n)
		}
	}
}

func TestDecodeReplyAllocatesNothing(t *testing.T) {
	lines := [][]byte{JSON.AppendPing(nil), JSON.AppendPublicationPush(nil, []byte(`"c"`), &Publication{Data: data64, Offset: 1}), JSON.AppendError(nil, 1, ErrInternal)}
	var d Decoder
	var r Reply
	for _, line := range lines {
		n := testing.AllocsPerRun(100, func() {
			if err := d.decodeJSONReply(line, &r); err != nil {
				t.Errorf("DecodeReply(%s) = %v", line, err)
			}
		})
		if n != 0 {
			t.Errorf("allocations of DecodeReply(%s) = %v; want 0", line, n)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	channel, pub := []byte("chat:\"é\""), &Publication{Data: data64, Offset: 5, Info: &testInfo}
	connect := &ConnectResult{Client: []byte("c"), Version: "0.1", Ping: 25, Pong: true}
	subscribe := &SubscribeResult{Epoch: []byte("e"), Offset: 5, Positioned: true, Publications: []Publication{*pub}}
	dst := make([]byte, 0, 4096)
	appends := map[string]func(){
		"AppendPing":            func() { JSON.AppendPing(dst) },
		"AppendPublicationPush": func() { JSON.AppendPublicationPush(dst, channel, pub) },
		"AppendJoinPush":        func() { JSON.AppendJoinPush(dst, channel, &testInfo) },
		"AppendUnsubscribePush": func() { JSON.AppendUnsubscribePush(dst, channel, UnsubscribedExpired) },
		"AppendConnectReply":    func() { JSON.AppendConnectReply(dst, 1, connect) },
		"AppendSubscribeReply":  func() { JSON.AppendSubscribeReply(dst, 1, subscribe) },
		"AppendPublishReply":    func() { JSON.AppendPublishReply(dst, 1) },
		"AppendError":           func() { JSON.AppendError(dst, 1, ErrPermissionDenied) },
		"AppendConnect":         func() { JSON.AppendConnect(dst, 1, &ConnectRequest{Token: channel, Name: channel}) },
		"AppendSubscribe":       func() { JSON.AppendSubscribe(dst, 1, &SubscribeRequest{Channel: channel}) },
		"AppendPublish":         func() { JSON.AppendPublish(dst, 1, &PublishRequest{Channel: channel, Data: data64}) },
	}
	for name, call := range appends {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("allocations of %s = %v; want 0", name, n)
		}
	}
}

// A line with a lot to unescape leaves no more scratch space behind than the limit.
func TestScratchIsGivenBack(t *testing.T) {
	var d Decoder
	var c Command
	big := JSON.AppendSubscribe(nil, 1, &SubscribeRequest{Channel: make([]byte, maxScratch+1)})
	for _, line := range [][]byte{big, JSON.AppendPong(nil)} {
		if err := d.decodeJSONCommand(line, &c); err != nil {
			t.Fatal(err)
		}
	}
	if cap(d.scratch) > maxScratch {
		t.Errorf("scratch space kept = %d; want at most %d", cap(d.scratch), maxScratch)
	}
}
