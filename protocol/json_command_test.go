package protocol

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

// decodeCommand decodes line by a Decoder of its own.
func decodeCommand(line string) (Command, error) {
	var d Decoder
	var c Command
	err := d.decodeJSONCommand([]byte(line), &c)
	c.seen = 0 // of no interest once Method is set
	return c, err
}

func TestDecodeCommand(t *testing.T) {
	tests := []struct {
		line string
		want Command
	}{
		// Pong: neither id nor command.
		{`{}`, Command{Method: MethodPong}},
		{` { } `, Command{Method: MethodPong}},
		{`{"id":0,"unknown":[1,{"a":null}]}`, Command{Method: MethodPong}},
		{`{"connect":null}`, Command{Method: MethodPong}},

		// Every command, with every field that is read.
		{`{"connect":{"name":"js"},"id":1}`, Command{ID: 1, Method: MethodConnect, Connect: ConnectRequest{Name: []byte("js")}}},
		{`{"id":1,"connect":{}}`, Command{ID: 1, Method: MethodConnect}},
		{`{"id":1,"connect":{"token":"t","data":{"a":1},"subs":{"x":{"offset":1}},"name":"js","version":"5","headers":{"k":"v"},"flag":3,"dict":"d"}}`,
			Command{ID: 1, Method: MethodConnect, Connect: ConnectRequest{Token: []byte("t"), Data: []byte(`{"a":1}`),
				Subs: []byte(`{"x":{"offset":1}}`), Name: []byte("js"), Version: []byte("5"), Flag: 3}}},
		{`{"id":2,"subscribe":{"channel":"c","token":"t","recover":true,"epoch":"e","offset":18446744073709551615,"data":"d","positioned":true,` +
			`"recoverable":true,"join_leave":true,"delta":"fossil","tf":{"op":"and"},"flag":-1,"type":4}}`,
			Command{ID: 2, Method: MethodSubscribe, Subscribe: SubscribeRequest{Channel: []byte("c"), Token: []byte("t"), Epoch: []byte("e"),
				Offset: math.MaxUint64, Data: []byte(`"d"`), Delta: []byte("fossil"), TagsFilter: []byte(`{"op":"and"}`), Flag: -1, Type: 4,
				Recover: true, Positioned: true, Recoverable: true, JoinLeave: true}}},
		{`{"id":3,"unsubscribe":{"channel":"c","unknown":0}}`, Command{ID: 3, Method: MethodUnsubscribe, Unsubscribe: UnsubscribeRequest{Channel: []byte("c")}}},
		{`{"id":4,"publish":{"channel":"c","data":[ 1,"é" ],"type":1,"key":"k","removed":true}}`,
			Command{ID: 4, Method: MethodPublish, Publish: PublishRequest{Channel: []byte("c"), Data: []byte(`[ 1,"é" ]`), Type: 1, Key: []byte("k"), Removed: true}}},
		{`{"id":5,"presence":{"unknown":0,"channel":"c"}}`, Command{ID: 5, Method: MethodPresence, Presence: PresenceRequest{Channel: []byte("c")}}},
		{`{"id":6,"presence_stats":{"channel":"c"}}`, Command{ID: 6, Method: MethodPresenceStats, PresenceStats: PresenceRequest{Channel: []byte("c")}}},
		{`{"id":7,"history":{"channel":"c","limit":-1,"since":{"offset":5,"epoch":"e"},"reverse":true}}`,
			Command{ID: 7, Method: MethodHistory, History: HistoryRequest{Channel: []byte("c"), Limit: -1, HasSince: true,
				Since: Position{Offset: 5, Epoch: []byte("e")}, Reverse: true}}},
		{`{"id":7,"history":{"channel":"c","since":{}}}`, Command{ID: 7, Method: MethodHistory, History: HistoryRequest{Channel: []byte("c"), HasSince: true}}},
		{`{"id":7,"history":{"channel":"c","since":null}}`, Command{ID: 7, Method: MethodHistory, History: HistoryRequest{Channel: []byte("c")}}},
		{`{"id":8,"rpc":{"unknown":0,"method":"m","data":1e3}}`, Command{ID: 8, Method: MethodRPC, RPC: RPCRequest{Method: []byte("m"), Data: []byte("1e3")}}},
		{`{"send":{"unknown":0,"data":true}}`, Command{Method: MethodSend, Send: SendRequest{Data: []byte("true")}}},
		{`{"id":9,"refresh":{"unknown":0,"token":"t"}}`, Command{ID: 9, Method: MethodRefresh, Refresh: RefreshRequest{Token: []byte("t")}}},
		{`{"id":10,"sub_refresh":{"channel":"c","token":"t","type":1}}`,
			Command{ID: 10, Method: MethodSubRefresh, SubRefresh: SubRefreshRequest{Channel: []byte("c"), Token: []byte("t"), Type: 1}}},
		{`{"id":11,"ping":{}}`, Command{ID: 11, Method: MethodPing}},
		{`{"id":12}`, Command{ID: 12, Method: MethodNone}},

		// Data that is null is there; data that is absent is not.
		{`{"id":1,"publish":{"channel":"c","data":null}}`, Command{ID: 1, Method: MethodPublish, Publish: PublishRequest{Channel: []byte("c"), Data: []byte("null")}}},
		{`{"id":1,"publish":{"channel":"c"}}`, Command{ID: 1, Method: MethodPublish, Publish: PublishRequest{Channel: []byte("c")}}},

		// Null is absent everywhere else.
		{`{"id":null,"send":{}}`, Command{Method: MethodSend}},
		{`{"id":2,"subscribe":{"channel":null,"recover":null,"offset":null,"type":null,"tf":null}}`, Command{ID: 2, Method: MethodSubscribe}},

		// The last of equal keys counts, and replaces objects whole.
		{`{"id":1,"id":2,"publish":{"channel":"a","data":1},"publish":{"channel":"b","channel":"c"}}`,
			Command{ID: 2, Method: MethodPublish, Publish: PublishRequest{Channel: []byte("c")}}},
		{`{"id":1,"publish":{"channel":"a"},"publish":null}`, Command{ID: 1, Method: MethodNone}},

		// Strings and keys are unescaped, raw values are not.
		{`{"\u0069d":1,"publish":{"channel":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","data":"\u0041"}}`,
			Command{ID: 1, Method: MethodPublish, Publish: PublishRequest{Channel: []byte("\"\\/\b\f\n\r\té😀"), Data: []byte(`"\u0041"`)}}},
		{`{"id":1,"publish":{"channel":"\ud800 \udc00\ud800\u0041\ud800"}}`,
			Command{ID: 1, Method: MethodPublish, Publish: PublishRequest{Channel: []byte("\uFFFD \uFFFD\uFFFDA\uFFFD")}}},

		// Keys are compared to the letter.
		{`{"ID":1,"Send":{}}`, Command{Method: MethodPong}},
	}
	for _, test := range tests {
		got, err := decodeCommand(test.line)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("DecodeCommand(%s) = %+v, %v; want %+v", test.line, got, err, test.want)
		}
	}
}

func TestDecodeCommandFaults(t *testing.T) {
	tests := []struct {
		line string
		want Fault
	}{
		// Not one object on one line.
		{``, FaultSyntax},
		{`   `, FaultSyntax},
		{`null`, FaultSyntax},
		{`[]`, FaultSyntax},
		{`"id"`, FaultSyntax},
		{`{}{}`, FaultSyntax},
		{`{} x`, FaultSyntax},
		{`{`, FaultSyntax},
		{`{"id"}`, FaultSyntax},
		{`{"id":}`, FaultSyntax},
		{`{"id":1,}`, FaultSyntax},
		{`{"id":1 "send":{}}`, FaultSyntax},
		{`{id:1}`, FaultSyntax},
		{`{"x":[1,]}`, FaultSyntax},
		{`{"x":[1}}`, FaultSyntax},
		{`{"x":nul}`, FaultSyntax},
		{`{"x":truE}`, FaultSyntax},
		{`{"x":nulls}`, FaultSyntax},
		{"{\"x\":1}\x00", FaultSyntax},

		// Strings: section 7.
		{`{"x":"`, FaultSyntax},
		{`{"x":"\`, FaultSyntax},
		{`{"x":"\x"}`, FaultSyntax},
		{`{"x":"\u12"}`, FaultSyntax},
		{`{"x":"\u12g4"}`, FaultSyntax},
		{"{\"x\":\"\t\"}", FaultSyntax},
		{"{\"x\":\"\x00\"}", FaultSyntax},
		{"{\"x\":\"é\x1f\"}", FaultSyntax},
		{"{\"x\":\"\xff\"}", FaultSyntax},
		{"{\"x\":\"a\\n\xc3\"}", FaultSyntax},
		{"{\"x\":\"\xed\xa0\x80\"}", FaultSyntax}, // a surrogate, encoded

		// Numbers: section 6.
		{`{"x":01}`, FaultSyntax},
		{`{"x":+1}`, FaultSyntax},
		{`{"x":.5}`, FaultSyntax},
		{`{"x":1.}`, FaultSyntax},
		{`{"x":1e}`, FaultSyntax},
		{`{"x":1e+}`, FaultSyntax},
		{`{"x":-}`, FaultSyntax},
		{`{"x":0x1}`, FaultSyntax},
		{`{"x":NaN}`, FaultSyntax},

		// A wrong type, or a number out of range.
		{`{"id":"1"}`, FaultType},
		{`{"id":-1}`, FaultType},
		{`{"id":-0}`, FaultType},
		{`{"id":1.0}`, FaultType},
		{`{"id":1e3}`, FaultType},
		{`{"id":4294967296}`, FaultType},
		{`{"id":99999999999999999999999999}`, FaultType},
		{`{"id":true}`, FaultType},
		{`{"connect":[]}`, FaultType},
		{`{"connect":{"token":1}}`, FaultType},
		{`{"connect":{"headers":{"k":1}}}`, FaultType},
		{`{"connect":{"subs":[]}}`, FaultType},
		{`{"connect":{"subs":{"c":1}}}`, FaultType},
		{`{"connect":{"subs":{"c":{"offset":"1"}}}}`, FaultType},
		{`{"connect":{"flag":9223372036854775808}}`, FaultType},
		{`{"connect":{"flag":-9223372036854775809}}`, FaultType},
		{`{"subscribe":"c"}`, FaultType},
		{`{"subscribe":{"channel":{}}}`, FaultType},
		{`{"subscribe":{"recover":1}}`, FaultType},
		{`{"subscribe":{"recover":"true"}}`, FaultType},
		{`{"subscribe":{"offset":18446744073709551616}}`, FaultType},
		{`{"subscribe":{"type":2147483648}}`, FaultType},
		{`{"subscribe":{"type":-2147483649}}`, FaultType},
		{`{"subscribe":{"tf":"x"}}`, FaultType},
		{`{"history":{"since":5}}`, FaultType},
		{`{"ping":1}`, FaultType},

		// Broken JSON is a fault of syntax wherever a type was due.
		{`{"id":x}`, FaultSyntax},
		{`{"send":x}`, FaultSyntax},
		{`{"subscribe":{"recover":trux}}`, FaultSyntax},
	}
	for _, test := range tests {
		if _, err := decodeCommand(test.line); err != test.want {
			t.Errorf("DecodeCommand(%q) = %v; want %v", test.line, err, test.want)
		}
	}
}

// Fields that hold their least and largest value.
func TestDecodeCommandLimits(t *testing.T) {
	c, err := decodeCommand(`{"id":4294967295,"connect":{"flag":-9223372036854775808},"subscribe":{"flag":9223372036854775807,"type":-2147483648},` +
		`"history":{"limit":2147483647},"publish":{"type":-0}}`)
	if err != nil || c.ID != math.MaxUint32 || c.Connect.Flag != math.MinInt64 || c.Subscribe.Flag != math.MaxInt64 ||
		c.Subscribe.Type != math.MinInt32 || c.History.Limit != math.MaxInt32 || c.Publish.Type != 0 {
		t.Errorf("DecodeCommand = %+v, %v; want the limits of each type", c, err)
	}
}

func TestDecodeCommandDepth(t *testing.T) {
	nested := func(opening, closing string, depth int) string {
		return `{"id":1,"publish":{"channel":"c","data":` + strings.Repeat(opening, depth) + "0" + strings.Repeat(closing, depth) + `}}`
	}
	tests := []struct {
		opening, closing string
		depth            int
		want             error
	}{
		{"[", "]", MaxDepth, nil},
		{`{"":`, "}", MaxDepth, nil},
		{"[", "]", MaxDepth + 1, FaultDepth},
		{`{"":`, "}", MaxDepth + 1, FaultDepth},
		{`[{"x":`, "}]", 5000, FaultDepth},
	}
	for _, test := range tests {
		line := nested(test.opening, test.closing, test.depth)
		if _, err := decodeCommand(line); err != test.want {
			t.Errorf("DecodeCommand(%d times %s) = %v; want %v", test.depth, test.opening, err, test.want)
		}
	}
}

// A megabyte of digits is a number like any other, and no id.
func TestDecodeCommandDigits(t *testing.T) {
	digits := strings.Repeat("7", 1<<20)
	if c, err := decodeCommand(`{"id":1,"send":{"data":` + digits + `}}`); err != nil || string(c.Send.Data) != digits {
		t.Errorf("DecodeCommand(%d digits of data) = %v; want the digits", len(digits), err)
	}
	if _, err := decodeCommand(`{"id":` + digits + `}`); err != FaultType {
		t.Errorf("DecodeCommand(%d digits of id) = %v; want %v", len(digits), err, FaultType)
	}
}

// One command of several counts, in the order of the protocol and not of the line.
func TestCommandPrecedence(t *testing.T) {
	order := []Method{MethodConnect, MethodSubscribe, MethodUnsubscribe, MethodPublish, MethodPresence, MethodPresenceStats, MethodHistory,
		MethodRPC, MethodSend, MethodRefresh, MethodSubRefresh, MethodPing}
	line := "}"
	for i := len(order) - 1; i >= 0; i-- {
		line = `,"` + order[i].String() + `":{}` + line
		if c, err := decodeCommand(`{"id":1` + line); err != nil || c.Method != order[i] {
			t.Errorf("DecodeCommand({\"id\":1%s) = %v, %v; want %v", line, c.Method, err, order[i])
		}
	}
}

// A Command that is used again shows nothing of the one before in the request that counts.
func TestDecodeCommandReuse(t *testing.T) {
	var d Decoder
	var c Command
	lines := []string{`{"id":7,"publish":{"channel":"a","data":1,"type":1}}`, `{"publish":{"channel":"\u0062"}}`}
	for _, line := range lines {
		if err := d.decodeJSONCommand([]byte(line), &c); err != nil {
			t.Fatalf("DecodeCommand(%s) = %v", line, err)
		}
	}
	if want := (PublishRequest{Channel: []byte("b")}); c.ID != 0 || !reflect.DeepEqual(c.Publish, want) {
		t.Errorf("second DecodeCommand = %d, %+v; want 0, %+v", c.ID, c.Publish, want)
	}
}

// What is decoded cannot be grown into the line.
func TestDecodedSlicesAreClipped(t *testing.T) {
	c, err := decodeCommand(`{"id":1,"publish":{"channel":"c\u0063","data":[1],"key":"k"}}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range [][]byte{c.Publish.Channel, c.Publish.Data, c.Publish.Key} {
		if len(s) != cap(s) {
			t.Errorf("cap(%s) = %d; want %d", s, cap(s), len(s))
		}
	}
}

func TestSubs(t *testing.T) {
	type entry struct {
		channel string
		request SubscribeRequest
	}
	tests := []struct {
		subs string
		want []entry
	}{
		{`null`, nil},
		{`{}`, nil},
		{`{"a":{}}`, []entry{{"a", SubscribeRequest{}}}},
		{` { "a" : null , "\u0062" : {"recover":true,"offset":3,"epoch":"\u0065"} } `,
			[]entry{{"a", SubscribeRequest{}}, {"b", SubscribeRequest{Recover: true, Offset: 3, Epoch: []byte("e")}}}},
		{`{"a":{"token":"x","token":"y"},"a":{}}`, []entry{{"a", SubscribeRequest{Token: []byte("y")}}, {"a", SubscribeRequest{}}}},
	}
	for _, test := range tests {
		var d Decoder
		var c Command
		line := `{"id":1,"connect":{"token":"\u0074","subs":` + test.subs + `}}`
		if err := d.decodeJSONCommand([]byte(line), &c); err != nil {
			t.Errorf("DecodeCommand(%s) = %v", line, err)
		}
		for range 2 { // the walk can be done again
			var got []entry
			for channel, request := range JSON.Subs(&d, &c.Connect) {
				got = append(got, entry{string(channel), *request})
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("Subs(%s) = %+v; want %+v", test.subs, got, test.want)
			}
		}
		if string(c.Connect.Token) != "t" {
			t.Errorf("token after Subs(%s) = %q; want t", test.subs, c.Connect.Token)
		}
	}
}

func TestSubsStops(t *testing.T) {
	var d Decoder
	n := 0
	for range JSON.Subs(&d, &ConnectRequest{Subs: []byte(`{"a":{},"b":{}}`)}) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("entries seen = %d; want 1", n)
	}
}
