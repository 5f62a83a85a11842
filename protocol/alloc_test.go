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
			for line, err := range JSON.Messages(payload) {
				if err == nil {
					err = JSON.DecodeCommand(&d, line, &c)
				}
				if err == nil && c.Check() != nil {
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

func TestDecodeProtobufAllocatesNothing(t *testing.T) {
	subs := "\x22\x13\x1a\x07\x0a\x01a\x12\x02\x38\x05\x1a\x08\x0a\x01b\x12\x03\x32\x01e\x08\x01"
	payloads := [][]byte{
		Protobuf.AppendPong(nil),
		append([]byte{byte(len(subs))}, subs...),
		Protobuf.AppendSubscribe(nil, 2, &SubscribeRequest{Channel: data64, TagsFilter: []byte("\x0a\x02or\x32\x03\x12\x01k")}),
		Protobuf.AppendPublish(nil, 3, &PublishRequest{Channel: []byte("c"), Data: data64}),
		Protobuf.AppendHistory(nil, 4, &HistoryRequest{HasSince: true, Since: Position{Offset: 5}}),
		{2, 8, 0x80},
	}
	var d Decoder
	var c Command
	for _, payload := range payloads {
		n := testing.AllocsPerRun(100, func() {
			for msg, err := range Protobuf.Messages(payload) {
				if err == nil {
					err = Protobuf.DecodeCommand(&d, msg, &c)
				}
				if err == nil && c.Check() != nil {
					t.Errorf("Check of %x fails", msg)
				}
				for channel := range Protobuf.Subs(&d, &c.Connect) {
					if len(channel) == 0 {
						t.Error("entry without a channel")
					}
				}
			}
		})
		if n != 0 {
			t.Errorf("allocations of DecodeCommand(%x) = %v; want 0", payload, n)
		}
	}
}

func TestDecodeReplyAllocatesNothing(t *testing.T) {
	for _, e := range encodings {
		payload := e.AppendPing(nil)
		payload = e.AppendPublicationPush(e.Join(payload), []byte(`"c"`), &Publication{Data: data64, Offset: 1})
		payload = e.AppendError(e.Join(payload), 1, ErrInternal)
		var d Decoder
		var r Reply
		n := testing.AllocsPerRun(100, func() {
			for msg, err := range e.Messages(payload) {
				if err == nil {
					err = e.DecodeReply(&d, msg, &r)
				}
				if err != nil {
					t.Errorf("DecodeReply(%q) = %v", msg, err)
				}
			}
		})
		if n != 0 {
			t.Errorf("allocations of DecodeReply(%q) = %v; want 0", payload, n)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	channel, pub := []byte("chat:\"é\""), &Publication{Data: data64, Offset: 5, Info: &testInfo, Tags: []Tag{{data64, data64}}}
	subscribe := SubscribeResult{Epoch: []byte("e"), Offset: 5, Positioned: true, Publications: []Publication{*pub}}
	connect := &ConnectResult{Client: []byte("c"), Version: "0.1", Ping: 25, Pong: true, Subs: []ConnectSub{{channel, subscribe}}}
	dst := make([]byte, 0, 4096)
	for _, e := range encodings {
		appends := map[string]func(){
			"AppendPing":            func() { e.AppendPing(dst) },
			"AppendPublicationPush": func() { e.AppendPublicationPush(dst, channel, pub) },
			"AppendJoinPush":        func() { e.AppendJoinPush(dst, channel, &testInfo) },
			"AppendUnsubscribePush": func() { e.AppendUnsubscribePush(dst, channel, UnsubscribedExpired) },
			"AppendConnectReply":    func() { e.AppendConnectReply(dst, 1, connect) },
			"AppendSubscribeReply":  func() { e.AppendSubscribeReply(dst, 1, &subscribe) },
			"AppendPresenceReply":   func() { e.AppendPresenceReply(dst, 1, []ClientInfo{testInfo}) },
			"AppendPublishReply":    func() { e.AppendPublishReply(dst, 1) },
			"AppendError":           func() { e.AppendError(dst, 1, ErrPermissionDenied) },
			"AppendConnect":         func() { e.AppendConnect(dst, 1, &ConnectRequest{Token: channel, Name: channel}) },
			"AppendSubscribe":       func() { e.AppendSubscribe(dst, 1, &SubscribeRequest{Channel: channel}) },
			"AppendPublish":         func() { e.AppendPublish(dst, 1, &PublishRequest{Channel: channel, Data: data64}) },
		}
		for name, call := range appends {
			if n := testing.AllocsPerRun(100, call); n != 0 {
				t.Errorf("allocations of %v.%s = %v; want 0", e, name, n)
			}
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
